package owner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/quota/line"
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
	if p.Web.Address != o.cfg.Preferences.Get().Web.Address {
		if err := canListen(p.Web.Address); err != nil {
			return &webui.BadRequest{Err: fmt.Errorf("web.address: this machine cannot listen on %s: %w", p.Web.Address, err)}
		}
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

// canListen reports why the page cannot be at an address. One in use may be our own, at which it listens already.
func canListen(address string) error {
	l, err := net.Listen("tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil
	case err != nil:
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err
		}
		return err
	}
	return l.Close()
}

// apply puts new preferences into force, and tells what waits for the next start. Whoever goes by them reads them; told
// are only those that must act at once.
func (o *Owner) apply(p prefs.Preferences) {
	o.cfg.Preferences.Set(p)
	o.cfg.Ledger.LimitsChanged()
	o.cfg.Governor.Apply()
	o.limitDownloads(p)
	text := "preferences changed"
	if later := prefs.NeedRestart(o.began, o.cfg.Preferences.Get()); len(later) > 0 {
		text += "; the next start puts into force: " + strings.Join(later, ", ")
	}
	swarm.Tell(o.cfg.Log, "preferences", swarm.InfoHash{}, text)
}

// leastRate is what the owner's connections have in any case, bytes per second: requests pass the limit, too.
const leastRate = 1 << 10

// limitDownloads puts the limits of the owner's own torrents into force.
func (o *Owner) limitDownloads(p prefs.Preferences) {
	limit := func(r prefs.Rate) int64 {
		if r.Unlimited() {
			return line.Unlimited
		}
		return max(r.BytesPerSecond(), leastRate)
	}
	o.cfg.Bandwidth.SetOwnLimits(limit(p.Foreground.Upload), limit(p.Foreground.Download))
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
