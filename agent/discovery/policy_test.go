package discovery

import (
	"testing"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

func TestPolicyDecides(t *testing.T) {
	auto := Policy{Peers: prefs.ModeAuto, Neighbours: prefs.ModeAuto, Feeds: prefs.ModeAuto}
	ask := Policy{Peers: prefs.ModeAsk, Neighbours: prefs.ModeAsk, Feeds: prefs.ModeAsk}
	off := Policy{Peers: prefs.ModeOff, Neighbours: prefs.ModeOff, Feeds: prefs.ModeOff}
	small, denied, mixed := auto, auto, ask
	small.MaxSwarmSize = prefs.LimitTo(1 << 30)
	denied.Deny = map[swarm.InfoHash]bool{hash(1): true}
	mixed.Neighbours = prefs.ModeAuto

	from := func(kinds ...string) Candidate {
		c := Candidate{Entry: listed(1)}
		for _, kind := range kinds {
			c.Introducers = append(c.Introducers, Introducer{Kind: kind})
		}
		return c
	}
	with := func(c Candidate, change func(*Candidate)) Candidate {
		change(&c)
		return c
	}
	approved := with(from(KindPeer), func(c *Candidate) { c.OwnerApproved = true })
	vetoed := with(approved, func(c *Candidate) { c.OwnerVetoed = true })
	refused := with(approved, func(c *Candidate) { c.EngineRefused = true })
	huge := with(from(KindPeer), func(c *Candidate) { c.Length = 1<<30 + 1 })
	fits := with(from(KindPeer), func(c *Candidate) { c.Length = 1 << 30 })
	byPeerOnly := with(from(KindPeer, KindNeighbour), func(c *Candidate) {
		c.Verified = time.Unix(1, 0)
		c.Introducers[0].Verified = c.Verified
	})

	for _, c := range []struct {
		name      string
		policy    Policy
		candidate Candidate
		want      Decision
		rule      string
	}{
		{"a peer's, auto", auto, from(KindPeer), Join, `sources.peers = "auto"`},
		{"a peer's, ask", ask, from(KindPeer), Wait, `sources.peers = "ask"`},
		{"a peer's, off", off, from(KindPeer), Refuse, `sources.peers = "off"`},
		{"a neighbour's, auto", mixed, from(KindNeighbour), Join, `sources.neighbours = "auto"`},
		{"a feed's, ask", mixed, from(KindFeed), Wait, `sources.feeds = "ask"`},
		{"the owner's own", off, from(KindOwner), Join, "named by the owner"},
		{"from nowhere", auto, from(), Refuse, ""},
		{"of an unknown kind", auto, from("oracle"), Refuse, `unknown source "oracle"`},
		{"no mode set", Policy{}, from(KindPeer), Refuse, `sources.peers = ""`},
		{"the most generous source counts", mixed, from(KindPeer, KindNeighbour, KindFeed), Join, `sources.neighbours = "auto"`},
		{"in whatever order", mixed, from(KindNeighbour, KindPeer), Join, `sources.neighbours = "auto"`},
		{"but not one that is not verified", mixed, byPeerOnly, Wait, `sources.peers = "ask"`},
		{"as large as allowed", small, fits, Join, `sources.peers = "auto"`},
		{"a byte too large", small, huge, Refuse, `sources.max_swarm_size = "1GiB"`},
		{"approved", ask, approved, Join, "approved by the owner"},
		{"approved although off", off, approved, Join, "approved by the owner"},
		{"approved although too large", small, with(huge, func(c *Candidate) { c.OwnerApproved = true }), Join, "approved by the owner"},
		{"denied", denied, from(KindPeer), Refuse, "sources.deny"},
		{"denied and approved", denied, approved, Refuse, "sources.deny"},
		{"vetoed", auto, vetoed, Refuse, "vetoed by the owner"},
		{"refused by the engine and approved", auto, refused, Refuse, "refused by the background engine"},
	} {
		got, rule := Decide(c.policy, c.candidate)
		if got != c.want || rule != c.rule {
			t.Errorf("%s: %v by %q, want %v by %q", c.name, got, rule, c.want, c.rule)
		}
	}
}

func TestPolicyComesFromThePreferences(t *testing.T) {
	p := PolicyFrom(prefs.Sources{
		Peers: prefs.ModeAsk, Neighbours: prefs.ModeOff, Feeds: prefs.ModeAuto,
		MaxSwarmSize: prefs.LimitTo(5), Deny: []swarm.InfoHash{hash(3)},
	})
	if p.Peers != prefs.ModeAsk || p.Neighbours != prefs.ModeOff || p.Feeds != prefs.ModeAuto {
		t.Errorf("modes: %+v", p)
	}
	if n, limited := p.MaxSwarmSize.Bytes(); n != 5 || !limited || !p.Deny[hash(3)] || p.Deny[hash(4)] {
		t.Errorf("limits: %+v", p)
	}
}
