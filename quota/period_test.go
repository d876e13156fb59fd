package quota

import (
	"testing"
	"time"
)

func TestAMonthBeginsAnewOnlyOnce(t *testing.T) {
	at := func(text string) time.Time {
		t.Helper()
		wall, err := time.Parse(time.DateTime, text)
		if err != nil {
			t.Fatal(err)
		}
		return wall
	}
	const day = 24 * time.Hour
	p := ParsePeriod(Monthly, "")
	for _, step := range []struct {
		wall  string
		up    time.Duration
		bytes int64
		used  int64
		next  string
	}{
		{"1970-01-01 00:00:10", 0, 5, 5, "1970-02-01 00:00:10"}, // a router without a clock of its own …
		{"1970-01-01 00:00:30", 20 * time.Second, 2, 7, "1970-02-01 00:00:10"},
		{"2026-11-23 12:00:00", time.Minute, 7, 14, "2026-12-01 00:00:00"}, // … learns the date: the same month
		{"2026-11-30 23:59:59", 7 * day, 3, 17, "2026-12-01 00:00:00"},
		{"2026-12-01 00:00:01", 7*day + 2*time.Second, 1, 1, "2027-01-01 00:00:00"},
		{"2026-11-29 00:00:00", 8 * day, 2, 3, "2026-12-29 00:00:02"}, // … is set back: no new month
		{"2026-12-01 00:00:00", 9 * day, 2, 5, "2026-12-30 00:00:02"},
		{"1970-01-01 00:00:00", 10 * day, 2, 7, "1970-01-29 00:00:02"},
		{"1970-01-28 00:00:00", 38 * day, 2, 9, "1970-01-28 00:00:02"},
		{"1970-01-29 00:00:02", 38*day + 10*time.Second, 2, 2, "1970-03-01 00:00:02"}, // 31 days have passed
		{"1970-01-29 00:00:02", 38 * day, -5, 2, "1970-03-01 00:00:02"},
	} {
		p.Count(at(step.wall), step.up, step.bytes)
		if next := p.Renews(at(step.wall)).Format(time.DateTime); p.Used() != step.used || next != step.next {
			t.Errorf("%s: used %d until %s, want %d until %s", step.wall, p.Used(), next, step.used, step.next)
		}
		up := p.up
		p = ParsePeriod(Monthly, p.String()) // a restart
		p.up = up
	}
}

func TestADayLastsADay(t *testing.T) {
	zone := time.FixedZone("somewhere", 2*60*60)
	at := func(text string) time.Time {
		t.Helper()
		wall, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
		if err != nil {
			t.Fatal(err)
		}
		return wall
	}
	// Each step: the clock, hours of running, bytes written by then; what is used, and when the next day begins.
	type step struct {
		wall    string
		up      float64
		written int64
		used    int64
		renews  string
	}
	for name, steps := range map[string][]step{
		"midnight is local": {
			{"2026-03-01 12:00", 0, 10, 10, "2026-03-02 00:00"},
			{"2026-03-01 23:59", 11.9, 30, 30, "2026-03-02 00:00"},
			{"2026-03-02 00:00", 12, 35, 5, "2026-03-03 00:00"},
			{"2026-03-02 23:59", 35.9, 36, 6, "2026-03-03 00:00"},
		},
		"boot in 1970, then NTP": {
			{"1970-01-01 00:00", 0, 10, 10, "1970-01-02 00:00"},
			{"2026-03-01 12:00", 0.1, 30, 30, "2026-03-02 00:00"}, // what was written before belongs to this day
			{"2026-03-01 12:01", 0.2, 31, 31, "2026-03-02 00:00"},
		},
		"back by an hour over midnight": {
			{"2026-03-02 00:10", 0, 10, 10, "2026-03-03 00:00"},
			{"2026-03-01 23:10", 0.1, 20, 20, "2026-03-02 23:04"},
			{"2026-03-02 00:00", 1, 30, 30, "2026-03-02 23:00"}, // the day that it is already
			{"2026-03-02 23:00", 24, 31, 1, "2026-03-03 00:00"}, // after 24 h at the latest
		},
		"to 2099 and back": {
			{"2026-03-01 12:00", 0, 10, 10, "2026-03-02 00:00"},
			{"2099-01-01 12:00", 1, 20, 10, "2099-01-02 00:00"},
			{"2026-03-01 14:00", 2, 30, 20, "2026-03-02 13:00"},
			{"2026-03-02 00:30", 12.5, 40, 30, "2026-03-02 13:00"},
			{"2026-03-02 12:59", 24.9, 41, 31, "2026-03-02 13:05"},
			{"2026-03-02 13:00", 25, 45, 4, "2026-03-03 13:00"},
			{"2026-03-03 13:00", 49, 46, 1, "2026-03-04 13:00"},
		},
		"a clock that stands still": {
			{"2026-03-01 12:00", 0, 10, 10, "2026-03-02 00:00"},
			{"2026-03-01 12:00", 23.9, 20, 20, "2026-03-01 12:06"},
			{"2026-03-01 12:00", 24, 21, 1, "2026-03-02 00:00"},
		},
		"hour by hour backwards": {
			{"2026-03-01 12:00", 0, 10, 10, "2026-03-02 00:00"},
			{"2026-02-28 12:00", 1, 20, 20, "2026-03-01 11:00"},
			{"2026-02-27 12:00", 2, 30, 30, "2026-02-28 10:00"},
			{"1970-01-01 00:00", 3, 40, 40, "1970-01-01 21:00"},
			{"2026-03-01 12:00", 4, 50, 50, "2026-03-02 00:00"},
		},
	} {
		var p Period
		var counted int64
		for i, s := range steps {
			wall, up := at(s.wall), time.Duration(s.up*float64(time.Hour))
			p.Count(wall, up, s.written-counted)
			counted = s.written
			if got := p.Renews(wall).Round(time.Minute); p.Used() != s.used || !got.Equal(at(s.renews)) {
				t.Errorf("%s, step %d: %d used, renews %v; want %d and %s", name, i, p.Used(), got, s.used, s.renews)
			}
			// A restart at any point changes nothing, as long as the day is the same.
			again := ParsePeriod(Daily, p.String())
			again.Count(wall, 0, 7)
			if again.Used() != p.Used()+7 {
				t.Errorf("%s, step %d: %d used after a restart, %d before", name, i, again.Used(), p.Used())
			}
		}
	}
}

// A router that is rebooted every morning, and whose clock was in 2099 once, has its days all the same.
func TestADayAgesOverRestarts(t *testing.T) {
	wall := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	p := ParsePeriod(Daily, "20990101 5 0")
	renewed := 0
	for range 10 {
		p = ParsePeriod(Daily, p.String())
		p.Count(wall, 0, 0)
		p.Count(wall.Add(10*time.Hour), 10*time.Hour, 10)
		if p.Used() == 10 {
			renewed++
		}
		wall = wall.Add(24 * time.Hour)
	}
	if renewed < 3 {
		t.Errorf("renewed %d times in ten days of ten hours", renewed)
	}
}

func TestWhatIsKeptOfAPeriodIsReadWithCare(t *testing.T) {
	for text, want := range map[string]Period{
		"20260301 1234 60":               {latest: 20260301, used: 1234, age: time.Minute},
		"20260301 1234 9999999":          {latest: 20260301, used: 1234, age: 24 * time.Hour},
		"20260301 9223372036854775807 1": {latest: 20260301, used: mostUsed, age: time.Second},
		"":                               {}, "x": {}, "1 2": {}, "1 2 3 4": {}, "1 2 3x": {}, "-1 2 3": {}, "1 -2 3": {}, "1 2 -3": {},
		"1 99999999999999999999 3": {}, "\x00\xff": {},
	} {
		if got := ParsePeriod(Daily, text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	for _, text := range []string{"", "1", "202611 5", "202611 5 6 7", "-1 5 6", "202611 -5 6", "202611 5 -6", "a b c", "202611 99999999999999999999 6"} {
		if got := ParsePeriod(Monthly, text); got != (Period{calendar: Monthly}) {
			t.Errorf("%q: %+v", text, got)
		}
	}
	if got := ParsePeriod(Monthly, "202611 9223372036854775807 9223372036854775807"); got.used != mostUsed || got.age != 31*24*time.Hour {
		t.Errorf("%+v", got)
	}
}

func TestNoCountIsBeyondReason(t *testing.T) {
	p := ParsePeriod(Daily, "19700101 1152921504606846975 0") // one byte less than 1 EiB
	for range 2 {
		p.Count(time.Unix(0, 0).UTC(), 0, 1<<62)
		if p.Used() != mostUsed {
			t.Errorf("used: %d", p.Used())
		}
	}
}
