package background

import (
	"testing"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

func TestLostFragmentIsAskedForAgain(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(3)...)
	d := us.direct(c)
	p, other := d.meet()
	d.hear(p, peerwire.Message{Type: peerwire.Have, Index: 1}, peerwire.Message{Type: peerwire.Unchoke})
	if other.heardNext(peerwire.ExtensionHandshake); p.amInterested {
		t.Fatal("we want a piece of the peer although we hold all")
	}
	if _, err := us.store.Delete(fragstore.Key{Hash: c.info.Hash, Index: 1}); err != nil {
		t.Fatal(err)
	}
	d.handleLost([]uint32{1})
	other.heardNext(peerwire.Interested)
	if m := other.heardNext(peerwire.Request); m.Index != 1 {
		t.Errorf("piece %d was requested, 1 was lost", m.Index)
	}
}

func TestPeersLearnWhetherWeOnlyUpload(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.hold(c, 0, 1)
	d := us.direct(c)
	p, other := d.meet()
	if m := other.heardNext(peerwire.ExtensionHandshake); m.Extensions.UploadOnly {
		t.Fatal("we say that we only upload although we lack a piece")
	}
	d.hear(p, peerwire.Message{Type: peerwire.Have, Index: 2}, peerwire.Message{Type: peerwire.Unchoke})
	d.request(p)
	d.hear(p, d.block(2, 0), d.block(2, 16<<10))
	d.settle()
	if m := other.heardNext(peerwire.ExtensionHandshake); !m.Extensions.UploadOnly {
		t.Error("we do not say that we only upload although we hold all")
	}
	if _, err := us.store.Delete(fragstore.Key{Hash: c.info.Hash, Index: 0}); err != nil {
		t.Fatal(err)
	}
	d.handleLost([]uint32{0})
	if m := other.heardNext(peerwire.ExtensionHandshake); m.Extensions.UploadOnly {
		t.Error("we still say that we only upload although we have lost a fragment")
	}
}

func TestInterestFollowsTheNeedOfTheSwarm(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	d := us.direct(c)
	d.swarm.record.Why.Kind = "peer"
	d.swarm.told = swarm.Health{Seeds: 100_000, Leechers: 0}
	p, other := d.seed()
	if d.publish(); d.wants() || p.amInterested {
		t.Fatal("a swarm with a hundred thousand seeds is thought to need us")
	}
	d.swarm.told = swarm.Health{Seeds: 1, Leechers: 9}
	d.nextValues = d.lastUseful
	d.handleTick(d.lastUseful)
	if !p.amInterested {
		t.Fatal("nothing is wanted of a peer in a swarm that has come to need us")
	}
	other.heardNext(peerwire.Interested)
	other.heardNext(peerwire.Request)
}

func TestFragmentThatCouldNotBeReadOnceIsNotTakenForLost(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(3)...)
	d := us.direct(c)
	p, other := d.meet()
	for p.conn.Peer().M[peerwire.ExtensionDontHave] == 0 {
		if _, err := p.conn.Read(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := us.store.Delete(fragstore.Key{Hash: c.info.Hash, Index: 2}); err != nil {
		t.Fatal(err)
	}
	d.handleLost([]uint32{1, 2})
	if m := other.heardNext(peerwire.Extended); m.Payload[3] != 2 || !d.held.Has(1) || d.held.Has(2) {
		t.Errorf("piece %d is said to be lost, 2 is", m.Payload[3])
	}
}
