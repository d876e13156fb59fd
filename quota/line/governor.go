package line

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"sync"
	"time"

	"ebb/agent/prefs"
	"ebb/platform"
	"ebb/quota"
	"ebb/quota/line/govern"
)

// MetaStore keeps small records across restarts. *fragstore.Store satisfies it.
type MetaStore interface {
	PutMeta(bucket, key string, value []byte) error
	Meta(bucket, key string) ([]byte, bool)
}

// GovernorConfig is what a Governor works with. NewGovernor calls none of its functions. Later they may be called with
// a lock of the Governor's held, so they must not call its methods.
type GovernorConfig struct {
	Bandwidth   *Bandwidth
	Platform    platform.Files           // to read the line's interface and the machine
	Preferences func() prefs.Preferences // those in force
	Foreground  func() govern.Rates      // of the owner's own torrents: payload, bytes per second
	MemoryShort func() bool              // reports whether the machine is short of memory
	// Unavailable says why nothing may be written to the disk just now, nil if it may; see disk.Watch. It may be nil
	// itself.
	Unavailable func() error
	Store       MetaStore // for the month's transfer, and what was learned of each line
	Log         *slog.Logger
}

// Governor moves the limits of a Bandwidth several times a second, so that the household does not feel the background.
// Its methods may be called by any number of goroutines.
type Governor struct {
	cfg     GovernorConfig
	senses  *senses
	sense   func(time.Time, prefs.Preferences) govern.Surroundings // that of senses; tests have their own
	watcher *watcher
	prober  *prober
	began   time.Time // with the monotonic clock

	mu         sync.Mutex // guards the fields below
	controller govern.Controller
	last       time.Time
	around     govern.Surroundings
	decision   govern.Decision
	past       past
	month      quota.Period  // what was transferred in it, both ways
	kept       int64         // of the month's transfer, as it was last written down
	keptAt     time.Duration // since began
}

const (
	// keepGrown is by how many bytes the month's transfer must have grown to be written down while ebb runs: an idle
	// ebb writes nothing.
	keepGrown = 1 << 20
	// keepEvery is how often that is looked at: each writing costs a few pages of the index.
	keepEvery      = time.Minute
	transferBucket = "quota"
	transferKey    = "transferred this month"
)

// NewGovernor returns a Governor. Nothing passes until Run has decided for the first time.
func NewGovernor(cfg GovernorConfig) *Governor {
	if cfg.Unavailable == nil {
		cfg.Unavailable = func() error { return nil }
	}
	g := &Governor{cfg: cfg, watcher: newWatcher(cfg.Bandwidth), began: time.Now()}
	g.senses = &senses{cfg: &g.cfg}
	g.sense = g.senses.sense
	g.prober = newProber(g.busyLine, cfg.Log)
	g.last = g.began
	text, _ := cfg.Store.Meta(transferBucket, transferKey)
	g.month = quota.ParsePeriod(quota.Monthly, string(text))
	g.kept = g.month.Used()
	g.month.Count(g.began, 0, 0)
	g.decision = govern.Decision{State: govern.Paused, Reason: "paused: ebb has just started"}
	cfg.Bandwidth.SetLimits(0, 0)
	if cfg.Platform != (platform.Files{}) {
		cfg.Bandwidth.setLocal(g.local)
	}
	return g
}

// Run governs until ctx ends. Afterwards nothing passes. It is called once.
func (g *Governor) Run(ctx context.Context) {
	var probing sync.WaitGroup
	probing.Go(func() { g.prober.run(ctx) })
	defer probing.Wait()
	defer g.senses.close()
	ticker := time.NewTicker(govern.Tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			g.mu.Lock()
			g.decision.Up, g.decision.Down = 0, 0
			g.cfg.Bandwidth.SetLimits(0, 0)
			g.mu.Unlock()
			g.keep(true)
			return
		case <-ticker.C:
			g.tick()
			g.keep(false)
		}
	}
}

// tick senses, decides, and sets the limits.
func (g *Governor) tick() {
	around := g.surroundings(time.Now())
	wire := g.watcher.look()

	g.mu.Lock()
	defer g.mu.Unlock()
	lends := allotment(g.cfg.Preferences()) // those of now: if they change later, Apply comes after us
	now := time.Now()
	dt := now.Sub(g.last)
	g.last = now
	g.around = around
	g.month.Count(now, now.Sub(g.began), int64(math.Round(wire.Up+wire.Down)))
	over := max(dt, time.Millisecond).Seconds()
	before := g.decision
	g.decision = g.controller.Decide(govern.Sample{
		DT: dt, Around: around, Wire: wire, Own: govern.Rates{Up: wire.Up / over, Down: wire.Down / over},
		Allotted: lends, Used: g.usedUp(lends, now),
	})
	g.past.add(now, dt, govern.Rates{Up: wire.Up / over, Down: wire.Down / over}, g.decision)
	if g.decision.Up != before.Up || g.decision.Down != before.Down {
		g.cfg.Bandwidth.SetLimits(g.decision.Up, g.decision.Down)
	}
	if g.decision.State != before.State || g.decision.Position != before.Position {
		g.cfg.Log.Debug("bandwidth: "+g.decision.Reason, "position", g.decision.Position)
	}
}

// surroundings are all that is sensed but the background's own connections.
func (g *Governor) surroundings(now time.Time) govern.Surroundings {
	around := g.sense(now, g.cfg.Preferences())
	g.prober.tell(&around, now)
	return around
}

// Apply is called when the preferences have changed. The limits are within the new ones when it returns, and stay
// there.
func (g *Governor) Apply() {
	g.mu.Lock()
	defer g.mu.Unlock()
	lends := allotment(g.cfg.Preferences())
	within := func(rate, allotted int64) int64 {
		if allotted == govern.Auto {
			return rate
		}
		return min(rate, allotted)
	}
	g.decision.Up, g.decision.Down = within(g.decision.Up, lends.Up), within(g.decision.Down, lends.Down)
	if g.usedUp(lends, time.Now()) != "" {
		g.decision.Up, g.decision.Down = 0, 0
	}
	g.cfg.Bandwidth.SetLimits(g.decision.Up, g.decision.Down)
}

// usedUp says why nothing may be transferred any more this month, "" if something may. g.mu is held.
func (g *Governor) usedUp(lends govern.Allotment, now time.Time) string {
	if lends.Monthly < 0 || g.month.Used() < lends.Monthly {
		return ""
	}
	until := g.month.Renews(now)
	return fmt.Sprintf("the month's %s are used up until %d %s", quota.Bytes(lends.Monthly), until.Day(), until.Month())
}

// keep writes the month's transfer down, if it has grown and it is time to, or now. An error has been logged by the
// store; the next time tries again.
func (g *Governor) keep(now bool) {
	g.mu.Lock()
	running := time.Since(g.began)
	used, text := g.month.Used(), g.month.String()
	// A month begins by itself, but the count of the old one must not outlive it on disk.
	due := now && used != g.kept || running-g.keptAt >= keepEvery && (used < g.kept || used-g.kept >= keepGrown)
	if due {
		g.keptAt = running
	}
	g.mu.Unlock()
	if !due || !now && g.cfg.Unavailable() != nil { // the disk is not woken for this
		return
	}
	if err := g.cfg.Store.PutMeta(transferBucket, transferKey, []byte(text)); err == nil {
		g.mu.Lock()
		g.kept = used
		g.mu.Unlock()
	}
}

// busyLine is what the prober has to know.
func (g *Governor) busyLine() busyLine {
	s := g.Status()
	return busyLine{peer: g.busiestPeer(), link: s.Interface, clear: s.Delayed && s.Delay < noQueue}
}

// local reports whether the way to an address does not pass the line, as the routes say now.
func (g *Governor) local(a netip.Addr) bool {
	g.mu.Lock()
	wan, router := g.around.Interface, g.decision.Router
	g.mu.Unlock()
	return g.cfg.Platform.Local(a, wan, router)
}

// busiestPeer returns the address of the peer across the line with whom most was exchanged lately; the zero Addr if
// nothing was, or the background is paused.
func (g *Governor) busiestPeer() netip.Addr {
	if g.Status().State == govern.Paused {
		return netip.Addr{}
	}
	return g.watcher.busiest()
}

// GovernorStatus is what there is to show.
type GovernorStatus struct {
	State       govern.State
	Reason      string           // a sentence that begins with the state
	Position    string           // on the router or behind it, in words; "" before the first decision
	Interface   string           // to the internet; "" if it is not known
	Line        govern.Rates     // what the line is believed to carry, bytes per second on the wire
	Beliefs     [2]govern.Belief // the same, up and down, with why; none before the first decision
	Others      govern.Rates     // what the rest of the household uses; 0 where that does not show
	Limits      govern.Rates     // bytes of payload per second
	Delay       time.Duration    // for which packets wait in the line's queue, when it was last measured
	Delayed     bool             // it was measured at the last tick
	Transferred int64            // bytes in this month, both ways
	Renews      time.Time        // when the next month begins
}

// Status returns what the last tick found.
func (g *Governor) Status() GovernorStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.decision
	return GovernorStatus{
		State: d.State, Reason: d.Reason, Position: d.Position, Interface: g.around.Interface,
		Line: d.Line, Beliefs: d.Beliefs, Others: d.Others, Limits: govern.Rates{Up: float64(d.Up), Down: float64(d.Down)},
		Delay: d.Delay, Delayed: d.Delayed,
		Transferred: g.month.Used(), Renews: g.month.Renews(time.Now()),
	}
}

// History returns the last ten minutes, the oldest moment first.
func (g *Governor) History() []Moment {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.past.list()
}

// FirstHop returns what is known of the first hop beyond the line. It asks nobody.
func (g *Governor) FirstHop() FirstHop { return g.prober.firstHop() }
