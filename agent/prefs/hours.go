package prefs

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Hours is a window of the day by the wall clock, from its first minute up to, not including, its last. A window whose
// end comes before its start crosses midnight. Its text is "22:00-07:00"; all day is "00:00-24:00".
type Hours struct {
	from, to int // minutes since midnight; to may be minutesPerDay
}

const minutesPerDay = 24 * 60

var errNotHours = errors.New(`not a window of the day; write it like "22:00-07:00"`)

// Contains reports whether t is in the window, by the clock of t's location.
func (h Hours) Contains(t time.Time) bool {
	minute := t.Hour()*60 + t.Minute()
	if h.from < h.to {
		return h.from <= minute && minute < h.to
	}
	return h.from <= minute || minute < h.to
}

// UnmarshalText reads a window. One without length is refused: it could mean never or all day.
func (h *Hours) UnmarshalText(text []byte) error {
	first, second, _ := strings.Cut(string(text), "-")
	from, fromOK := parseClock(first)
	to, toOK := parseClock(second)
	if !fromOK || !toOK {
		return errNotHours
	}
	window := Hours{from, to}
	if err := window.check(); err != nil {
		return err
	}
	*h = window
	return nil
}

// MarshalText gives the text that UnmarshalText reads back as the same window.
func (h Hours) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

func (h Hours) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", h.from/60, h.from%60, h.to/60, h.to%60)
}

func (h Hours) check() error {
	if h.from == h.to {
		return errors.New(`a window without length; write "00:00-24:00" for all day`)
	}
	if h.from == minutesPerDay {
		return errors.New(`no day starts at 24:00; write "00:00"`)
	}
	return nil
}

// parseClock reads exactly "HH:MM", 00:00 to 24:00.
func parseClock(text string) (minutes int, ok bool) {
	if len(text) != len("HH:MM") || text[2] != ':' {
		return 0, false
	}
	for i, digit := range []byte(text) {
		if i == 2 {
			continue
		}
		if digit < '0' || digit > '9' {
			return 0, false
		}
	}
	hour := int(text[0]-'0')*10 + int(text[1]-'0')
	minute := int(text[3]-'0')*10 + int(text[4]-'0')
	minutes = hour*60 + minute
	return minutes, minute < 60 && minutes <= minutesPerDay
}
