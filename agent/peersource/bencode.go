package peersource

import (
	"bytes"
	"strconv"
)

// These read bencode in place, with bounds on depth and numbers, before a library may decode it: the libraries'
// decoders allocate for what they read, recurse, and take their time over numbers of 10⁵ digits. A cut function returns
// what it cut from the front of b, the rest, and whether b began with such a thing.

// eachItem hands the encoded items of a list, well-formed already, to check, until one fails.
func eachItem(list []byte, check func(item []byte) bool) bool {
	if list[0] != 'l' {
		return false
	}
	list = list[1:]
	for list[0] != 'e' {
		rest, ok := cutValue(list, maxKRPCDepth)
		if !ok || !check(list[:len(list)-len(rest)]) {
			return false
		}
		list = rest
	}
	return true
}

// eachKey hands the keys and encoded values (well-formed, and at most depth−1 deep) of the dictionary that b starts
// with to check, until one fails, and returns what follows the dictionary. The keys of the dictionary itself may come
// in any order: not everyone sorts them.
func eachKey(b []byte, depth int, check func(key string, value []byte) bool) (rest []byte, ok bool) {
	if depth == 0 || len(b) == 0 || b[0] != 'd' {
		return nil, false
	}
	b = b[1:]
	for len(b) > 0 && b[0] != 'e' {
		key, value, ok := cutString(b)
		if !ok {
			return nil, false
		}
		rest, ok := cutValue(value, depth-1)
		if !ok || !check(string(key), value[:len(value)-len(rest)]) {
			return nil, false
		}
		b = rest
	}
	if len(b) == 0 {
		return nil, false
	}
	return b[1:], true
}

// cutValue cuts one well-formed bencoded value, at most depth levels deep, from the front of b. Its dictionaries have
// each key once, in order, as the libraries demand wherever they have no type for a value.
func cutValue(b []byte, depth int) (rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, false
	}
	switch b[0] {
	case 'i':
		_, rest, ok = cutInt(b)
		return rest, ok
	case 'd':
		last, first := "", true
		return eachKey(b, depth, func(key string, _ []byte) bool {
			sorted := first || key > last
			last, first = key, false
			return sorted
		})
	case 'l':
		if depth == 0 {
			return nil, false
		}
		b = b[1:]
		for len(b) > 0 && b[0] != 'e' {
			if b, ok = cutValue(b, depth-1); !ok {
				return nil, false
			}
		}
		if len(b) == 0 {
			return nil, false
		}
		return b[1:], true
	}
	_, rest, ok = cutString(b)
	return rest, ok
}

// cutInt cuts an integer from the front of b: canonical, and within an int64.
func cutInt(b []byte) (n int64, rest []byte, ok bool) {
	end := bytes.IndexByte(b[:min(len(b), 22)], 'e') // an int64 has at most 20 characters
	if end < 2 || b[0] != 'i' {
		return 0, nil, false
	}
	text := string(b[1:end])
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0, nil, false
	}
	return n, b[end+1:], true
}

// cutString cuts a string from the front of b.
func cutString(b []byte) (s, rest []byte, ok bool) {
	colon := bytes.IndexByte(b[:min(len(b), 8)], ':') // nothing read here is 10⁷ bytes long
	if colon < 1 {
		return nil, nil, false
	}
	text := string(b[:colon])
	n, err := strconv.Atoi(text)
	b = b[colon+1:]
	if err != nil || n < 0 || n > len(b) || strconv.Itoa(n) != text {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}
