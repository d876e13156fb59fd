package background

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
)

// strictLedger counts how often it is asked for room, and may refuse.
type strictLedger struct {
	Ledger
	asked  int
	refuse error
	usage  disk.Usage // what it says of the budget
}

func (s *strictLedger) Room(k fragstore.Key, length int64, value float64, expected int64) error {
	s.asked++
	if s.refuse != nil {
		return fmt.Errorf("room for fragment %s: %w", k, s.refuse)
	}
	return s.Ledger.Room(k, length, value, expected)
}

func (s *strictLedger) Admit(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, disk.Reclaimed, error) {
	if s.refuse != nil {
		return nil, disk.Reclaimed{}, fmt.Errorf("admitting fragment %s: %w", k, s.refuse)
	}
	return s.Ledger.Admit(k, length, sum, value)
}

func (s *strictLedger) Usage() disk.Usage {
	u := s.Ledger.Usage()
	u.Writes, u.Written, u.Renews = s.usage.Writes, s.usage.Written, s.usage.Renews
	return u
}

// enter makes the swarm known to its engine.
func (d *direct) enter() {
	d.us.engine.table.enter(d.swarm)
}

// waiting is what the owner is told that the swarm waits for.
func (d *direct) waiting() string {
	d.t.Helper()
	d.publish()
	s, ok := d.us.engine.Swarm(d.swarm.hash)
	if !ok {
		d.t.Fatal("the swarm is not known")
	}
	return s.Waiting
}

// goOn lets the swarm fetch again before its pause is over.
func (d *direct) goOn(p *peer) {
	d.pausedUntil = time.Time{}
	d.request(p)
}

func TestNobodyAsksForRoomWhileTheWriteBudgetIsSpent(t *testing.T) {
	us := newAgent(t, 1<<30)
	ledger := &strictLedger{Ledger: us.ledger, refuse: disk.ErrBudget, usage: disk.Usage{Writes: 1 << 20, Written: 1 << 20, Renews: time.Now().Add(5 * time.Hour)}}
	us.engine.cfg.Ledger = ledger
	one, two := us.direct(makeContent(t, 4, false)), us.direct(makeContent(t, 5, false))
	one.enter()
	two.enter()
	p, _ := one.seed()
	q, _ := two.seed()
	for range 3 {
		one.goOn(p)
		two.goOn(q)
	}
	if ledger.asked != 1 {
		t.Errorf("the ledger was asked %d times, although it had said that the budget is spent", ledger.asked)
	}
	for _, d := range []*direct{one, two} {
		if d.waiting() != waitsForBudget || len(d.fetches) > 0 {
			t.Errorf("%d pieces are fetched; the owner is told that it waits for %q", len(d.fetches), d.waiting())
		}
	}
	if p.strikes > 0 || q.strikes > 0 || p.snubbed || q.snubbed || len(one.peers) != 1 || len(two.peers) != 1 {
		t.Error("a peer was blamed for the budget")
	}

	us.engine.chooseSwarms() // which looks whether it has renewed
	one.goOn(p)
	if ledger.asked != 1 {
		t.Error("the ledger was asked again at once")
	}
	ledger.refuse, ledger.usage.Writes = nil, 2<<20 // the owner allows more
	us.engine.chooseSwarms()
	one.goOn(p)
	two.goOn(q)
	if len(one.fetches) == 0 || len(two.fetches) == 0 || one.waiting() != "" {
		t.Errorf("%d and %d pieces are fetched under a larger budget; the owner is told that it waits for %q", len(one.fetches), len(two.fetches), one.waiting())
	}
}

func TestFetchingGoesOnWhenTheOwnerRaisesTheWriteBudget(t *testing.T) {
	c := makeContent(t, 6, false)
	us := newAgent(t, 1<<30)
	us.setLimits(disk.Limits{Storage: 1 << 30, Writes: 2 * pieceSize})
	seed := newAgent(t, 1<<30)
	seed.hold(c, all(6)...)
	seed.join(c, true)
	us.join(c, true, seed)
	us.wait("the budget to be spent", func() bool {
		s, _ := us.engine.Swarm(c.info.Hash)
		return s.Waiting == waitsForBudget && us.store.Count(c.info.Hash) > 0
	})
	if n := us.store.Count(c.info.Hash); n > 2 {
		t.Errorf("%d fragments were written within a budget for 2", n)
	}
	us.setLimits(allotted(1 << 30))
	us.wait("all fragments", func() bool { return us.holds(c, 6) })
	us.wait("the owner to be told that it waits no more", func() bool { s, _ := us.engine.Swarm(c.info.Hash); return s.Waiting == "" })
}

func TestSpentBudgetIsTriedAgainAfterAMinuteOrWhenItRenews(t *testing.T) {
	now := time.Now()
	for _, test := range []struct{ renews, until time.Time }{
		{time.Time{}, now.Add(budgetPause)},
		{now.Add(5 * time.Hour), now.Add(budgetPause)},
		{now.Add(budgetPause / 2), now.Add(budgetPause / 2)},
	} {
		usage := disk.Usage{Writes: 1 << 20, Written: 1 << 20, Renews: test.renews}
		var b writeBudget
		b.spend(1, usage, now)
		if b.renew(usage, test.until.Add(-time.Second)); !b.spent {
			t.Errorf("with a budget that renews at %v, it was tried again too soon", test.renews)
		}
		if b.renew(usage, test.until.Add(time.Second)); b.spent {
			t.Errorf("with a budget that renews at %v, it was not tried again", test.renews)
		}
	}
}

func TestPieceThatNoBudgetIsEnoughForKeepsOnlyItsOwnSwarmWaiting(t *testing.T) {
	us := newAgent(t, 1<<30)
	us.setLimits(disk.Limits{Storage: 1 << 30, Writes: 1})
	d := us.direct(makeContent(t, 4, false))
	d.enter()
	d.seed()
	if got := d.waiting(); got == "" || got == waitsForBudget || len(d.fetches) > 0 {
		t.Errorf("%d pieces are fetched; the owner is told that it waits for %q", len(d.fetches), got)
	}
	ledger := &strictLedger{Ledger: us.ledger, usage: us.ledger.Usage()}
	us.engine.cfg.Ledger = ledger
	for range 5 {
		d.handleTick(time.Now())
	}
	if ledger.asked > 0 {
		t.Errorf("the ledger was asked %d more times", ledger.asked)
	}
	us.setLimits(allotted(1 << 30))
	other := us.direct(makeContent(t, 1, false)) // which may have what the other may not
	if other.seed(); len(other.fetches) != 1 {
		t.Error("another swarm is not fetched, although the ledger would have admitted it")
	}
}

func TestNoSwarmIsJoinedWhileTheWriteBudgetIsSpent(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.engine.cfg.Ledger = &strictLedger{Ledger: us.ledger, usage: disk.Usage{Writes: 5, Written: 5, Renews: time.Now().Add(time.Hour)}}
	us.engine.budget.spend(1, us.engine.cfg.Ledger.Usage(), time.Now())
	us.mu.Lock()
	us.ready = []swarm.Candidate{{Hash: c.info.Hash, Health: swarm.Health{Seeds: 1, Leechers: 2, Copies: 1}, Introducers: []swarm.Introducer{{Kind: swarm.KindPeer}}}}
	us.mu.Unlock()
	if us.engine.chooseSwarms(); us.engine.Has(c.info.Hash) {
		t.Error("a swarm was joined of which nothing may be written")
	}
}

func TestOwnerIsToldWhatASwarmWaitsFor(t *testing.T) {
	for _, test := range []struct {
		refuse error
		waits  string
	}{
		{disk.ErrNoRoom, "no room"},
		{fmt.Errorf("the background waits: %w", disk.ErrAsleep), "the disk sleeps"},
		{errors.New("the disk has gone"), "the disk has gone"},
	} {
		us := newAgent(t, 1<<30)
		ledger := &strictLedger{Ledger: us.ledger, refuse: test.refuse, usage: disk.Usage{Writes: -1}}
		us.engine.cfg.Ledger = ledger
		d := us.direct(makeContent(t, 4, false))
		d.enter()
		p, _ := d.seed()
		if got := d.waiting(); got != test.waits {
			t.Errorf("refused with %q, it waits for %q; want %q", test.refuse, got, test.waits)
		}
		ledger.refuse = nil
		d.goOn(p)
		if got := d.waiting(); got != "" || len(d.fetches) == 0 {
			t.Errorf("while it fetches %d pieces, it waits for %q", len(d.fetches), got)
		}
	}
}

func TestOwnerIsNotToldOfAPauseThatIsOver(t *testing.T) {
	us := newAgent(t, 1<<30)
	d := us.direct(makeContent(t, 4, false))
	d.enter()
	p, _ := d.meet()
	d.hear(p, peerwire.Message{Type: peerwire.HaveAll})
	d.pause(-2*tickLength, waitsForRoom)
	if got := d.waiting(); got != "" {
		t.Errorf("the swarm waits for an unchoke, and is said to wait for %q", got)
	}
}

func TestNothingIsServedFetchedOrDialledWhileTheDiskSleeps(t *testing.T) {
	c := makeContent(t, 6, false)
	us := newAgent(t, 1<<30)
	us.hold(c, 0, 1, 2)
	d := us.direct(c)
	d.enter()
	p, other := d.meet()
	d.hear(p, peerwire.Message{Type: peerwire.Interested})
	other.heardNext(peerwire.Unchoke)
	now := time.Now()

	us.asleep.Store(true)
	d.handleTick(now)
	other.heardNext(peerwire.Choke)
	d.hear(p, peerwire.Message{Type: peerwire.Request, Index: 1, Length: 16 << 10})
	if m := other.heardNext(peerwire.Reject); m.Index != 1 {
		t.Errorf("piece %d was rejected, 1 was asked for", m.Index)
	}
	q, _ := d.seed()
	d.hear(q, peerwire.Message{Type: peerwire.Interested})
	d.book.Add(addr("127.0.0.1:1"))
	d.handleTick(now.Add(2 * 10 * time.Second))
	if who := served([]*peer{p, q}); len(who) > 0 || len(d.fetches) > 0 || d.book.Dialing > 0 {
		t.Errorf("peers %v are served, %d pieces fetched, %d peers dialled", who, len(d.fetches), d.book.Dialing)
	}
	if got := d.waiting(); got != waitsForDisk {
		t.Errorf("the owner is told that it waits for %q", got)
	}

	us.asleep.Store(false)
	d.handleTick(now.Add(2*10*time.Second + time.Second))
	if who := served([]*peer{p, q}); len(who) != 2 || len(d.fetches) == 0 || d.book.Dialing == 0 {
		t.Errorf("with the disk awake peers %v are served, %d pieces fetched, %d peers dialled", who, len(d.fetches), d.book.Dialing)
	}
	if got := d.waiting(); got != "" {
		t.Errorf("with the disk awake it waits for %q", got)
	}
}

func TestRequestThatFindsTheDiskAsleepIsRejectedAndTheFragmentKept(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(3)...)
	us.join(c, true)
	p := newScripted(t, c).dial(us)
	p.unchoked()
	us.quiet.Store(true) // the engine has not been told yet
	if got := p.fetch(1, 0, 16<<10); got != nil {
		t.Fatal("the disk was read although it sleeps")
	}
	us.quiet.Store(false)
	if got := p.fetch(1, 0, 16<<10); len(got) != 16<<10 {
		t.Errorf("%d bytes of the fragment came when the disk was awake again", len(got))
	}
	if s, _ := us.engine.Swarm(c.info.Hash); s.Fragments != 3 || us.store.Count(c.info.Hash) != 3 {
		t.Errorf("%d of 3 fragments are held", us.store.Count(c.info.Hash))
	}
}

func TestRecordsAreSavedWhenTheDiskIsAwakeOrTheEngineStops(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.join(c, true)
	uploaded := func() int64 {
		raw, _ := us.store.Swarm(c.info.Hash)
		r, err := decodeRecord(raw)
		if err != nil {
			t.Fatal(err)
		}
		return r.Uploaded
	}
	s := us.engine.table.get(c.info.Hash)
	for step, test := range []struct {
		asleep bool
		want   int64
	}{{true, 0}, {false, 2}, {true, 2}} {
		us.asleep.Store(test.asleep)
		s.account(1, 0)
		if us.engine.save(); uploaded() != test.want {
			t.Errorf("step %d: the record says %d, want %d", step, uploaded(), test.want)
		}
	}
	us.restart(1 << 30)
	if uploaded() != 3 {
		t.Errorf("after a stop the record says %d, want 3", uploaded())
	}
}

func TestNoSwarmIsJoinedOrWokenWhileTheDiskSleeps(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.asleep.Store(true)
	us.mu.Lock()
	us.ready = []swarm.Candidate{{Hash: c.info.Hash, Health: swarm.Health{Seeds: 1, Leechers: 2, Copies: 1}, Introducers: []swarm.Introducer{{Kind: swarm.KindPeer}}}}
	us.mu.Unlock()
	if us.engine.chooseSwarms(); us.engine.Has(c.info.Hash) {
		t.Error("a swarm was joined")
	}
	us.asleep.Store(false)
	if us.engine.chooseSwarms(); !us.engine.Has(c.info.Hash) {
		t.Error("no swarm is joined when the disk is awake")
	}
}

// TestNobodyWakesADormantSwarmWhileTheDiskSleeps tries it by a connection, and by what a tracker or the DHT has found.
func TestNobodyWakesADormantSwarmWhileTheDiskSleeps(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(4)...)
	us.join(c, true)
	us.engine.SetMostConns(0) // it falls dormant at once
	us.wait("the swarm to be dormant", func() bool { return us.member(c) == lifeDormant })
	us.engine.SetMostConns(maxConns)
	us.asleep.Store(true)
	newScripted(t, c).dial(us).expectEnd()
	us.find(c, newScripted(t, c).addr())
	if life := us.member(c); life != lifeDormant {
		t.Errorf("the swarm is %v", life)
	}
	us.asleep.Store(false)
	us.serves(c)
}

func TestEveryFragmentHasAValueAfterARestart(t *testing.T) {
	rare, common := makeContent(t, 4, false), makeContent(t, 5, false)
	us := newAgent(t, 1<<30)
	for c, health := range map[*content]swarm.Health{&rare: {Seeds: 0, Leechers: 4}, &common: {Seeds: 50, Leechers: 4, Copies: 50}} {
		us.hold(*c, 0, 1, 2)
		if err := us.engine.Join(Join{Hash: c.info.Hash, Metadata: c.raw, Health: health, Why: swarm.Why{Introducer: swarm.Introducer{Kind: swarm.KindPeer}}}); err != nil {
			t.Fatal(err)
		}
	}
	us.restart(1 << 30) // both are dormant from now on
	few, many := us.values(rare.info.Hash), us.values(common.info.Hash)
	if len(few) != 3 || len(many) != 3 || slices.Min(few) <= slices.Max(many) || slices.Min(many) <= 0 {
		t.Errorf("fragments of a swarm without seeds are worth %v, of one with fifty %v", few, many)
	}
}
