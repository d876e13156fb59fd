package quota

import (
	"strings"
	"testing"
	"time"

	"ebb/agent/prefs"
)

func TestHoursFollowTheClockAndTheReasonSaysWhatItShows(t *testing.T) {
	p, err := prefs.Parse([]byte("[background]\nstorage = \"1GiB\"\nhours = [\"22:00-07:00\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	zone := time.FixedZone("CEST", 2*60*60)
	for _, test := range []struct {
		now   time.Time
		on    bool
		words string
	}{
		{time.Date(2026, 7, 1, 23, 30, 0, 0, zone), true, ""},
		{time.Date(2026, 7, 1, 21, 59, 0, 0, zone), false, "it is 21:59 CEST"},
		{time.Date(2026, 7, 1, 21, 59, 0, 0, time.UTC), false, "it is 21:59 UTC"},
		{time.Date(1970, 1, 1, 0, 3, 0, 0, zone), false, "1970-01-01 00:03 CEST"}, // within the hours, if it were true
	} {
		on, state, why := Allotted(p, 1<<30, test.now)
		if on != test.on || !strings.Contains(why, test.words) || !on && state != "paused" {
			t.Errorf("%v: %t, %s, %q", test.now, on, state, why)
		}
	}
}
