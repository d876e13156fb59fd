package prefs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with preferences, said so that the owner can put it right.
type Problem struct {
	Line int    // in the file, from 1; 0 if there is no file or the line is not known
	Key  string // like "background.storage"; empty if the file as a whole is wrong
	Text string // one sentence that names the key, the value and what would be right
}

func (p Problem) Error() string {
	if p.Line > 0 {
		return fmt.Sprintf("line %d: %s", p.Line, p.Text)
	}
	return p.Text
}

// Problems is everything found wrong, in the order of the file. It is the error of Parse, ParseJSON and Validate.
type Problems []Problem

// maxProblems is enough to mend a file by, and bounds the work that a hostile one can cause.
const maxProblems = 20

// Error gives one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// err returns ps as an error, nil if there are none.
func (ps Problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return ps
}

// badValue describes a value that a key cannot have.
func badValue(key string, f *fault) Problem {
	return Problem{Key: key, Text: fmt.Sprintf("%s = %s: %s", key, shorten(f.value), f.reason)}
}

// unknownKey describes a key that does not exist, and guesses which one was meant. section is empty at the top level.
func unknownKey(section, name string) Problem {
	full, known := name, sectionNames()
	if section != "" {
		full, known = section+"."+name, keyNames(section)
	}
	text := "unknown key " + quote(shorten(full))
	if home := homeOf(name); home == feedSection && section != feedSection {
		text += " (it belongs in a [[feed]])"
	} else if home != "" && home != section {
		text += fmt.Sprintf(" (it belongs in [%s])", home)
	} else if meant := nearest(name, known); meant != "" {
		text += fmt.Sprintf(" (did you mean %s?)", quote(meant))
	}
	return Problem{Key: full, Text: text}
}

// nearest returns the known name at most two typing mistakes away from name, or "".
func nearest(name string, known []string) string {
	const farthest = 2
	best, least := "", farthest+1
	for _, k := range known {
		if max(len(k)-len(name), len(name)-len(k)) > farthest {
			continue // also keeps long hostile names out of the quadratic comparison
		}
		if d := distance(strings.ToLower(name), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// shorten keeps an error readable when a value is not.
func shorten(text string) string {
	const most = 80
	runes := 0
	for i := range text {
		if runes++; runes > most {
			return text[:i] + "…"
		}
	}
	return text
}
