package line

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/prefs"
	"ebb/quota/line/govern"
)

// emptyHome senses a router with nobody at home.
func emptyHome(time.Time, prefs.Preferences) govern.Surroundings {
	return govern.Surroundings{
		Interface: "wan", Seen: true, Line: govern.Rates{Up: 10 * megabit, Down: 50 * megabit},
		Facts: govern.Facts{Forwarding: true, LANs: 1, Forwarded: 1e5, Received: 1e6},
	}
}

// home is a router whose household uses the line as the test says.
type home struct {
	mu   sync.Mutex
	b    *Bandwidth
	last govern.Rates
	at   time.Time
	uses govern.Rates
}

func (h *home) sense(now time.Time, p prefs.Preferences) govern.Surroundings {
	h.mu.Lock()
	defer h.mu.Unlock()
	up, down := h.b.Totals()
	passed := govern.Rates{Up: float64(up) * govern.GuessedOverhead, Down: float64(down) * govern.GuessedOverhead}
	over := now.Sub(h.at).Seconds()
	around := emptyHome(now, p)
	around.WAN = govern.Rates{Up: (passed.Up-h.last.Up)/over + h.uses.Up, Down: (passed.Down-h.last.Down)/over + h.uses.Down}
	h.last, h.at = passed, now
	return around
}

func (h *home) use(r govern.Rates) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.uses = r
}

// memory is a MetaStore.
type memory struct {
	mu     sync.Mutex
	text   string
	kept   bool
	writes int
}

func (m *memory) PutMeta(bucket, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if bucket != transferBucket || key != transferKey {
		return errors.New("another key")
	}
	m.text, m.kept = string(value), true
	m.writes++
	return nil
}

func (m *memory) Meta(bucket, key string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return []byte(m.text), m.kept
}

// written is how often it was.
func (m *memory) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// owner has preferences, and changes them.
type owner struct {
	mu  sync.Mutex
	has prefs.Preferences
}

// lends returns an owner's preferences: rates in bytes per second, Auto included, and bytes in a month.
func lends(up, down, monthly int64) *owner {
	o := &owner{has: prefs.Default()}
	o.lend(up, down, monthly)
	return o
}

func (o *owner) lend(up, down, monthly int64) {
	rate := func(r int64) prefs.Rate {
		if r == govern.Auto {
			return prefs.AutoRate()
		}
		return prefs.FixedRate(r)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.has.Background.Upload, o.has.Background.Download = rate(up), rate(down)
	o.has.Background.MonthlyTransfer = prefs.Limit{}
	if monthly != govern.Uncapped {
		o.has.Background.MonthlyTransfer = prefs.LimitTo(monthly)
	}
}

func (o *owner) preferences() prefs.Preferences {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.has
}

// newGoverned returns a Governor that has other senses.
func newGoverned(b *Bandwidth, store *memory, o *owner, sense func(time.Time, prefs.Preferences) govern.Surroundings, hold func() error) *Governor {
	g := NewGovernor(GovernorConfig{Bandwidth: b, Preferences: o.preferences, Unavailable: hold, Store: store, Log: slog.New(slog.DiscardHandler)})
	g.sense = sense
	return g
}

// governed is a background that sends as much as it may, in fake time.
type governed struct {
	*Governor
	owner *owner
	home  *home
	store *memory
	sent  *wire
	stop  func()
}

func startGoverned(t *testing.T, store *memory, o *owner, hold func() error) *governed {
	b := NewBandwidth(Unlimited, Unlimited)
	g := &governed{owner: o, home: &home{b: b, at: time.Now()}, store: store, sent: &wire{}}
	g.Governor = newGoverned(b, store, o, g.home.sense, hold)
	if up, down := b.Limits(); up != 0 || down != 0 {
		t.Errorf("before it has looked the limits are %d, %d", up, down)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := b.Wrap(g.sent)
	var running sync.WaitGroup
	running.Go(func() { g.Run(ctx) })
	running.Go(func() {
		for {
			if _, err := c.Write(make([]byte, 16<<10)); errors.Is(err, net.ErrClosed) {
				return
			}
		}
	})
	g.stop = func() {
		cancel()
		synctest.Wait()
		if up, down := b.Limits(); up != 0 || down != 0 {
			t.Errorf("when it has ended the limits are %d, %d", up, down)
		}
		c.Close()
		running.Wait()
	}
	return g
}

func wait(d time.Duration) { <-time.After(d) }

func TestTheGovernorMovesTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := startGoverned(t, &memory{}, lends(govern.Auto, 0, govern.Uncapped), nil)
		defer g.stop()
		if s := g.Status(); s.State != govern.Paused || s.Reason != "paused: ebb has just started" {
			t.Errorf("at first: %+v", s)
		}
		wait(time.Minute)
		s := g.Status()
		if s.State != govern.Sharing || s.Limits.Up < .92*10*megabit/govern.GuessedOverhead || s.Limits.Down != 0 || s.Interface != "wan" ||
			s.Line != (govern.Rates{Up: 10 * megabit, Down: 50 * megabit}) || !strings.HasPrefix(s.Position, "on the router") {
			t.Errorf("alone: %+v", s)
		}
		g.home.use(govern.Rates{Up: 9 * megabit})
		wait(300 * time.Millisecond)
		s = g.Status()
		if s.State != govern.Yielding || s.Limits.Up > .01*10*megabit || s.Others.Up < 8*megabit {
			t.Errorf("somebody uploads: %+v", s)
		}
		g.home.use(govern.Rates{})
		wait(15 * time.Second)
		if s := g.Status(); s.State != govern.Sharing || s.Limits.Up < .8*10*megabit/govern.GuessedOverhead {
			t.Errorf("afterwards: %+v", s)
		}
		g.owner.lend(1000, 0, govern.Uncapped)
		g.Apply()
		if up, _ := g.cfg.Bandwidth.Limits(); up > 1000 {
			t.Errorf("of an allotment of 1000 the limit is %d", up)
		}
		wait(govern.Tick) // what had passed before is counted now
		before := g.Status().Transferred
		wait(10 * time.Second)
		if grown := g.Status().Transferred - before; grown < 8000 || grown > 10_200 {
			t.Errorf("%d bytes were transferred in 10 s at 1000 B/s", grown)
		}
	})
}

func TestAMonthsTransferIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is 1 January 2000
		store := &memory{}
		const lent = 20 << 20
		g := startGoverned(t, store, lends(govern.Auto, govern.Auto, lent), nil)
		wait(10 * time.Second)
		if s := g.Status(); s.State != govern.Sharing || store.written() > 0 {
			t.Errorf("after 10 s: %+v, written %d times", s, store.written())
		}
		wait(time.Minute)
		if store.written() != 1 {
			t.Errorf("in a minute it was written %d times", store.written())
		}
		wait(time.Hour)
		s := g.Status()
		up, _ := g.cfg.Bandwidth.Limits()
		if s.Reason != "paused: the month's 20 MiB are used up until 1 February" || up != 0 || s.Transferred < lent || s.Transferred > lent+megabit*10/4 {
			t.Errorf("when it is used up: %+v, limit %d", s, up)
		}
		if store.written() > 3 {
			t.Errorf("in an hour it was written %d times", store.written())
		}
		g.stop()

		g = startGoverned(t, store, lends(govern.Auto, govern.Auto, lent), nil)
		wait(time.Minute)
		if s := g.Status(); s.State != govern.Paused || total(g.sent.passed) > 0 || s.Transferred < lent {
			t.Errorf("after a restart: %+v, sent %d", s, total(g.sent.passed))
		}
		g.owner.lend(govern.Auto, govern.Auto, 2*lent)
		g.Apply()
		wait(time.Minute)
		if s := g.Status(); s.Transferred <= lent*11/10 {
			t.Errorf("with twice as much lent: %+v", s)
		}
		g.stop()

		store.text = strings.Replace(store.text, "200001 ", "199912 ", 1)
		g = startGoverned(t, store, lends(govern.Auto, govern.Auto, lent), nil)
		wait(10 * time.Second)
		if s := g.Status(); s.State != govern.Sharing || s.Transferred > lent || s.Renews.Month() != time.February {
			t.Errorf("in the next month: %+v", s)
		}
		g.stop()
	})
}

func TestAMonthsTransferDoesNotWakeTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		g := startGoverned(t, store, lends(govern.Auto, govern.Auto, govern.Uncapped), func() error { return errors.New("it sleeps") })
		wait(5 * time.Minute)
		if store.written() > 0 {
			t.Errorf("written %d times", store.written())
		}
		g.stop()
		if store.written() != 1 {
			t.Errorf("at the end it was written %d times", store.written())
		}
	})
}
