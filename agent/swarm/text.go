package swarm

import (
	"strings"
	"unicode"
)

// maxNameRunes bounds a name that is shown; it is about what a line of a table or of a page holds.
const maxNameRunes = 200

// CleanName makes what strangers call a torrent fit to be shown; see CleanText. It may be empty.
func CleanName(s string) string { return CleanText(s, maxNameRunes) }

// CleanText makes a text from outside fit to be shown: at most limit runes, without control characters, invisible and
// direction-changing ones (a bidi override makes "exe.gpj" read "jpg.exe") or invalid UTF-8, and with any white space,
// line breaks too, turned into single spaces. A text that is cut ends in "…". The result is for display only: it may
// still contain a slash.
func CleanText(s string, limit int) string {
	var clean []rune
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = len(clean) > 0 // leading space goes, and so does trailing
			continue
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			continue
		}
		if space {
			clean = append(clean, ' ')
			space = false
		}
		if clean = append(clean, r); len(clean) > limit {
			return strings.TrimRight(string(clean[:limit-1]), " ") + "…"
		}
	}
	return string(clean)
}
