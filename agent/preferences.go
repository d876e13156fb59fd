package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ebb/agent/discovery"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/quota/disk"
)

// current is a copy of the preferences in force.
func (a *Agent) current() prefs.Preferences {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.preferences
}

// limits is what the preferences allot on disk.
func limits(p prefs.Preferences) disk.Limits {
	return disk.Limits{
		Storage:  p.Background.Storage.Bytes(0),
		Share:    p.Background.Storage.Share(),
		KeepFree: int64(p.Background.KeepFree),
		Writes:   p.Background.WriteBudget.BytesPerDay(),
	}
}

// apply puts new preferences into force, as far as that is possible while
// running, and tells what waits for the next start.
func (a *Agent) apply(p prefs.Preferences) {
	a.mu.Lock()
	old := a.preferences
	p.State = old.State // where we are running is not to be changed under us
	a.preferences = p
	a.mu.Unlock()

	a.ledger.SetLimits(limits(p))
	a.governor.Set(allotment(p))
	a.candidates.SetPolicy(discovery.PolicyFrom(p.Sources))
	select {
	case a.changed <- struct{}{}:
	default:
	}
	text := "preferences changed"
	if later := needRestart(old, p); len(later) > 0 {
		text += "; the next start puts into force: " + strings.Join(later, ", ")
	}
	swarm.Tell(a.log, "preferences", swarm.InfoHash{}, text)
}

// needRestart names the sections that changed and cannot follow while running.
func needRestart(old, p prefs.Preferences) (sections []string) {
	differs := func(name string, was, is any) {
		if fmt.Sprint(was) != fmt.Sprint(is) {
			sections = append(sections, name)
		}
	}
	differs("foreground", old.Foreground, p.Foreground)
	was, is := old.Network, p.Network
	was.LineUp, was.LineDown, was.WANInterface = is.LineUp, is.LineDown, is.WANInterface // these do follow
	differs("network", was, is)
	differs("web", old.Web, p.Web)
	return sections
}

const watchInterval = 2 * time.Second

// watchPreferences follows changes that the owner makes in the file itself.
func (a *Agent) watchPreferences(ctx context.Context) {
	prefs.Watch(ctx, a.configPath, watchInterval, func(p prefs.Preferences, err error) {
		switch {
		case err != nil:
			swarm.Tell(a.log, "preferences", swarm.InfoHash{}, "keeping the old preferences: "+err.Error())
		case !p.Equal(a.current()):
			a.apply(p)
		}
	})
}

// allotted tells whether the owner has set something aside and lets the
// background work now; if not, why.
func allotted(p prefs.Preferences, storage int64, now time.Time) (on bool, state, why string) {
	switch {
	case !p.Background.Storage.IsSet():
		return false, "setup", "nothing is shared yet: set background.storage to what you want to lend, such as \"20GiB\""
	case storage <= 0:
		return false, "off", "the background is off: background.storage is 0"
	case !p.Background.InHours(now):
		return false, "paused", "outside the hours that background.hours allows"
	}
	return true, "sharing", ""
}
