package peerwire

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
)

// dict is an info dictionary that a test bends.
type dict map[string]any

// goodInfo returns a valid single-file dictionary of three pieces.
func goodInfo() dict {
	return dict{
		"name":         "file.bin",
		"piece length": 32 << 10,
		"pieces":       bytes.Repeat([]byte("0123456789abcdefghij"), 3),
		"length":       2*(32<<10) + 5,
	}
}

// withFiles returns a valid dictionary whose files, of one piece in all, are given as paths.
func withFiles(paths ...[]string) dict {
	d := goodInfo()
	delete(d, "length")
	d["pieces"] = randomBytes(sha1.Size)
	var files []any
	for _, path := range paths {
		files = append(files, dict{"length": 1, "path": path})
	}
	d["files"] = files
	return d
}

func (d dict) encode() []byte { return bencode.MustMarshal(map[string]any(d)) }

func TestInfoOfASingleFile(t *testing.T) {
	raw := goodInfo().encode()
	info, err := ParseInfo(raw)
	if err != nil {
		t.Fatal(err)
	}
	if info.Hash != swarm.HashInfo(raw) || info.Name != "file.bin" || info.Private || info.MultiFile {
		t.Errorf("%+v", info)
	}
	if info.PieceLength != 32<<10 || info.Length != 2*(32<<10)+5 || info.NumPieces() != 3 {
		t.Errorf("%+v, %d pieces", info, info.NumPieces())
	}
	if info.PieceLen(0) != 32<<10 || info.PieceLen(2) != 5 || info.PieceLen(3) != 0 || info.PieceLen(-1) != 0 {
		t.Errorf("piece lengths %d, %d", info.PieceLen(0), info.PieceLen(2))
	}
	if sum := info.PieceHash(1); string(sum[:]) != "0123456789abcdefghij" || info.PieceHash(3) != [20]byte{} {
		t.Errorf("piece hash %q", sum)
	}
	if !slices.Equal(info.Files, []File{{Path: "file.bin", Length: info.Length}}) {
		t.Errorf("files %+v", info.Files)
	}
	clear(raw)
	if sum := info.PieceHash(1); string(sum[:]) != "0123456789abcdefghij" || info.Name != "file.bin" {
		t.Error("the info shares memory with the text")
	}
}

func TestInfoOfManyFiles(t *testing.T) {
	d := withFiles([]string{"a", "b"}, []string{"a", "c d"}, []string{"e"})
	d["files"].([]any)[2].(dict)["attr"] = "x"
	info, err := ParseInfo(d.encode())
	if err != nil {
		t.Fatal(err)
	}
	want := []File{{Path: "a/b", Length: 1}, {Path: "a/c d", Length: 1}, {Path: "e", Length: 1}}
	if !info.MultiFile || info.Length != 3 || !slices.Equal(info.Files, want) {
		t.Errorf("%+v", info)
	}
}

func TestInfoBuiltByAnotherLibraryIsAccepted(t *testing.T) {
	content := randomBytes(100_000)
	theirs := metainfo.Info{PieceLength: 16 << 10, Name: "content", Length: int64(len(content))}
	var err error
	if theirs.Pieces, err = metainfo.GeneratePieces(bytes.NewReader(content), theirs.PieceLength, nil); err != nil {
		t.Fatal(err)
	}
	info, err := ParseInfo(bencode.MustMarshal(theirs))
	if err != nil {
		t.Fatal(err)
	}
	for n := range info.NumPieces() {
		begin := int64(n) * info.PieceLength
		if info.PieceHash(n) != sha1.Sum(content[begin:begin+info.PieceLen(n)]) {
			t.Errorf("piece %d", n)
		}
	}
}

func TestPrivateFlagCountsUnlessItIsAbsentOrZero(t *testing.T) {
	for _, c := range []struct {
		flag    any
		private bool
	}{
		{nil, false}, {0, false}, {1, true}, {2, true}, {-1, true},
		{"1", true}, {"0", true}, {"", true}, {[]int{}, true}, {dict{}, true}, {uint64(math.MaxUint64), true},
	} {
		d := goodInfo()
		if c.flag != nil {
			d["private"] = c.flag
		}
		info, err := ParseInfo(d.encode())
		if err != nil || info.Private != c.private {
			t.Errorf("%#v: %v, %v", c.flag, info, err)
		}
	}
}

func TestPrivateFlagGivenTwiceIsRefused(t *testing.T) {
	raw := goodInfo().encode()
	raw = append(raw[:len(raw)-1], "7:privatei0e7:privatei1ee"...)
	if _, err := ParseInfo(raw); !errors.Is(err, ErrInfo) {
		t.Errorf("%v", err)
	}
}

func TestBadInfoIsRefusedWithAReason(t *testing.T) {
	for name, c := range map[string]struct {
		bend   func(dict)
		reason string
	}{
		"name is a number":           {func(d dict) { d["name"] = 7 }, "name 7"},
		"name is ..":                 {func(d dict) { d["name"] = ".." }, "name"},
		"name is .. with spaces":     {func(d dict) { d["name"] = " .. " }, "name"},
		"bad second name":            {func(d dict) { d["name.utf-8"] = ".." }, "name"},
		"no piece length":            {func(d dict) { delete(d, "piece length") }, "piece length is missing"},
		"piece length 0":             {func(d dict) { d["piece length"] = 0 }, "piece length"},
		"negative piece length":      {func(d dict) { d["piece length"] = -1 << 20 }, "piece length"},
		"tiny pieces":                {func(d dict) { d["piece length"] = 1000 }, "piece length"},
		"huge pieces":                {func(d dict) { d["piece length"] = MaxPieceLength + 1 }, "piece length"},
		"piece length over 64 bits":  {func(d dict) { d["piece length"] = uint64(math.MaxUint64) }, "piece length"},
		"no pieces":                  {func(d dict) { delete(d, "pieces") }, "piece hashes"},
		"pieces are a list":          {func(d dict) { d["pieces"] = []int{1} }, "piece hashes"},
		"pieces cut off":             {func(d dict) { d["pieces"] = randomBytes(59) }, "piece hashes"},
		"too few pieces":             {func(d dict) { d["pieces"] = randomBytes(40) }, "2 piece hashes for 3 pieces"},
		"too many pieces":            {func(d dict) { d["pieces"] = randomBytes(80) }, "4 piece hashes for 3 pieces"},
		"no content":                 {func(d dict) { d["length"] = 0 }, "no content"},
		"negative length":            {func(d dict) { d["length"] = -5 }, "length -5"},
		"length is text":             {func(d dict) { d["length"] = "5" }, "length"},
		"length over 64 bits":        {func(d dict) { d["length"] = uint64(math.MaxUint64) }, "length"},
		"largest length":             {func(d dict) { d["length"] = int64(math.MaxInt64) }, "pieces"},
		"neither length nor files":   {func(d dict) { delete(d, "length") }, "either"},
		"both length and files":      {func(d dict) { d["files"] = []any{} }, "either"},
		"BitTorrent v2 only":         {func(d dict) { delete(d, "pieces"); d["meta version"] = 2 }, "v2 only"},
		"more pieces than supported": {func(d dict) { d["length"] = int64(MaxPieces)*(32<<10) + 1 }, "at most 1048576"},
	} {
		d := goodInfo()
		c.bend(d)
		if info, err := ParseInfo(d.encode()); !errors.Is(err, ErrInfo) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
	}
	for _, text := range []string{"", "de", "le", "i1e", "4:info", "d", string(goodInfo().encode()) + "x"} {
		if _, err := ParseInfo([]byte(text)); !errors.Is(err, ErrInfo) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFilePathsThatLeadElsewhereAreRefused(t *testing.T) {
	for _, path := range [][]string{
		{".."}, {"a", ".."}, {"..", "a"}, {"a", "..", "..", "b"}, {" .."}, {".. "}, {strings.Repeat("x", maxPath+1)},
	} {
		if _, err := ParseInfo(withFiles(path).encode()); !errors.Is(err, ErrInfo) {
			t.Errorf("%q: %v", path, err)
		}
		d := withFiles([]string{"good"})
		d["files"].([]any)[0].(dict)["path.utf-8"] = path
		if _, err := ParseInfo(d.encode()); !errors.Is(err, ErrInfo) {
			t.Errorf("%q as UTF-8 variant: %v", path, err)
		}
	}
	d := withFiles([]string{"good"})
	d["files"].([]any)[0].(dict)["path"] = "good"
	if _, err := ParseInfo(d.encode()); !errors.Is(err, ErrInfo) {
		t.Errorf("a path that is no list: %v", err)
	}
}

func TestOddFilePathsAreTakenAsTheyAre(t *testing.T) {
	for want, path := range map[string][]string{
		"...": {"..."}, "..a": {"..a"}, ".hidden": {".hidden"}, "a b/ü/日本": {"a b", "ü", "日本"}, "\xff\xfe": {"\xff\xfe"},
		"": {}, "a": {"", "a", "", "."}, "a/ ": {"a", " "}, "AC_DC": {"AC/DC"}, "_etc": {"/etc"}, "a_.._.._b": {"a/../../b"},
		`a\b`: {`a\b`}, "a\x00": {"a\x00"},
	} {
		info, err := ParseInfo(withFiles(path).encode())
		if err != nil || info.Files[0].Path != want {
			t.Errorf("%q: %+v, %v", path, info, err)
		}
	}
	for want, name := range map[string]string{"a_b": "a/b", ".._.._etc_passwd": "../../etc/passwd", "a\x00b": "a\x00b", `..\x`: `..\x`} {
		d := goodInfo()
		d["name"] = name
		if info, err := ParseInfo(d.encode()); err != nil || info.Name != want || info.Files[0].Path != want {
			t.Errorf("%q: %+v, %v", name, info, err)
		}
	}
	for _, bend := range []func(dict){func(d dict) { delete(d, "name") }, func(d dict) { d["name"] = "" }} {
		d := goodInfo()
		bend(d)
		if info, err := ParseInfo(d.encode()); err != nil || info.Name != info.Hash.String() {
			t.Errorf("without a name: %+v, %v", info, err)
		}
	}
}

func TestFilesMayShareAPath(t *testing.T) {
	if info, err := ParseInfo(withFiles([]string{"a"}, []string{"a"}, []string{"a", "b"}).encode()); err != nil || len(info.Files) != 3 {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestPaddingIsMarked(t *testing.T) {
	d := withFiles([]string{"a"}, []string{".pad", "1"}, []string{".pad", "1"})
	for _, n := range []int{1, 2} {
		d["files"].([]any)[n].(dict)["attr"] = "p"
	}
	info, err := ParseInfo(d.encode())
	if err != nil || !info.Files[1].Padding || info.Files[0].Padding {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestFileLengthsThatOverflowAreRefused(t *testing.T) {
	d := withFiles([]string{"a"}, []string{"b"}, []string{"c"})
	for n, length := range []int64{math.MaxInt64, math.MaxInt64, 3} { // 1 modulo 2⁶⁴
		d["files"].([]any)[n].(dict)["length"] = length
	}
	if _, err := ParseInfo(d.encode()); !errors.Is(err, ErrInfo) || !strings.Contains(err.Error(), "longer than any disk") {
		t.Errorf("%v", err)
	}
}

func TestTheUTF8VariantOfNamesIsPreferred(t *testing.T) {
	d := withFiles([]string{"\xe4"})
	d["name.utf-8"] = "ordner"
	d["files"].([]any)[0].(dict)["path.utf-8"] = []string{"ä"}
	info, err := ParseInfo(d.encode())
	if err != nil || info.Name != "ordner" || info.Files[0].Path != "ä" {
		t.Errorf("%+v, %v", info, err)
	}
}

func TestHybridTorrentsAreAccepted(t *testing.T) {
	d := goodInfo()
	d["meta version"] = 2
	d["file tree"] = dict{"file.bin": dict{"": dict{"length": 5, "pieces root": randomBytes(32)}}}
	if _, err := ParseInfo(d.encode()); err != nil {
		t.Error(err)
	}
}

func TestListOfFilesIsBounded(t *testing.T) {
	files := strings.Repeat("d6:lengthi1e4:pathl1:aee", MaxFiles+1)
	raw := "d5:filesl" + files + "e4:name1:x12:piece lengthi16384e6:pieces0:e"
	if _, err := ParseInfo([]byte(raw)); !errors.Is(err, ErrInfo) || !strings.Contains(err.Error(), "more than 262144 files") {
		t.Errorf("%v", err)
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add(goodInfo().encode())
	f.Add(withFiles([]string{"a", "b"}, []string{"c"}).encode())
	f.Add(withFiles([]string{".."}).encode())
	f.Add([]byte("d6:lengthi1e4:name1:x12:piece lengthi16384e6:pieces20:01234567890123456789e"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		info, err := ParseInfo(raw)
		if err != nil {
			if !errors.Is(err, ErrInfo) {
				t.Error(err)
			}
			return
		}
		var total int64
		for _, file := range info.Files {
			total += file.Length
			for part := range strings.SplitSeq(file.Path, "/") {
				if leadsOut([]byte(part)) {
					t.Errorf("path %q", file.Path)
				}
			}
		}
		var pieces int64
		for n := range info.NumPieces() {
			if info.PieceLen(n) <= 0 || info.PieceLen(n) > info.PieceLength {
				t.Errorf("piece %d has %d bytes", n, info.PieceLen(n))
			}
			pieces += info.PieceLen(n)
		}
		if total != info.Length || pieces != info.Length || info.Length <= 0 || leadsOut([]byte(info.Name)) || strings.Contains(info.Name, "/") || info.Name == "" {
			t.Errorf("%+v: files %d, pieces %d", info, total, pieces)
		}
	})
}
