package prefs

import (
	"errors"
	"strings"
)

// Rate is a speed limit: so many bytes per second, off, auto (ebb finds out), or unlimited. The zero value is off, so
// that a forgotten rate shares nothing. Its text is "5Mbit/s", "4MiB/s", "0" for off, "auto" or "unlimited".
type Rate struct {
	kind  rateKind
	bytes int64 // per second, when fixed
	bits  bool  // the owner thinks of it in bits, and reads it so
}

type rateKind uint8

const (
	rateFixed rateKind = iota
	rateAuto
	rateUnlimited
)

// maxRate, 1 PiB/s, is beyond any line, and leaves room to count it in bits.
const maxRate = 1 << 50

// bitUnits is ordered by preference, as byteUnits is.
var bitUnits = []unit{{"Tbit", 1e12}, {"Gbit", 1e9}, {"Mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}}

var errNotRate = errors.New(`not a rate; write it like "5Mbit/s", "4MiB/s", "auto", "unlimited", or "0" for off`)

// AutoRate leaves the rate to ebb.
func AutoRate() Rate { return Rate{kind: rateAuto} }

// UnlimitedRate sets no limit.
func UnlimitedRate() Rate { return Rate{kind: rateUnlimited} }

// FixedRate is a limit in bytes per second, brought into 0 (off) to 1 PiB/s.
func FixedRate(bytesPerSecond int64) Rate {
	return Rate{bytes: min(max(bytesPerSecond, 0), maxRate)}
}

// Auto reports whether ebb is to find the rate.
func (r Rate) Auto() bool { return r.kind == rateAuto }

// Unlimited reports whether there is no limit.
func (r Rate) Unlimited() bool { return r.kind == rateUnlimited }

// BytesPerSecond returns the fixed limit: 0 is off, -1 is unlimited. For auto it is 0: ask Auto first.
func (r Rate) BytesPerSecond() int64 {
	if r.kind == rateUnlimited {
		return -1
	}
	return r.bytes
}

// UnmarshalText reads a rate. "Mb/s" is refused, because people mean both bits and bytes by it.
func (r *Rate) UnmarshalText(text []byte) error {
	trimmed := strings.TrimSpace(string(text))
	switch strings.ToLower(trimmed) {
	case "auto":
		*r = AutoRate()
		return nil
	case "unlimited":
		*r = UnlimitedRate()
		return nil
	case "0":
		*r = Rate{}
		return nil
	}
	number, name := splitUnit(trimmed)
	name, perSecond := strings.CutSuffix(name, "/s")
	if !perSecond {
		return errNotRate
	}
	n, inBits := scaled(number, name, bitUnits)
	if inBits {
		n /= 8
	} else {
		var ok bool
		if n, ok = scaled(number, name, byteUnits); !ok || !strings.Contains(name, "B") {
			return errNotRate
		}
	}
	if n > maxRate {
		return errors.New(`too high; write "unlimited" for no limit`)
	}
	if n == 0 && strings.ContainsAny(number, "123456789") {
		return errors.New(`less than one byte per second; write "0" for off`)
	}
	*r = Rate{bytes: n, bits: inBits && n > 0} // there is one way to be off
	return nil
}

// MarshalText gives the shortest text that UnmarshalText reads back as the same rate.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r Rate) String() string {
	switch {
	case r.kind == rateAuto:
		return "auto"
	case r.kind == rateUnlimited:
		return "unlimited"
	case r.bytes <= 0:
		return "0"
	case r.bits:
		return shortest(uint64(r.bytes)*8, bitUnits, "/s")
	default:
		return shortest(uint64(r.bytes), byteUnits, "/s")
	}
}
