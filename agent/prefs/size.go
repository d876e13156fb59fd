package prefs

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Size is an amount in bytes, not negative. Its text is a number with a unit, "20GiB" or "1.5GB", IEC (1024) or SI
// (1000) up to EiB; a number alone counts bytes.
type Size int64

// unit is a multiple with a name.
type unit struct {
	name string
	size uint64
}

// byteUnits is ordered by preference: of two equally short forms of a size, the earlier unit is written.
var byteUnits = []unit{
	{"EiB", 1 << 60}, {"PiB", 1 << 50}, {"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"EB", 1e18}, {"PB", 1e15}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
}

var errNotSize = errors.New(`not a size; write it like "1GiB" or "500MB"`)

// UnmarshalText reads a size. Upper and lower case are the same; a fraction of a byte is dropped.
func (s *Size) UnmarshalText(text []byte) error {
	n, ok := parseSize(string(text))
	if !ok {
		return errNotSize
	}
	*s = n
	return nil
}

// MarshalText gives the shortest text that says exactly this size.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string {
	plain := strconv.FormatInt(int64(s), 10)
	if s <= 0 {
		return plain
	}
	if text := shortest(uint64(s), byteUnits, ""); len(text) <= len(plain) {
		return text
	}
	return plain
}

// Rounded gives two or three digits and a unit, for people to read: "1.4 GiB", "37 MiB".
func (s Size) Rounded() string {
	value, unit := float64(s), 0
	for value >= 1000 && unit < len(roundedUnits)-1 {
		value /= 1024
		unit++
	}
	if unit > 0 && value < 9.95 {
		return fmt.Sprintf("%.1f %s", value, roundedUnits[unit])
	}
	return fmt.Sprintf("%.0f %s", value, roundedUnits[unit])
}

var roundedUnits = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

func parseSize(text string) (Size, bool) {
	number, name := splitUnit(text)
	if name == "" {
		if strings.Contains(number, ".") {
			return 0, false
		}
		name = "B"
	}
	n, ok := scaled(number, name, byteUnits)
	return Size(n), ok
}

// splitUnit parts "1.5 GiB" into "1.5" and "GiB".
func splitUnit(text string) (number, name string) {
	text = strings.TrimSpace(text)
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		return text, ""
	}
	return text[:end], strings.TrimSpace(text[end:])
}

// Decimals that scaled reads and shortest writes. 10^maxDecimals and the largest unit bound the products below.
const (
	maxDecimals     = 9
	writtenDecimals = 3
)

// scaled multiplies a decimal number by the unit of that name, rounding down. It is exact integer arithmetic: floating
// point would lose bytes above 8 PiB and give 0.1 no exact value.
func scaled(number, name string, units []unit) (int64, bool) {
	var size uint64
	for _, u := range units {
		if strings.EqualFold(u.name, name) {
			size = u.size
		}
	}
	whole, fraction, pointed := strings.Cut(number, ".")
	if size == 0 || len(fraction) > maxDecimals || pointed && fraction == "" {
		return 0, false
	}
	w, err := strconv.ParseUint(whole, 10, 64)
	if err != nil {
		return 0, false
	}
	high, total := bits.Mul64(w, size)
	if high != 0 {
		return 0, false
	}
	if pointed {
		f, err := strconv.ParseUint(fraction, 10, 64)
		if err != nil {
			return 0, false
		}
		// f < 10^len(fraction) and size < 2^64, so the quotient fits 64 bits, as Div64 requires.
		high, low := bits.Mul64(f, size)
		part, _ := bits.Div64(high, low, pow10(len(fraction)))
		var carry uint64
		if total, carry = bits.Add64(total, part, 0); carry != 0 {
			return 0, false
		}
	}
	if total > math.MaxInt64 {
		return 0, false
	}
	return int64(total), true
}

// shortest writes n in the unit that needs the fewest characters and is exact within writtenDecimals. units must end
// with one of size 1, in which every n is exact.
func shortest(n uint64, units []unit, suffix string) string {
	best := ""
	for _, u := range units {
		whole, rest := n/u.size, n%u.size
		high, low := bits.Mul64(rest, pow10(writtenDecimals))
		decimals, inexact := bits.Div64(high, low, u.size)
		if whole == 0 || inexact != 0 {
			continue
		}
		text := strconv.FormatUint(whole, 10)
		if decimals != 0 {
			digits := strconv.FormatUint(pow10(writtenDecimals)+decimals, 10)[1:] // keeps leading zeros
			text += "." + strings.TrimRight(digits, "0")
		}
		if text += u.name + suffix; best == "" || len(text) < len(best) {
			best = text
		}
	}
	return best
}

func pow10(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
