package prefs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// positions finds the line of a key in a file. The TOML library tells a position only with an error, so positions
// decodes the key once more with a decoder that fails. That costs time, but only on files that are wrong.
type positions struct {
	text []byte
	meta *toml.MetaData
	root map[string]toml.Primitive
}

// line returns the line of a top-level key or of a key in a table, 0 if it is not known. In an array of tables it is
// that of the last table that has the key.
func (p *positions) line(path ...string) int {
	if p.meta == nil {
		meta, err := toml.Decode(string(p.text), &p.root)
		if err != nil {
			return 0
		}
		p.meta = &meta
	}
	value, ok := p.root[path[0]]
	if ok && len(path) > 1 {
		value, ok = p.within(value, path[1])
	}
	if !ok {
		return 0
	}
	var failed toml.ParseError
	if errors.As(p.meta.PrimitiveDecode(value, failing{}), &failed) {
		return failed.Position.Line
	}
	return 0
}

func (p *positions) within(value toml.Primitive, name string) (inner toml.Primitive, ok bool) {
	var table map[string]toml.Primitive
	if p.meta.PrimitiveDecode(value, &table) == nil && table != nil { // nil, without an error, if it is no table
		inner, ok = table[name]
		return inner, ok
	}
	var tables []map[string]toml.Primitive
	if p.meta.PrimitiveDecode(value, &tables) == nil {
		for _, table := range tables {
			if found, has := table[name]; has {
				inner, ok = found, true
			}
		}
	}
	return inner, ok
}

// failing refuses every value.
type failing struct{}

func (failing) UnmarshalTOML(any) error { return errors.New("only the position is wanted") }

// syntaxProblem says where and why text is not TOML.
func syntaxProblem(text []byte, err error) Problem {
	var syntax toml.ParseError
	if !errors.As(err, &syntax) {
		return Problem{Text: "not TOML: " + err.Error()}
	}
	why := "not TOML: " + syntax.Message
	lines := strings.Split(string(text), "\n")
	if n := syntax.Position.Line; n >= 1 && n <= len(lines) {
		written := strings.TrimSpace(lines[n-1])
		why = fmt.Sprintf("%s: %s", shorten(written), why)
		// By far the most common slip is storage = 20GiB.
		if _, value, given := strings.Cut(written, "="); given && !strings.ContainsAny(value, "\"'[{") {
			why += " (sizes, rates and all other texts need quotes)"
		}
	}
	return Problem{Line: syntax.Position.Line, Text: why}
}

// Nesting that ebb.toml may have; its keys need two levels.
const (
	maxDepth = 8 // open brackets
	maxDots  = 8 // in one key
)

// tooDeep refuses what the TOML library would take minutes or much stack for: long texts, deep nesting and keys of very
// many parts. It need not understand texts that are not TOML, for the library stops at their first mistake.
func tooDeep(text []byte) *Problem {
	if len(text) > maxText {
		return &Problem{Text: fmt.Sprintf("a file longer than %v; is this ebb.toml?", Size(maxText))}
	}
	line, depth, dots := 1, 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\n':
			line++
			dots = 0
		case '=', ',':
			dots = 0
		case '.':
			dots++
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(depth-1, 0)
		case '#', '"', '\'':
			end := skip(text[i:])
			for _, skipped := range text[i : i+end] {
				if skipped == '\n' {
					line++
				}
			}
			i += end - 1
		}
		if depth > maxDepth || dots > maxDots {
			return &Problem{Line: line, Text: "nested too deep; preferences are written as [section] and key = value"}
		}
	}
	return nil
}

// skip returns the length of the comment or string that text begins with. The newline that ends a comment, or a
// one-line string that nobody closed, is not part of it.
func skip(text []byte) int {
	opener := text[0]
	multiline := opener != '#' && len(text) >= 3 && text[1] == opener && text[2] == opener
	i := 1
	if multiline {
		i = 3
	}
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && opener == '"':
			if i+1 < len(text) && (multiline || text[i+1] != '\n') {
				i++
			}
		case c == '\n' && !multiline:
			return i
		case c == opener && opener != '#':
			if !multiline {
				return i + 1
			}
			if i+2 < len(text) && text[i+1] == opener && text[i+2] == opener {
				// One or two quotes before the closing three belong to the string.
				end := i + 3
				for end < min(i+5, len(text)) && text[end] == opener {
					end++
				}
				return end
			}
		}
	}
	return len(text)
}
