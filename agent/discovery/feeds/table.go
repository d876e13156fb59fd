package feeds

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"ebb/agent/peerwire"
)

// separator looks for the first line of a table: names, of which one is that of an info-hash or a link.
func separator(text string) (comma rune, ok bool) {
	line, _, _ := strings.Cut(text, "\n")
	for _, comma := range []string{",", ";", "\t"} {
		names := strings.Split(line, comma)
		if len(names) > 1 && slices.ContainsFunc(names, func(name string) bool {
			return slices.Contains([]string{"infohash", "hash", "btih", "magnet", "magnetlink", "magneturi", "torrent", "torrenturl"}, plain(name))
		}) {
			return rune(comma[0]), true
		}
	}
	return 0, false
}

// readCSV reads a table whose first line names its columns.
func readCSV(in *input, comma rune, each func(Item)) error {
	r := csv.NewReader(in.text)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord, r.ReuseRecord, r.TrimLeadingSpace = comma, true, -1, true, true
	var names []string
	for {
		in.allow()
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if bad := (*csv.ParseError)(nil); errors.As(err, &bad) {
			continue
		}
		if err != nil {
			return err
		}
		if names == nil {
			names = slices.Clone(row)
			continue
		}
		i := newItem()
		for n, value := range row[:min(len(row), len(names))] {
			i.field(names[n], value)
		}
		each(i)
	}
}

// readJSON reads objects out of arrays, wherever in the document these are.
func readJSON(in *input, each func(Item)) error {
	d := json.NewDecoder(in.text)
	d.UseNumber()
	for {
		in.allow()
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = readValue(d, t, in, each, 0)
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
}

// readValue reads a value that begins with a token. What is neither a list nor an object is returned.
func readValue(d *json.Decoder, t json.Token, in *input, each func(Item), depth int) (scalar any, err error) {
	if depth == maxDepth {
		return nil, errors.New("its objects lie too deep in one another")
	}
	switch t {
	case json.Delim('['):
		for d.More() {
			in.allow()
			var v any
			if err := d.Decode(&v); err != nil {
				return nil, err
			}
			walk(v, newItem(), each, 0)
		}
	case json.Delim('{'):
		fields := map[string]any{} // of an object that is an item itself
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			name, _ := key.(string)
			var v any
			if h, ok := peerwire.ParseBareHash(name); ok { // of the object that follows
				in.allow()
				if err := d.Decode(&v); err != nil {
					return nil, err
				}
				around := newItem()
				around.Hash = h
				walk(v, around, each, 0)
				continue
			}
			in.allow()
			begin, err := d.Token()
			if err != nil {
				return nil, err
			}
			if v, err = readValue(d, begin, in, each, depth+1); err != nil {
				return nil, err
			}
			if v != nil && len(fields) < maxFields {
				fields[name] = v
			}
		}
		walk(fields, newItem(), each, 0)
	default:
		return t, nil
	}
	_, err = d.Token() // the end of it
	return nil, err
}

// maxFields is how many fields of an object outside a list are looked at.
const maxFields = 64

// walk looks for items in a value that has been read whole. What stands around an item may say what it does not.
func walk(v any, around Item, each func(Item), depth int) {
	if depth == maxDepth {
		return
	}
	switch v := v.(type) {
	case string: // a list of links
		i := newItem()
		i.link(v)
		if h, ok := peerwire.ParseBareHash(v); ok {
			i.Hash = h
		}
		each(i)
	case []any:
		for _, inner := range v {
			walk(inner, around, each, depth+1)
		}
	case map[string]any:
		i := around
		if hasName(v) {
			i.Name = ""
		}
		for name, value := range v {
			switch value := value.(type) {
			case string:
				i.field(name, value)
			case json.Number:
				i.field(name, value.String())
			case bool:
				if value {
					i.field(name, "true")
				}
			}
		}
		if !i.Hash.IsZero() || i.Torrent != "" {
			each(i)
			return
		}
		for name, value := range v {
			switch value.(type) {
			case []any, map[string]any:
				inner := i
				if h, ok := peerwire.ParseBareHash(name); ok {
					inner.Hash = h
				}
				walk(value, inner, each, depth+1)
			}
		}
	}
}

func hasName(v map[string]any) bool {
	for name := range v {
		switch plain(name) {
		case "title", "name", "filename", "torrentname", "displayname":
			return true
		}
	}
	return false
}
