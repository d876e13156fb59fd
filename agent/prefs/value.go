package prefs

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"ebb/agent/swarm"
)

var errNotList = errors.New(`not a list; write it in brackets, like ["…", "…"]`)

// assign sets *to from a value as TOML or JSON decodes it. Its error says what would be right.
func assign(to, value any) error {
	switch to := to.(type) {
	case *bool:
		b, ok := value.(bool)
		if !ok {
			return errors.New("not true or false; write one of them, without quotes")
		}
		*to = b
	case *string:
		s, ok := value.(string)
		if !ok {
			return errors.New("not a text; write it in quotes")
		}
		*to = s
	case *swarm.InfoHash:
		s, _ := value.(string)
		var err error
		if *to, err = swarm.ParseInfoHash(s); err != nil {
			return errors.New("not an info-hash; write its 40 hexadecimal digits in quotes")
		}
	case encoding.TextUnmarshaler:
		return to.UnmarshalText([]byte(scalarText(value)))
	default:
		return fmt.Errorf("no way to read a %T", to)
	}
	return nil
}

// scalarText returns what an UnmarshalText is to read, so that storage = 0 means the same as storage = "0". For what
// has no such text it returns one that nothing accepts.
func scalarText(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	return show(value)
}

// show writes a value as TOML: one of ours in full, a decoded one short enough for an error.
func show(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case encoding.TextMarshaler:
		text, err := value.MarshalText()
		if err != nil {
			return fmt.Sprintf("%v", value)
		}
		return quote(string(text))
	case string:
		return quote(value)
	case json.Number:
		return value.String()
	case bool, int64, float64:
		return fmt.Sprint(value)
	case []any:
		return "[…]"
	default:
		return "{…}"
	}
}

// showList writes a list as TOML, one value to a line when there are several.
func showList[T any](list []T) string {
	shown := make([]string, len(list))
	for i, value := range list {
		shown[i] = show(value)
	}
	if len(list) < 2 {
		return "[" + strings.Join(shown, "") + "]"
	}
	return "[\n\t" + strings.Join(shown, ",\n\t") + ",\n]"
}

// quote writes a TOML basic string. (strconv.Quote writes escapes that TOML does not know.)
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteString(`\u` + strconv.FormatInt(0x1_0000+int64(r), 16)[1:])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
