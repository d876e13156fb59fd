package peerwire

import (
	"crypto/sha1"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"ebb/agent/swarm"
)

func TestPiecesNeedNoFileNames(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for what, paths := range map[string][][]string{
		"up":         {{"..", "..", "etc", "passwd"}},
		"absolute":   {{"/etc/passwd"}},
		"duplicate":  {{"a"}, {"a"}},
		"inside":     {{"a"}, {"a", "b"}},
		"empty":      {{""}, {}},
		"no UTF-8":   {{"\xcf\xe5\xf1\xed\xff"}},
		"a terminal": {{"\x1b]0;owned\x07"}},
		"long":       {{long}},
	} {
		d := withFiles(paths...)
		raw := d.encode()
		info, err := ParsePieces(raw)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if info.Hash != swarm.HashInfo(raw) || info.NumPieces() != 1 || info.Length != int64(len(paths)) || info.Files != nil || !info.MultiFile {
			t.Errorf("%s: %+v", what, info)
		}
	}
	d := withFiles([]string{"a"})
	d["files"] = []any{dict{"length": 7}, dict{"length": 8, "path": 5}, dict{"length": 9, "path": "a"}}
	if info, err := ParsePieces(d.encode()); err != nil || info.Length != 24 {
		t.Errorf("without paths: %+v, %v", info, err)
	}
}

func TestNamesOfPiecesAreFitToBeShown(t *testing.T) {
	for name, want := range map[any]string{
		"Old Maps":                       "Old Maps",
		"../../etc":                      "../../etc", // a name, and no path
		"photo\u202egpj.exe":             "photogpj.exe",
		"\x1b[31mred\nline":              "[31mred line",
		"\xcf\xe5":                       "",
		"":                               "",
		5:                                "",
		strings.Repeat("long ", 100_000): strings.Repeat("long ", 39) + "long…",
	} {
		d := goodInfo()
		d["name"] = name
		raw := d.encode()
		info, err := ParsePieces(raw)
		if err != nil {
			t.Errorf("%.20v: %v", name, err)
			continue
		}
		if want == "" {
			want = info.Hash.String()
		}
		if info.Name != want {
			t.Errorf("%.20v: shown as %q, want %q", name, info.Name, want)
		}
	}
	d := goodInfo()
	delete(d, "name")
	if info, err := ParsePieces(d.encode()); err != nil || info.Name != info.Hash.String() {
		t.Errorf("without a name: %v, %v", info, err)
	}
	d["name"], d["name.utf-8"] = "\xcf\xe5", "Песня"
	if info, err := ParsePieces(d.encode()); err != nil || info.Name != "Песня" {
		t.Errorf("with a name in UTF-8: %v, %v", info, err)
	}
}

func TestUnsoundPiecesAreRefused(t *testing.T) {
	for what, bend := range map[string]func(dict){
		"no hashes":             func(d dict) { delete(d, "pieces") },
		"a hash too few":        func(d dict) { d["pieces"] = randomBytes(2 * sha1.Size) },
		"half a hash":           func(d dict) { d["pieces"] = randomBytes(2*sha1.Size + 7) },
		"no length":             func(d dict) { delete(d, "length") },
		"nothing":               func(d dict) { d["length"] = 0 },
		"less than nothing":     func(d dict) { d["length"] = -1 },
		"both":                  func(d dict) { d["files"] = []any{dict{"length": 1}} },
		"short pieces":          func(d dict) { d["piece length"] = 1 },
		"long pieces":           func(d dict) { d["piece length"] = MaxPieceLength + 1 },
		"files without lengths": func(d dict) { delete(d, "length"); d["files"] = []any{dict{"path": []string{"a"}}} },
		"no files":              func(d dict) { delete(d, "length"); d["files"] = []any{} },
		"files of numbers":      func(d dict) { delete(d, "length"); d["files"] = []any{1, 2} },
		"an overflow": func(d dict) {
			delete(d, "length")
			d["files"] = []any{dict{"length": int64(math.MaxInt64)}, dict{"length": int64(math.MaxInt64)}}
		},
	} {
		d := goodInfo()
		bend(d)
		if info, err := ParsePieces(d.encode()); !errors.Is(err, ErrInfo) {
			t.Errorf("%s: %+v, %v", what, info, err)
		}
	}
}

// FuzzParsePieces looks for bytes that ParsePieces takes and should not, and for those that it refuses although ParseInfo
// does not.
func FuzzParsePieces(f *testing.F) {
	f.Add(goodInfo().encode())
	f.Add(withFiles([]string{"..", "a"}, []string{"a"}).encode())
	f.Fuzz(func(t *testing.T, raw []byte) {
		info, err := ParsePieces(raw)
		if err != nil {
			if whole, also := ParseInfo(raw); also == nil {
				t.Fatalf("it is refused (%v), and whole it is not: %+v", err, whole)
			}
			return
		}
		if info.Name == "" || len(info.Name) > 1000 || !utf8.ValidString(info.Name) || strings.ContainsAny(info.Name, "\x00\x1b\n\u202e") {
			t.Errorf("the name is %q", info.Name)
		}
		if n := int64(info.NumPieces()); n < 1 || n > MaxPieces || info.Length <= (n-1)*info.PieceLength || info.Length > n*info.PieceLength {
			t.Errorf("%d pieces of %d for %d bytes", n, info.PieceLength, info.Length)
		}
	})
}
