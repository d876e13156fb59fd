package line

import (
	"testing"
	"time"
)

func TestAMonthBeginsAnewOnlyOnce(t *testing.T) {
	at := func(text string) time.Time {
		wall, err := time.Parse(time.DateTime, text)
		must(t, err)
		return wall
	}
	const day = 24 * time.Hour
	var m monthly
	for _, step := range []struct {
		wall  string
		up    time.Duration
		bytes float64
		used  float64
		next  string
	}{
		{"1970-01-01 00:00:10", 0, 5, 5, "1970-02-01 00:00:00"}, // a router without a clock of its own …
		{"2026-11-23 12:00:00", time.Minute, 7, 7, "2026-12-01 00:00:00"},
		{"2026-11-30 23:59:59", 7 * day, 3, 10, "2026-12-01 00:00:00"},
		{"2026-12-01 00:00:01", 7*day + 2*time.Second, 1, 1, "2027-01-01 00:00:00"},
		{"2026-11-29 00:00:00", 8 * day, 2, 3, "2026-12-29 00:00:02"}, // … is set back: no new month
		{"2026-12-01 00:00:00", 9 * day, 2, 5, "2026-12-30 00:00:02"},
		{"1970-01-01 00:00:00", 10 * day, 2, 7, "1970-01-29 00:00:02"},
		{"1970-01-28 00:00:00", 38 * day, 2, 9, "1970-01-28 00:00:02"},
		{"1970-01-29 00:00:02", 38*day + 10*time.Second, 2, 2, "1970-03-01 00:00:02"}, // 31 days have passed
		{"1970-01-29 00:00:02", 38 * day, -5, 2, "1970-03-01 00:00:02"},
	} {
		m.count(at(step.wall), step.up, step.bytes)
		if next := m.renews(at(step.wall)).Format(time.DateTime); m.used != step.used || next != step.next {
			t.Errorf("%s: used %v until %s, want %v until %s", step.wall, m.used, next, step.used, step.next)
		}
		m = func() monthly { // a restart
			read := parseMonthly(m.String())
			read.up = m.up
			return read
		}()
	}
}

func TestWhatWasKeptOfAMonthIsCheckedFirst(t *testing.T) {
	for _, text := range []string{"", "1", "202611 5", "202611 5 6 7", "-1 5 6", "202611 -5 6", "202611 5 -6", "a b c", "202611 99999999999999999999 6"} {
		if got := parseMonthly(text); got != (monthly{}) {
			t.Errorf("%q: %+v", text, got)
		}
	}
	if got := parseMonthly("202611 9223372036854775807 9223372036854775807"); got.used != mostTransfer || got.age != monthlyTime {
		t.Errorf("%+v", got)
	}
}
