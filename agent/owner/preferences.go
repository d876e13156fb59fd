package owner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/webui"
)

// Preferences are those in force.
func (o *Owner) Preferences(context.Context) (prefs.Preferences, error) {
	return o.cfg.Preferences.Get(), nil
}

// SetPreferences saves p and puts it into force.
func (o *Owner) SetPreferences(_ context.Context, p prefs.Preferences) error {
	if dir := o.cfg.Preferences.Get().State.Directory; p.State.Directory != dir {
		return &webui.BadRequest{Err: fmt.Errorf("state.directory cannot change while ebb runs on %s: stop it, move the directory, and edit the file", dir)}
	}
	// The first time there may be no directory for the file yet.
	if err := os.MkdirAll(filepath.Dir(o.cfg.ConfigPath), 0o755); err != nil {
		return fmt.Errorf("saving the preferences: %w", err)
	}
	if err := prefs.Save(o.cfg.ConfigPath, p); err != nil {
		return err
	}
	o.apply(p)
	return nil
}

// apply puts new preferences into force, and tells what waits for the next start. Whoever goes by them reads them; told
// are only those that must act at once.
func (o *Owner) apply(p prefs.Preferences) {
	before := o.cfg.Preferences.Set(p)
	o.cfg.Ledger.LimitsChanged()
	o.cfg.Governor.Apply()
	text := "preferences changed"
	if later := prefs.NeedRestart(before, p); len(later) > 0 {
		text += "; the next start puts into force: " + strings.Join(later, ", ")
	}
	swarm.Tell(o.cfg.Log, "preferences", swarm.InfoHash{}, text)
}

// watchInterval is how soon a change in the file itself is noticed: it costs one stat.
const watchInterval = 2 * time.Second

// watchPreferences follows changes that the owner makes in the file itself, until ctx ends.
func (o *Owner) watchPreferences(ctx context.Context) {
	prefs.Watch(ctx, o.cfg.ConfigPath, watchInterval, func(p prefs.Preferences, err error) {
		switch {
		case err != nil:
			swarm.Tell(o.cfg.Log, "preferences", swarm.InfoHash{}, "keeping the old preferences: "+err.Error())
		case !p.Equal(o.cfg.Preferences.Get()):
			o.apply(p)
		}
	})
}
