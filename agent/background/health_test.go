package background

import (
	"net/netip"
	"testing"

	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

func TestSeedsThatHaveLeftAreNotCountedForEver(t *testing.T) {
	c := makeContent(t, 3, false)
	d := newAgent(t, 1<<30).direct(c)
	d.swarm.told = swarm.UnknownHealth // no tracker: only peers tell
	var seeds []*peer
	for range 3 {
		p, _ := d.meet()
		d.hear(p, peerwire.Message{Type: peerwire.HaveAll})
		seeds = append(seeds, p)
	}
	d.publish()
	if n := d.swarm.record.Health.Seeds; n != 3 {
		t.Fatalf("%d seeds are counted, 3 are connected", n)
	}
	d.handleParted(seeds[0])
	d.handleParted(seeds[1])
	if n := d.swarm.record.Health.Seeds; n != 1 {
		t.Errorf("%d seeds are counted, 1 is left", n)
	}
}

func TestFragmentsOfADormantSwarmAreRevaluedByWhatItsTrackerSays(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(3)...)
	us.join(c, true)
	us.stop()
	us.start(1 << 30)
	us.wait("the swarm to be announced again", func() bool { return us.engine.Has(c.info.Hash) })
	value := func() (v float64) {
		for f := range us.store.Fragments() {
			v = max(v, f.Value)
		}
		return v
	}
	us.mu.Lock()
	found := us.found[c.info.Hash]
	us.mu.Unlock()
	found(peersource.Result{Hash: c.info.Hash, Seeds: 1 + 100, Leechers: 0})
	many := value()
	found(peersource.Result{Hash: c.info.Hash, Seeds: 1 + 0, Leechers: 5, Peers: []netip.AddrPort{}})
	if few := value(); few <= many {
		t.Errorf("a fragment is worth %v with 100 seeds and %v without any", many, few)
	}
}
