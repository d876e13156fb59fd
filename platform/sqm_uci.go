package platform

import (
	"fmt"
	"strings"
)

// section is a section of a file of UCI, OpenWrt's configuration: https://openwrt.org/docs/guide-user/base-system/uci
//
//	config queue 'eth1'
//	        option interface 'pppoe-wan'
//	        list   ignored   'lists are'
type section struct {
	kind, name string // name may be empty
	options    map[string]string
}

// parseUCI reads the sections of a file, in their order. Sections of one kind and name are one, and the last value of
// an option holds. What UCI would not take is an error that names the line.
func parseUCI(file string) ([]*section, error) {
	p := uci{rest: file, line: 1}
	var sections []*section
	var current *section
	for {
		words, at, err := p.command()
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", at, err)
		}
		if words == nil {
			return sections, nil
		}
		switch keyword := words[0]; {
		case keyword == "package" && len(words) == 2:
		case keyword == "config" && (len(words) == 2 || len(words) == 3):
			s := section{kind: words[1], options: map[string]string{}}
			if len(words) == 3 {
				s.name = words[2]
			}
			current = find(sections, s)
			if current == nil {
				current = &s
				sections = append(sections, current)
			}
		case keyword == "option" && len(words) == 3 && current != nil:
			current.options[words[1]] = words[2]
		case keyword == "list" && len(words) == 3 && current != nil: // of no interest here
		default:
			return nil, fmt.Errorf("line %d: %.40q is not understood", at, strings.Join(words, " "))
		}
	}
}

func find(sections []*section, like section) *section {
	if like.name == "" {
		return nil // nameless ones are not the same
	}
	for _, s := range sections {
		if s.kind == like.kind && s.name == like.name {
			return s
		}
	}
	return nil
}

// uci cuts a file into commands of words.
type uci struct {
	rest string
	line int // of the beginning of rest, from 1
}

// command returns the words of the next command, of which there is at least one, and its line; nil at the end of the
// file. A command ends with its line, or at a semicolon; words are quoted as in a shell.
func (p *uci) command() (words []string, at int, err error) {
	var word strings.Builder
	inWord := false // also true of the empty word ''
	for p.rest != "" {
		if !inWord && words == nil {
			at = p.line
		}
		c := p.next()
		switch c {
		case ' ', '\t', '\r', '\n', ';', '#':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
			if c == '#' {
				p.skipComment()
			}
			if (c == '\n' || c == ';') && words != nil {
				return words, at, nil
			}
		case '\\':
			inWord = p.escaped(&word) || inWord
		case '\'', '"':
			inWord = true
			if err := p.quoted(c, &word); err != nil {
				return nil, at, err
			}
		default:
			inWord = true
			word.WriteByte(c)
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, at, nil
}

func (p *uci) next() byte {
	c := p.rest[0]
	p.rest = p.rest[1:]
	if c == '\n' {
		p.line++
	}
	return c
}

// skipComment goes to the end of the line.
func (p *uci) skipComment() {
	if end := strings.IndexByte(p.rest, '\n'); end >= 0 {
		p.rest = p.rest[end:]
	} else {
		p.rest = ""
	}
}

// escaped takes what follows a backslash: any character stands for itself, but the end of a line for nothing.
func (p *uci) escaped(word *strings.Builder) bool {
	if p.rest == "" {
		return false
	}
	c := p.next()
	if c == '\n' {
		return false
	}
	word.WriteByte(c)
	return true
}

// quoted takes the rest of a string in quotes, which may have several lines.
func (p *uci) quoted(quote byte, word *strings.Builder) error {
	for p.rest != "" {
		switch c := p.next(); {
		case c == quote:
			return nil
		case c == '\\' && quote == '"':
			p.escaped(word)
		default:
			word.WriteByte(c)
		}
	}
	return fmt.Errorf("a string has no closing %c", quote)
}
