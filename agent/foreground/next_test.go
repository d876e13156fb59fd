package foreground

import (
	"testing"

	"github.com/cenkalti/rain/v2/torrent"
)

func TestNextStepInTheOrderOfADownloadsLife(t *testing.T) {
	for _, test := range []struct {
		name string
		in   situation
		want step
	}{
		{"rain is left alone while it stops", situation{status: torrent.Stopping, wanted: true, due: true}, rest},
		{"even if it is to stop", situation{status: torrent.Stopping, reserved: true}, rest},
		{"metadata is examined", situation{status: torrent.Stopped, wanted: true, due: true}, examine},
		{"but not all the time, when its disk is away", situation{status: torrent.Stopped, wanted: true}, rest},
		{"then space is reserved", situation{status: torrent.Stopped, wanted: true, examined: true, due: true}, reserve},
		{"but not all the time", situation{status: torrent.Stopped, wanted: true, examined: true}, rest},
		{"then it starts", situation{status: torrent.Stopped, wanted: true, examined: true, reserved: true, due: true}, start},
		{"and goes on", situation{status: torrent.Downloading, wanted: true, examined: true, reserved: true}, rest},
		{"and on", situation{status: torrent.Seeding, wanted: true, examined: true, reserved: true}, rest},
		{"without a reservation it must not run", situation{status: torrent.Downloading, wanted: true, examined: true}, stop},
		{"nor without an examination", situation{status: torrent.Allocating, wanted: true, reserved: true}, stop},
		{"an unwanted one stops", situation{status: torrent.Verifying, examined: true, reserved: true}, stop},
		{"then its space is released", situation{status: torrent.Stopped, examined: true, reserved: true}, release},
		{"and that is all", situation{status: torrent.Stopped, examined: true}, rest},
		{"a failed one stops", situation{status: torrent.Downloading, wanted: true, failed: true, examined: true, reserved: true}, stop},
		{"and releases", situation{status: torrent.Stopped, wanted: true, failed: true, examined: true, reserved: true}, release},
		{"and rests", situation{status: torrent.Stopped, wanted: true, failed: true, examined: true, due: true}, rest},
		{"before a move it stops", situation{status: torrent.Seeding, wanted: true, examined: true, reserved: true, moving: true, due: true}, stop},
		{"then its files are moved", situation{status: torrent.Stopped, wanted: true, examined: true, reserved: true, moving: true, due: true}, move},
		{"also of one that is not wanted", situation{status: torrent.Stopped, examined: true, moving: true, due: true}, move},
		{"but not after that has failed", situation{status: torrent.Stopped, wanted: true, failed: true, examined: true, moving: true, due: true}, rest},
	} {
		if got := next(test.in); got != test.want {
			t.Errorf("%s: next(%+v) is %d, not %d", test.name, test.in, got, test.want)
		}
	}
}

// A download never runs without reserved space, whatever happens in between.
func TestNextStartsNothingThatIsNotReserved(t *testing.T) {
	flags := []bool{false, true}
	for status := torrent.Stopped; status <= torrent.Stopping; status++ {
		for _, wanted := range flags {
			for _, failed := range flags {
				for _, examined := range flags {
					for _, due := range flags {
						s := situation{status: status, wanted: wanted, failed: failed, examined: examined, due: due}
						got := next(s)
						if got == start {
							t.Errorf("%+v starts without space", s)
						}
						if got != rest && got != stop && (!wanted || failed) {
							t.Errorf("%+v is not wanted, and yet does %d", s, got)
						}
					}
				}
			}
		}
	}
}
