package discovery

import (
	"errors"
	"maps"
	"testing"

	"ebb/agent/swarm"
)

// drawer keeps values as a disk would.
type drawer[T any] struct {
	kept map[swarm.InfoHash]T
	err  error
}

func (d *drawer[T]) All() (map[swarm.InfoHash]T, error) { return maps.Clone(d.kept), d.err }

func (d *drawer[T]) Put(h swarm.InfoHash, v T) error {
	if d.err == nil {
		d.kept[h] = v
	}
	return d.err
}

func (d *drawer[T]) Delete(h swarm.InfoHash) error {
	if d.err == nil {
		delete(d.kept, h)
	}
	return d.err
}

func tableWith(t *testing.T, d *drawer[Veto]) *Candidates {
	t.Helper()
	c, err := NewCandidates(CandidatesConfig{Sources: always(allAuto), Member: memberOf(), Vetoes: d})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestVetoedSwarmStaysAwayAcrossRestarts(t *testing.T) {
	d := &drawer[Veto]{kept: make(map[swarm.InfoHash]Veto)}
	x := agentAt("192.0.2.1:51515")
	c := tableWith(t, d)
	c.hear(x, []Entry{listed(1)}, start)
	c.proven(hash(1), x, start)
	if err := c.Veto(hash(1), "", start); err != nil {
		t.Fatal(err)
	}
	if err := c.Veto(hash(2), "never\nheard of", start); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Candidates{c, tableWith(t, d)} {
		if added := c.hear(x, []Entry{listed(1), listed(2), listed(3)}, start); len(added) != 1 || added[0].Hash != hash(3) {
			t.Errorf("added %+v", added)
		}
		if len(c.Ready()) != 0 || !c.Vetoed(hash(1)) || !c.Vetoed(hash(2)) || c.Vetoed(hash(3)) {
			t.Error("the veto does not hold")
		}
		one, _ := c.Get(hash(1))
		two, _ := c.Get(hash(2))
		if one.State != swarm.CandidateVetoed || one.Name != "swarm 1" || one.Rule != "vetoed by the owner" || two.Name != "never heard of" {
			t.Errorf("shown as %+v and %+v", one, two)
		}
		if len(c.List()) != 3 {
			t.Errorf("listed %d, want the vetoed ones too", len(c.List()))
		}
		for _, e := range c.PassOn() {
			if e.Hash != hash(3) {
				t.Errorf("passed on %s", e.Hash)
			}
		}
	}
	checkTable(t, c)
}

func TestApprovingLiftsAVeto(t *testing.T) {
	d := &drawer[Veto]{kept: make(map[swarm.InfoHash]Veto)}
	c := tableWith(t, d)
	if err := c.Veto(hash(1), "x", start); err != nil {
		t.Fatal(err)
	}
	if err := c.Approve(hash(1)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Candidates{c, tableWith(t, d)} {
		if added := c.hear(agentAt("192.0.2.1:51515"), []Entry{listed(1)}, start); len(added) != 1 {
			t.Error("still vetoed")
		}
	}
}

func TestVetoHoldsEvenWhenItCannotBeSaved(t *testing.T) {
	d := &drawer[Veto]{kept: make(map[swarm.InfoHash]Veto)}
	c := tableWith(t, d)
	d.err = errors.New("disk full")
	if err := c.Veto(hash(1), "x", start); !errors.Is(err, d.err) {
		t.Errorf("error %v", err)
	}
	if !c.Vetoed(hash(1)) {
		t.Error("not vetoed")
	}
	if err := c.Approve(hash(1)); !errors.Is(err, d.err) {
		t.Errorf("error %v", err)
	}
	if _, err := NewCandidates(CandidatesConfig{Member: memberOf(), Vetoes: d}); !errors.Is(err, d.err) {
		t.Errorf("error %v", err)
	}
}

func TestVetoNeedsNoSaver(t *testing.T) {
	c := newTable(t, allAuto)
	if err := c.Veto(hash(1), "x", start); err != nil || !c.Vetoed(hash(1)) {
		t.Error(err)
	}
	if err := c.Approve(hash(1)); err != nil || c.Vetoed(hash(1)) {
		t.Error(err)
	}
	if s := state(t, c, hash(1)); s != "gone" {
		t.Error(s)
	}
}
