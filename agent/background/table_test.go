package background

import (
	"net/netip"
	"testing"

	"ebb/agent/swarm"
)

// expectSums checks that the running sums are those of the swarms.
func (a *agent) expectSums() {
	a.t.Helper()
	filled, metadata := make(map[string]int64), int64(0)
	t := &a.engine.table
	for _, s := range t.all() {
		s.mu.Lock()
		if key := s.record.Why.Key(); key != "" {
			filled[key] += s.bytes + s.inFlight.Load()
		}
		metadata += s.record.Metadata
		s.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.metadata != metadata {
		a.t.Errorf("metadata is counted as %d bytes, and is %d", t.metadata, metadata)
	}
	if len(t.shares) != len(filled) {
		a.t.Errorf("%d introducers have a share, there are %d", len(t.shares), len(filled))
	}
	for key, want := range filled {
		if got := t.shares[key].bytes.Load(); got != want {
			a.t.Errorf("%s is counted as filling %d bytes, and fills %d", key, got, want)
		}
	}
}

func TestSumsOverAllSwarmsAreKept(t *testing.T) {
	one, two := makeContent(t, 4, false), makeContent(t, 7, false)
	seed, us := newAgent(t, 1<<30), newAgent(t, 1<<30)
	for _, c := range []content{one, two} {
		seed.hold(c, all(c.info.NumPieces())...)
		seed.join(c, true)
		err := us.engine.Join(Join{ // by its hash alone: its metadata comes from the seed
			Hash: c.info.Hash, Health: swarm.Health{Leechers: 1}, Peers: []string{seed.port.Addr().String()},
			Why: swarm.Why{Introducer: swarm.Introducer{Kind: swarm.KindPeer, Addr: netip.MustParseAddrPort("192.0.2.1:1")}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	settled := func(c content, n int) func() bool {
		return func() bool {
			s := us.engine.table.get(c.info.Hash)
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.fragments == n && s.inFlight.Load() == 0
		}
	}
	us.wait("all of one", settled(one, 4))
	us.wait("all of two", settled(two, 7))
	us.expectSums()
	us.restart(1 << 30)
	us.expectSums()
	if err := us.engine.Leave(two.info.Hash); err != nil {
		t.Fatal(err)
	}
	us.expectSums()
	us.setLimits(allotted(0))
	us.enforce()
	us.expectSums()
	if err := us.engine.Leave(one.info.Hash); err != nil {
		t.Fatal(err)
	}
	us.expectSums()
}
