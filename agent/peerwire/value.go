package peerwire

import (
	"fmt"
	"iter"
	"math"
	"strconv"
)

// value is one bencoded value that CheckBencode accepted, still in its encoded form and sharing the memory of the text
// it was found in. Reading messages in place rather than decoding them into Go values keeps a hostile text (millions of
// empty lists, say) from costing many times its size. A nil value stands for an absent one.
type value []byte

// parseBencode checks b and returns it as a value.
func parseBencode(b []byte, maxDepth int) (value, error) {
	if err := CheckBencode(b, maxDepth); err != nil {
		return nil, err
	}
	return value(b), nil
}

func (v value) isDict() bool { return len(v) > 0 && v[0] == 'd' }
func (v value) isList() bool { return len(v) > 0 && v[0] == 'l' }

// cut returns the first value in v and what follows it.
func (v value) cut() (first, rest value) {
	n, err := scanBencode(v, math.MaxInt)
	if err != nil { // not in a checked value
		return nil, nil
	}
	return v[:n], v[n:]
}

// text returns the bytes of a string.
func (v value) text() ([]byte, bool) {
	digits := countDigits(v)
	if digits == 0 {
		return nil, false
	}
	return v[digits+1:], true
}

// integer returns an integer that fits 64 bits.
func (v value) integer() (int64, bool) {
	if len(v) < 3 || v[0] != 'i' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v[1:len(v)-1]), 10, 64)
	return n, err == nil
}

// list yields the items of a list, and nothing for any other value.
func (v value) list() iter.Seq[value] {
	return func(yield func(value) bool) {
		if !v.isList() {
			return
		}
		for rest := v[1:]; len(rest) > 1; {
			var item value
			if item, rest = rest.cut(); !yield(item) {
				return
			}
		}
	}
}

// dict yields the keys and values of a dictionary, and nothing for any other value.
func (v value) dict() iter.Seq2[[]byte, value] {
	return func(yield func([]byte, value) bool) {
		if !v.isDict() {
			return
		}
		for rest := v[1:]; len(rest) > 1; {
			var key, item value
			key, rest = rest.cut()
			item, rest = rest.cut()
			name, _ := key.text()
			if !yield(name, item) {
				return
			}
		}
	}
}

// pick stores the value of each named key in found, in the order of the names; keys that are absent leave nil. It is an
// error if v is not a dictionary, or holds one of the names twice: two readers might then see two different values.
func (v value) pick(found []value, names ...string) error {
	if !v.isDict() {
		return fmt.Errorf("%w: not a dictionary", ErrBencode)
	}
	for key, item := range v.dict() {
		for i, name := range names {
			if string(key) != name {
				continue
			}
			if found[i] != nil {
				return fmt.Errorf("%w: key %q twice", ErrBencode, name)
			}
			found[i] = item
		}
	}
	return nil
}
