package prefs

import (
	"errors"
	"strings"
)

// Limit is a most size, or no limit, which is the zero value. Its text is that of a Size or "unlimited".
type Limit struct {
	limited bool
	bytes   int64
}

// LimitTo returns a limit of n bytes; a negative n counts as 0.
func LimitTo(n int64) Limit { return Limit{true, max(n, 0)} }

// Bytes returns the limit; limited is false when there is none.
func (l Limit) Bytes() (n int64, limited bool) { return l.bytes, l.limited }

// UnmarshalText reads a size or "unlimited".
func (l *Limit) UnmarshalText(text []byte) error {
	trimmed := strings.TrimSpace(string(text))
	if strings.EqualFold(trimmed, "unlimited") {
		*l = Limit{}
		return nil
	}
	n, ok := parseSize(trimmed)
	if !ok {
		return errors.New(`not a size; write it like "500GiB", "1.5TB" or "unlimited"`)
	}
	*l = LimitTo(int64(n))
	return nil
}

// MarshalText gives the text that UnmarshalText reads back as the same limit.
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

func (l Limit) String() string {
	if !l.limited {
		return "unlimited"
	}
	return Size(l.bytes).String()
}

// PerDay is a most size for each day, or no limit, which is the zero value. Its text is "2GiB/day" or "unlimited".
type PerDay struct{ limit Limit }

// LimitPerDay returns a limit of n bytes a day; a negative n counts as 0.
func LimitPerDay(n int64) PerDay { return PerDay{LimitTo(n)} }

// Bytes returns the limit for one day; limited is false when there is none.
func (d PerDay) Bytes() (n int64, limited bool) { return d.limit.Bytes() }

// BytesPerDay returns the limit for one day, or -1 when there is none.
func (d PerDay) BytesPerDay() int64 {
	if n, limited := d.Bytes(); limited {
		return n
	}
	return -1
}

// UnmarshalText reads a size with "/day" behind it, or "unlimited".
func (d *PerDay) UnmarshalText(text []byte) error {
	trimmed := strings.TrimSpace(string(text))
	size, daily := strings.CutSuffix(trimmed, "/day")
	var limit Limit
	if err := limit.UnmarshalText([]byte(size)); err != nil || daily != limit.limited {
		return errors.New(`not an amount per day; write it like "2GiB/day" or "unlimited"`)
	}
	d.limit = limit
	return nil
}

// MarshalText gives the text that UnmarshalText reads back as the same limit.
func (d PerDay) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d PerDay) String() string {
	if !d.limit.limited {
		return d.limit.String()
	}
	return d.limit.String() + "/day"
}
