package peerwire

import (
	"errors"
	"fmt"
	"strconv"
)

const (
	// messageNesting bounds lists and dictionaries within each other in messages of peers; none of those that we speak
	// needs more than three levels.
	messageNesting = 8
	// torrentNesting is the same for .torrent files and info dictionaries, where the file tree of a hybrid torrent (BEP
	// 52) takes one level per directory.
	torrentNesting = 100
	// maxNumeral is the longest decimal that is taken for an integer: 20 digits hold every 64-bit number, signed or
	// not.
	maxNumeral = 20
)

// ErrBencode is what every error about malformed bencode wraps.
var ErrBencode = errors.New("malformed bencode")

// CheckBencode reports whether b is exactly one bencoded value whose lists and dictionaries are nested at most maxDepth
// deep (a bare string or integer has depth 0). It neither recurses nor allocates in proportion to b, so it is safe on
// anything, and comes before every decoding of bytes from outside.
//
// Integers and string lengths must be in canonical form. The order of dictionary keys is not checked, because some
// clients do not sort them, and neither are duplicates.
func CheckBencode(b []byte, maxDepth int) error {
	n, err := scanBencode(b, maxDepth)
	if err != nil {
		return err
	}
	if n != len(b) {
		return fmt.Errorf("%w: %d bytes after the value", ErrBencode, len(b)-n)
	}
	return nil
}

// What scanBencode expects next inside each open list or dictionary.
const (
	inList  = 'l' // an item or the end
	atKey   = 'k' // a key or the end
	atValue = 'v' // the value of the key just seen
)

// scanBencode returns the length of the bencoded value that b starts with.
func scanBencode(b []byte, maxDepth int) (int, error) {
	var room [torrentNesting]byte
	open := room[:0]
	i := 0
	for i < len(b) {
		top := byte(0)
		if len(open) > 0 {
			top = open[len(open)-1]
		}
		switch c := b[i]; {
		case c == 'e':
			if top != inList && top != atKey {
				return 0, bencodeError(i, "unexpected end of list or dictionary")
			}
			open = open[:len(open)-1]
			i++
		case top == atKey:
			n, err := scanString(b, i)
			if err != nil {
				return 0, err
			}
			i += n
			open[len(open)-1] = atValue
			continue
		case c == 'l' || c == 'd':
			if len(open) >= maxDepth {
				return 0, bencodeError(i, fmt.Sprintf("nested more than %d deep", maxDepth))
			}
			open = append(open, inList)
			if c == 'd' {
				open[len(open)-1] = atKey
			}
			i++
			continue
		case c == 'i':
			n, err := scanInteger(b, i)
			if err != nil {
				return 0, err
			}
			i += n
		default:
			n, err := scanString(b, i)
			if err != nil {
				return 0, err
			}
			i += n
		}
		// A value has just ended.
		if len(open) == 0 {
			return i, nil
		}
		if last := &open[len(open)-1]; *last == atValue {
			*last = atKey
		}
	}
	return 0, bencodeError(i, "unexpected end of data")
}

// scanString returns the length of the string at b[i:], its length prefix included.
func scanString(b []byte, i int) (int, error) {
	digits := countDigits(b[i:])
	if digits == 0 {
		return 0, bencodeError(i, "a string or another value expected")
	}
	if i+digits == len(b) || b[i+digits] != ':' || digits > 1 && b[i] == '0' {
		return 0, bencodeError(i, "bad string length")
	}
	length, err := strconv.ParseInt(string(b[i:i+digits]), 10, 64)
	left := len(b) - i - digits - 1
	if err != nil || length > int64(left) {
		return 0, bencodeError(i, "string longer than the data")
	}
	return digits + 1 + int(length), nil
}

// scanInteger returns the length of the integer at b[i:], 'i' and 'e' included.
func scanInteger(b []byte, i int) (int, error) {
	first := i + 1
	if first < len(b) && b[first] == '-' {
		first++
	}
	digits := countDigits(b[first:])
	end := first + digits
	switch {
	case digits == 0 || end == len(b) || b[end] != 'e':
		return 0, bencodeError(i, "bad integer")
	case b[first] == '0' && (digits > 1 || b[first-1] == '-'):
		return 0, bencodeError(i, "integer not in canonical form")
	}
	return end + 1 - i, nil
}

// countDigits returns how many decimal digits b starts with, counting at most one more than any number may have.
func countDigits(b []byte) int {
	n := 0
	for n < len(b) && n <= maxNumeral && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	if n > maxNumeral {
		return 0
	}
	return n
}

func bencodeError(offset int, what string) error {
	return fmt.Errorf("%w at byte %d: %s", ErrBencode, offset, what)
}
