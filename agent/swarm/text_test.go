package swarm

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCleanTextMakesTextsFitToBeShown(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain":               {"Debian 13 (amd64).iso", "Debian 13 (amd64).iso"},
		"accents and scripts": {"Příliš žluťoučký 東京 عربي", "Příliš žluťoučký 東京 عربي"},
		"control characters":  {"a\x00b\x1b[31mc\x7fd\u0085e", "ab[31mcd e"},
		"line breaks":         {"one\r\ntwo\u2028three\tfour", "one two three four"},
		"bidi overrides":      {"\u202egpj.exe\u202c \u2066x\u2069", "gpj.exe x"},
		"invisible":           {"a\u200b\u200d\ufeffb\u00ad", "ab"},
		"spaces":              {"  a   b  ", "a b"},
		"odd spaces":          {"a\u00a0\u3000b", "a b"},
		"invalid UTF-8":       {"a\xff\xfeb\xc3", "ab"},
		"nothing left":        {"\x00\u202e\n", ""},
		"slashes stay":        {"../../etc/passwd", "../../etc/passwd"}, // for display only, never a path
	} {
		if got := CleanText(c.in, 200); got != c.want {
			t.Errorf("%s: %q became %q, want %q", name, c.in, got, c.want)
		}
	}
}

func TestCleanTextCutsLongTextsAtTheLimit(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"just fits":       {"abcde", "abcde"},
		"one too long":    {"abcdef", "abcd…"},
		"cut at a space":  {"abc def", "abc…"},
		"trailing space":  {"abcde   ", "abcde"},
		"10 KB":           {strings.Repeat("ž", 5<<10), "žžžž…"},
		"10 KB of spaces": {strings.Repeat(" ", 10<<10) + "x", "x"},
	} {
		got := CleanText(c.in, 5)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
		if utf8.RuneCountInString(got) > 5 {
			t.Errorf("%s: %d runes", name, utf8.RuneCountInString(got))
		}
	}
}
