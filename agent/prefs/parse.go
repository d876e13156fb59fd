package prefs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/BurntSushi/toml"
)

// maxText bounds what is read as preferences: room for some 5,000 denied info-hashes.
const maxText = 256 << 10

// Parse reads ebb.toml. A key that is not there has its default. Its error is of type Problems.
func Parse(text []byte) (Preferences, error) {
	if problem := tooDeep(text); problem != nil {
		return Preferences{}, Problems{*problem}
	}
	var tree map[string]any
	if _, err := toml.Decode(string(text), &tree); err != nil {
		return Preferences{}, Problems{syntaxProblem(text, err)}
	}
	return build(tree, &positions{text: text})
}

// ParseJSON reads preferences as MarshalJSON writes them, as strictly as Parse reads the file: unknown keys are errors,
// and what is not there has its default.
func ParseJSON(text []byte) (Preferences, error) {
	if len(text) > maxText {
		return Preferences{}, Problems{{Text: fmt.Sprintf("preferences longer than %v", Size(maxText))}}
	}
	// Numbers keep their digits: a size in bytes may exceed what float64 can hold.
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		return Preferences{}, Problems{{Text: "not a JSON object: " + err.Error()}}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Preferences{}, Problems{{Text: "something follows the JSON object"}}
	}
	return build(tree, nil)
}

// MarshalJSON writes every key; lists are never null.
func (p Preferences) MarshalJSON() ([]byte, error) {
	type fields Preferences // without this method
	return json.Marshal(fields(p.withLists()))
}

// UnmarshalJSON is ParseJSON. It leaves p alone on an error.
func (p *Preferences) UnmarshalJSON(text []byte) error {
	parsed, err := ParseJSON(text)
	if err != nil {
		return err
	}
	*p = parsed
	return nil
}

// Validate says what is wrong with preferences that were made or changed in the program, nil if nothing is. Parse and
// ParseJSON never return preferences that are not valid. Its error is of type Problems.
func (p Preferences) Validate() error {
	var found Problems
	for _, s := range sections {
		for _, k := range s.keys {
			if f := k.check(&p); f != nil {
				found = append(found, badValue(s.name+"."+k.name, f))
			}
		}
	}
	for _, feed := range p.Feeds {
		for _, k := range feedKeys {
			if f := k.check(&feed); f != nil {
				found = append(found, badValue(feedSection+"."+k.name, f))
			}
		}
	}
	return found.err()
}

// builder makes preferences from a decoded tree of either format, and collects what is wrong with it.
type builder struct {
	prefs Preferences
	found Problems
	at    *positions // nil for JSON
}

func build(tree map[string]any, at *positions) (Preferences, error) {
	b := builder{prefs: Default(), at: at}
	for _, s := range sections {
		if value, given := tree[s.name]; given {
			b.section(s, value)
		}
	}
	if value, given := tree[feedSection]; given {
		b.feeds(value)
	}
	b.unknown("", tree, sectionNames(), anywhere)
	if err := b.found.err(); err != nil {
		return Preferences{}, err
	}
	// What was not given is checked too: the default state directory may be missing.
	if err := b.prefs.Validate(); err != nil {
		return Preferences{}, err
	}
	return b.prefs, nil
}

func (b *builder) section(s section, value any) {
	table, ok := value.(map[string]any)
	if !ok {
		b.report(Problem{Key: s.name, Text: fmt.Sprintf("%s = %s: a section; its keys go below a line [%[1]s]", s.name, show(value))}, true, s.name)
		return
	}
	for _, k := range s.keys {
		value, given := table[k.name]
		if !given {
			continue
		}
		f := k.put(&b.prefs, value)
		if f == nil {
			f = k.check(&b.prefs)
		}
		if f != nil {
			b.report(badValue(s.name+"."+k.name, f), true, s.name, k.name)
		}
	}
	b.unknown(s.name, table, keyNames(s.name), anywhere)
}

func (b *builder) feeds(value any) {
	tables, ok := tablesIn(value)
	if !ok {
		b.report(Problem{Key: feedSection, Text: fmt.Sprintf(`feed = %s: a list of tables; write each as [[feed]] with url = "https://…" below it`, show(value))}, true, feedSection)
		return
	}
	b.prefs.Feeds = make([]Feed, len(tables))
	for i, table := range tables {
		if len(b.found) >= maxProblems {
			return // also bounds the searches for later tables, which are quadratic
		}
		// A position is known only of the last table that has a key.
		last := func(name string) bool {
			return !slices.ContainsFunc(tables[i+1:], func(t map[string]any) bool { _, has := t[name]; return has })
		}
		b.unknown(feedSection, table, keyNames(feedSection), last)
		if _, given := table["url"]; !given {
			b.report(Problem{Key: "feed.url", Text: fmt.Sprintf(`feed %d has no url; write url = "https://…" below its [[feed]]`, i+1)}, i == len(tables)-1, feedSection)
			continue
		}
		feed := &b.prefs.Feeds[i]
		for _, k := range feedKeys {
			value, given := table[k.name]
			if !given {
				continue
			}
			f := k.put(feed, value)
			if f == nil {
				f = k.check(feed)
			}
			if f != nil {
				b.report(badValue(feedSection+"."+k.name, f), last(k.name), feedSection, k.name)
			}
		}
	}
}

// tablesIn unifies what [[feed]], feed = [{…}] and JSON decode to.
func tablesIn(value any) ([]map[string]any, bool) {
	switch list := value.(type) {
	case []map[string]any:
		return list, true
	case []any:
		tables := make([]map[string]any, len(list))
		for i, item := range list {
			table, ok := item.(map[string]any)
			if !ok {
				return nil, false
			}
			tables[i] = table
		}
		return tables, true
	default:
		return nil, false
	}
}

// unknown reports the names in table that are not among the known ones. positioned says of which a line can be told.
func (b *builder) unknown(section string, table map[string]any, known []string, positioned func(name string) bool) {
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if slices.Contains(known, name) {
			continue
		}
		if len(b.found) >= maxProblems {
			return
		}
		path := []string{name}
		if section != "" {
			path = []string{section, name}
		}
		b.report(unknownKey(section, name), positioned(name), path...)
	}
}

func anywhere(string) bool { return true }

// report adds a problem, with the line of the key at path if that is known.
func (b *builder) report(p Problem, positioned bool, path ...string) {
	if len(b.found) >= maxProblems {
		return
	}
	if b.at != nil && positioned {
		p.Line = b.at.line(path...)
	}
	b.found = append(b.found, p)
}
