package quota

import (
	"fmt"
	"time"

	"ebb/agent/prefs"
)

// Allotted reports whether the owner has set something aside and lets the background work now. storage is what is
// allotted of the disk at the moment, in bytes. If it may not work, state is a word for it (setup, off, paused) and why
// the sentence that says what the owner can do.
func Allotted(p prefs.Preferences, storage int64, now time.Time) (on bool, state, why string) {
	switch {
	case !p.Background.Storage.IsSet():
		return false, "setup", "nothing is shared yet: set background.storage to what you want to lend, such as \"20GiB\""
	case storage <= 0:
		return false, "off", "the background is off: background.storage is 0"
	case len(p.Background.Hours) > 0 && !ClockSet(now):
		return false, "paused", "the clock of this device is not set yet (it says " + now.Format("2006-01-02 15:04 MST") +
			"), and background.hours goes by it"
	case !p.Background.InHours(now):
		return false, "paused", fmt.Sprintf("outside the hours that background.hours allows; it is %s by this device's clock", now.Format("15:04 MST"))
	}
	return true, "sharing", ""
}
