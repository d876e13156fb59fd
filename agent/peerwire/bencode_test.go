package peerwire

import (
	"errors"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
)

func TestCheckBencodeAcceptsOneValidValue(t *testing.T) {
	for _, text := range []string{
		"i0e", "i-1e", "i9223372036854775807e", "i18446744073709551615e", "0:", "3:abc",
		"le", "de", "li1ei2ee", "d1:ai1ee", "d1:ad1:bl1:ceee",
		"d1:bi1e1:ai2ee", // unsorted: some clients do that
		"d0:0:e",
	} {
		if err := CheckBencode([]byte(text), 3); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCheckBencodeRefusesWhatIsNotOneValidValue(t *testing.T) {
	for _, text := range []string{
		"", "e", "i", "ie", "i-e", "i-0e", "i01e", "i1", "i1.5e", "i+1e", "i 1e",
		"i111111111111111111111e", "x", "1", "1:", "01:a", "-1:a", "2:a", "99999999999999999999:a",
		"9223372036854775807:a", "18446744073709551617:a",
		"l", "li1e", "d", "di1ei2ee", "d1:ae", "d1:a", "dlei1ee", "i1ei2e", "lee", "1:ab", "d1:ai1e",
	} {
		if err := CheckBencode([]byte(text), 3); !errors.Is(err, ErrBencode) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCheckBencodeBoundsNesting(t *testing.T) {
	if err := CheckBencode([]byte("lllleeee"), 4); err != nil {
		t.Errorf("4 levels out of 4: %v", err)
	}
	if err := CheckBencode([]byte("lllleeee"), 3); !errors.Is(err, ErrBencode) {
		t.Errorf("4 levels out of 3: %v", err)
	}
}

func TestNestingOfHundredThousandLevelsIsAnError(t *testing.T) {
	const depth = 100_000
	for name, bomb := range map[string]string{
		"lists":        strings.Repeat("l", depth) + strings.Repeat("e", depth),
		"dictionaries": strings.Repeat("d1:a", depth) + "i1e" + strings.Repeat("e", depth),
		"unclosed":     strings.Repeat("l", depth),
	} {
		t.Run(name, func(t *testing.T) {
			inDict := []byte("d4:info" + bomb + "e")
			if err := CheckBencode([]byte(bomb), torrentNesting); !errors.Is(err, ErrBencode) {
				t.Errorf("CheckBencode: %v", err)
			}
			if _, err := ParseInfo([]byte(bomb)); !errors.Is(err, ErrInfo) {
				t.Errorf("ParseInfo: %v", err)
			}
			if _, err := ParseTorrent(inDict); !errors.Is(err, ErrInfo) {
				t.Errorf("ParseTorrent: %v", err)
			}
			if _, _, err := ParsePEX([]byte(bomb)); !errors.Is(err, ErrProtocol) {
				t.Errorf("ParsePEX: %v", err)
			}
			if _, err := ParseMetadataMessage([]byte(bomb)); !errors.Is(err, ErrProtocol) {
				t.Errorf("ParseMetadataMessage: %v", err)
			}
			if _, err := parseExtensions([]byte(bomb)); !errors.Is(err, ErrProtocol) {
				t.Errorf("parseExtensions: %v", err)
			}
		})
	}
}

func TestCheckBencodeDoesNotAllocate(t *testing.T) {
	text := []byte("l" + strings.Repeat("lei0e1:a", 10_000) + "e")
	if n := testing.AllocsPerRun(5, func() {
		if err := CheckBencode(text, 2); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestValuesAreReadInPlace(t *testing.T) {
	v, err := parseBencode([]byte("d1:ai-7e1:bl1:x2:yze1:cd1:di1eee"), 3)
	if err != nil {
		t.Fatal(err)
	}
	var f [4]value
	if err := v.pick(f[:], "a", "b", "c", "missing"); err != nil {
		t.Fatal(err)
	}
	if n, ok := f[0].integer(); !ok || n != -7 {
		t.Errorf("a = %d, %v", n, ok)
	}
	var items []string
	for item := range f[1].list() {
		s, _ := item.text()
		items = append(items, string(s))
	}
	if strings.Join(items, " ") != "x yz" {
		t.Errorf("b = %q", items)
	}
	for key, item := range f[2].dict() {
		if n, _ := item.integer(); string(key) != "d" || n != 1 {
			t.Errorf("c has %q = %q", key, item)
		}
	}
	if f[3] != nil {
		t.Errorf("missing = %q", f[3])
	}
	for range f[0].list() {
		t.Error("an integer has items")
	}
	for range f[1].dict() {
		t.Error("a list has keys")
	}
	if _, ok := f[0].text(); ok {
		t.Error("an integer has text")
	}
}

func TestAKeyThatIsThereTwiceIsRefused(t *testing.T) {
	v, err := parseBencode([]byte("d1:ai1e1:ai2ee"), 2)
	if err != nil {
		t.Fatal(err)
	}
	var f [1]value
	if err := v.pick(f[:], "a"); !errors.Is(err, ErrBencode) {
		t.Errorf("pick: %v", err)
	}
	if err := v.pick(f[:0]); err != nil {
		t.Errorf("pick of nothing: %v", err)
	}
}

func FuzzCheckBencode(f *testing.F) {
	for _, seed := range []string{"i1e", "d1:al1:bee", "llee", "5:hello", "i-0e", "d1:a", "99999999999:"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if CheckBencode(b, 8) != nil {
			return
		}
		// What we accept, a full decoder must accept; it wants sorted keys, though.
		var v any
		if err := bencode.Unmarshal(b, &v); err != nil && !strings.Contains(err.Error(), "unsorted") {
			t.Errorf("accepted %q, but: %v", b, err)
		}
		for key, item := range value(b).dict() {
			if CheckBencode(item, 8) != nil {
				t.Errorf("key %q of %q has value %q", key, b, item)
			}
		}
	})
}
