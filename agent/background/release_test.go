package background

import (
	"errors"
	"math"
	"net/netip"
	"sync"
	"testing"
	"time"

	"ebb/agent/peersource"
	"ebb/agent/swarm"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
)

// values lists what the fragments of a swarm are worth.
func (a *agent) values(h swarm.InfoHash) (values []float64) {
	for f := range a.store.Fragments() {
		if f.Hash == h {
			values = append(values, f.Value)
		}
	}
	return values
}

func priced(values []float64) bool {
	for _, v := range values {
		if math.IsInf(v, 1) {
			return false
		}
	}
	return true
}

func pricelessAll(values []float64) bool {
	for _, v := range values {
		if !math.IsInf(v, 1) {
			return false
		}
	}
	return true
}

func (a *agent) isAnnounced(h swarm.InfoHash) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.announced[h]
}

// release releases a swarm.
func (a *agent) release(c content) Released {
	a.t.Helper()
	r, err := a.engine.Release(c.info.Hash)
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

// expectReleased checks that a swarm of which n fragments are held is known, and nothing more.
func (a *agent) expectReleased(c content, n int) {
	a.t.Helper()
	h := c.info.Hash
	if !a.engine.Has(h) || a.engine.Serves(h) || a.isAnnounced(h) {
		a.t.Errorf("known %v, served %v, announced %v; want only known", a.engine.Has(h), a.engine.Serves(h), a.isAnnounced(h))
	}
	if s, _ := a.engine.Swarm(h); s.State != StatePromoting || s.Fragments != n {
		a.t.Errorf("the released swarm is %s with %d fragments, want %s with %d", s.State, s.Fragments, StatePromoting, n)
	}
	if values := a.values(h); len(values) != n || !pricelessAll(values) {
		a.t.Errorf("its fragments are worth %v, want %d of infinite value", values, n)
	}
	seed := newScripted(a.t, c)
	a.mu.Lock()
	found := a.found[h]
	a.mu.Unlock()
	if found != nil { // a tracker's answer that was under way
		found(peersource.Result{Hash: h, Peers: []netip.AddrPort{seed.addr()}, Seeds: 3, Leechers: 3})
	}
	a.engine.wake(h, time.Now())
	s := a.engine.table.get(h)
	s.mu.Lock()
	awake := s.life != lifeReleased || s.run != nil
	s.mu.Unlock()
	if awake || !pricelessAll(a.values(h)) {
		a.t.Errorf("a tracker's answer woke the released swarm (%v) or changed its values: %v", awake, a.values(h))
	}
}

func TestReleasedSwarmIsKeptAndLeftAlone(t *testing.T) {
	c := makeContent(t, 8, false)
	us := newAgent(t, 1<<30)
	us.hold(c, 0, 1, 2, 3, 4)
	us.join(c, true)
	p := newScripted(t, c).dial(us)
	p.unchoked()
	if got := p.fetch(3, 0, 16<<10); got == nil {
		t.Fatal("nothing was served before the release")
	}
	r := us.release(c)
	if r.Record.Name != c.info.Name || string(r.Metadata) != string(c.raw) {
		t.Errorf("released %q with %d bytes of metadata", r.Record.Name, len(r.Metadata))
	}
	p.expectEnd()
	us.expectReleased(c, 5)
	if _, err := p.port.Dial(t.Context(), us.port.Addr(), c.info.Hash); err == nil {
		t.Error("a peer of the released swarm was welcome")
	}
	if err := us.engine.Leave(c.info.Hash); !errors.Is(err, ErrReleased) {
		t.Errorf("leaving the released swarm: %v, want ErrReleased", err)
	}
	if err := us.engine.Join(Join{Hash: c.info.Hash, Metadata: c.raw}); err != ErrJoined {
		t.Errorf("joining the released swarm: %v, want ErrJoined", err)
	}
	us.release(c)
	us.expectReleased(c, 5)
}

func TestReleasedSwarmStaysReleasedAfterARestart(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.hold(c, 0, 1)
	us.join(c, true)
	us.release(c)
	us.restart(1 << 30)
	us.expectReleased(c, 2)
	if r := us.release(c); string(r.Metadata) != string(c.raw) {
		t.Error("released again, its metadata is not there")
	}

	if err := us.engine.Resume(c.info.Hash); err != nil {
		t.Fatal(err)
	}
	if !us.isAnnounced(c.info.Hash) || !priced(us.values(c.info.Hash)) {
		t.Errorf("resumed, it is announced: %v; its fragments are worth %v", us.isAnnounced(c.info.Hash), us.values(c.info.Hash))
	}
	p := newScripted(t, c).dial(us)
	p.unchoked()
	if got := p.fetch(1, 0, 16<<10); got == nil {
		t.Error("the resumed swarm serves nothing")
	}
	us.restart(1 << 30)
	if s, _ := us.engine.Swarm(c.info.Hash); s.State == StatePromoting {
		t.Error("after a restart the resumed swarm is a released one")
	}
}

func TestForgottenSwarmLeavesNothing(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(4)...)
	us.join(c, true)
	h := c.info.Hash
	if err := us.engine.Forget(h); err != ErrUnknown {
		t.Errorf("forgetting a swarm that is not released: %v, want ErrUnknown", err)
	}
	us.release(c)
	if err := us.engine.Forget(h); err != nil {
		t.Fatal(err)
	}
	_, record := us.store.Swarm(h)
	_, metadata := us.store.Metadata(h)
	if us.engine.Has(h) || record || metadata || us.store.Used() != 0 {
		t.Errorf("known %v, record %v, metadata %v, %d bytes", us.engine.Has(h), record, metadata, us.store.Used())
	}
	for what, err := range map[string]error{"forgetting": us.engine.Forget(h), "resuming": us.engine.Resume(h)} {
		if err != ErrUnknown {
			t.Errorf("%s it again: %v, want ErrUnknown", what, err)
		}
	}
	if _, err := us.engine.Release(h); err != ErrUnknown {
		t.Errorf("releasing it: %v, want ErrUnknown", err)
	}
	us.join(c, true)
}

func TestNothingBecomesAFragmentOnceASwarmIsReleased(t *testing.T) {
	const pieces = 300
	c := makeContent(t, pieces, false)
	seed, us := newAgent(t, 1<<30), newAgent(t, 1<<30)
	seed.hold(c, all(pieces)...)
	seed.join(c, true)
	us.join(c, true, seed)
	held := 0
	for range 3 {
		us.wait("more fragments", func() bool { return us.store.Count(c.info.Hash) > held })
		us.release(c)
		held = us.store.Count(c.info.Hash)
		if n := len(us.store.Incoming()); n != 0 {
			t.Fatalf("%d pieces are still being received", n)
		}
		us.expectReleased(c, held)
		if err := us.engine.Resume(c.info.Hash); err != nil {
			t.Fatal(err)
		}
	}
	if held == pieces {
		t.Error("all was fetched before it was released, so the test proves nothing")
	}
}

func TestReclaimTakesAReleasedSwarmsFragmentsLast(t *testing.T) {
	c, other := makeContent(t, 4, false), makeContent(t, 5, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(4)...)
	us.hold(other, all(4)...) // all but the last, which is shorter
	us.join(c, true)
	us.join(other, true)
	us.release(c)
	us.setLimits(allotted(us.store.Used() / 2 * 101 / 100))
	us.enforce()
	if n := us.store.Count(c.info.Hash); n != 4 {
		t.Errorf("%d of 4 fragments of the released swarm are left, and %d of the other", n, us.store.Count(other.info.Hash))
	}
	us.setLimits(allotted(0))
	us.enforce()
	us.wait("the swarm to know", func() bool { s, _ := us.engine.Swarm(c.info.Hash); return s.Fragments == 0 })
	us.expectReleased(c, 0)
}

func TestReleasedSwarmIsNotChosenToBeLeft(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.join(c, true)
	us.release(c)
	s := us.engine.table.get(c.info.Hash)
	s.mu.Lock()
	s.record.Why.Kind, s.record.Joined, s.record.LastPeer = "peer", time.Now().Add(-365*24*time.Hour), time.Time{}
	s.mu.Unlock()
	us.engine.chooseSwarms()
	if !us.engine.Has(c.info.Hash) {
		t.Fatal("a swarm that nobody needs was left while it was being made a download")
	}
	if err := us.engine.Resume(c.info.Hash); err != nil {
		t.Fatal(err)
	}
	us.engine.chooseSwarms()
	if us.engine.Has(c.info.Hash) {
		t.Error("it is not left once it is resumed, so the test proves nothing")
	}
}

func TestSwarmThatIsReleasedIsNotRefusedAnyMore(t *testing.T) {
	c := makeContent(t, 4, true)
	us := newAgent(t, 1<<30)
	us.hold(c, 1)
	d := us.directByHash(c)
	d.swarm.life = lifeReleased // between the metadata's coming and its being looked at
	d.learn(c.raw)
	us.engine.wg.Wait()
	us.mu.Lock()
	defer us.mu.Unlock()
	if us.refused[c.info.Hash].Text != "" || !us.store.Has(fragstore.Key{Hash: c.info.Hash, Index: 1}) {
		t.Errorf("refused: %q; its fragment is held: %v", us.refused[c.info.Hash].Text, us.store.Has(fragstore.Key{Hash: c.info.Hash, Index: 1}))
	}
}

func TestReleaseLeaveAndTheRestMayComeAtOnce(t *testing.T) {
	c := makeContent(t, 12, false)
	seed := newAgent(t, 1<<30)
	seed.hold(c, all(12)...)
	seed.join(c, true)
	h := c.info.Hash
	for range 8 {
		us := newAgent(t, 1<<30)
		us.hold(c, 0, 1, 2)
		us.join(c, true, seed)
		us.mu.Lock()
		found := us.found[h]
		us.mu.Unlock()
		var together sync.WaitGroup
		for _, do := range []func(){
			func() { us.engine.Release(h) },
			func() { us.engine.Release(h) },
			func() { us.engine.Leave(h) },
			func() { us.engine.Resume(h) },
			func() { us.engine.Forget(h) },
			func() { us.engine.Reclaimed(disk.Reclaimed{Keys: []fragstore.Key{{Hash: h, Index: 1}}}) },
			func() { us.engine.Give(h, newDownload(t, c)) },
			func() {
				found(peersource.Result{Hash: h, Peers: []netip.AddrPort{seed.port.Addr()}, Seeds: 1, Leechers: 1})
			},
			func() { us.engine.chooseSwarms() },
			func() {
				us.engine.Join(Join{Hash: h, Metadata: c.raw, Why: swarm.Why{Introducer: swarm.Introducer{Kind: swarm.KindOwner}}})
			},
			us.stop,
		} {
			together.Go(do)
		}
		together.Wait()
		us.start(1 << 30)
		if !us.engine.Has(h) && (us.store.Count(h) != 0 || us.store.Used() != 0) {
			t.Errorf("%d fragments are left of a swarm that is gone", us.store.Count(h))
		}
		us.stop()
	}
}
