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

	type judged struct {
		swarm.Candidate
		said Said
	}
	from := func(kinds ...swarm.Kind) judged {
		c := judged{Candidate: listed(1).candidate()}
		for _, kind := range kinds {
			c.Introducers = append(c.Introducers, swarm.Introducer{Kind: kind})
		}
		return c
	}
	with := func(c judged, change func(*judged)) judged {
		change(&c)
		return c
	}
	approved := with(from(swarm.KindPeer), func(c *judged) { c.said.Approved = true })
	vetoed := with(approved, func(c *judged) { c.said.Vetoed = true })
	refused := with(approved, func(c *judged) { c.said.Refused = true })
	huge := with(from(swarm.KindPeer), func(c *judged) { c.Length = 1<<30 + 1 })
	fits := with(from(swarm.KindPeer), func(c *judged) { c.Length = 1 << 30 })
	byPeerOnly := with(from(swarm.KindPeer, swarm.KindNeighbour), func(c *judged) {
		c.Verified = time.Unix(1, 0)
		c.Introducers[0].Verified = c.Verified
	})

	for _, c := range []struct {
		name      string
		policy    Policy
		candidate judged
		want      Decision
		rule      string
	}{
		{"a peer's, auto", auto, from(swarm.KindPeer), Join, `sources.peers = "auto"`},
		{"a peer's, ask", ask, from(swarm.KindPeer), Wait, `sources.peers = "ask"`},
		{"a peer's, off", off, from(swarm.KindPeer), Refuse, `sources.peers = "off"`},
		{"a neighbour's, auto", mixed, from(swarm.KindNeighbour), Join, `sources.neighbours = "auto"`},
		{"a feed's, ask", mixed, from(swarm.KindFeed), Wait, `sources.feeds = "ask"`},
		{"the owner's own", off, from(swarm.KindOwner), Join, "named by the owner"},
		{"from nowhere", auto, from(), Refuse, ""},
		{"of an unknown kind", auto, from("oracle"), Refuse, `unknown source "oracle"`},
		{"no mode set", Policy{}, from(swarm.KindPeer), Refuse, `sources.peers = ""`},
		{"the most generous source counts", mixed, from(swarm.KindPeer, swarm.KindNeighbour, swarm.KindFeed), Join, `sources.neighbours = "auto"`},
		{"in whatever order", mixed, from(swarm.KindNeighbour, swarm.KindPeer), Join, `sources.neighbours = "auto"`},
		{"but not one that is not verified", mixed, byPeerOnly, Wait, `sources.peers = "ask"`},
		{"as large as allowed", small, fits, Join, `sources.peers = "auto"`},
		{"a byte too large", small, huge, Refuse, `sources.max_swarm_size = "1GiB"`},
		{"approved", ask, approved, Join, "approved by the owner"},
		{"approved although off", off, approved, Join, "approved by the owner"},
		{"approved although too large", small, with(huge, func(c *judged) { c.said.Approved = true }), Join, "approved by the owner"},
		{"denied", denied, from(swarm.KindPeer), Refuse, "sources.deny"},
		{"denied and approved", denied, approved, Refuse, "sources.deny"},
		{"vetoed", auto, vetoed, Refuse, "vetoed by the owner"},
		{"refused by the engine and approved", auto, refused, Refuse, "refused by the background engine"},
	} {
		got, rule := Decide(c.policy, c.candidate.Candidate, c.candidate.said)
		if got != c.want || rule != c.rule {
			t.Errorf("%s: %v by %q, want %v by %q", c.name, got, rule, c.want, c.rule)
		}
	}
}

func TestPolicyComesFromThePreferences(t *testing.T) {
	p := policyFrom(prefs.Sources{
		Peers: prefs.ModeAsk, Neighbours: prefs.ModeOff, Feeds: prefs.ModeAuto,
		MaxSwarmSize: prefs.LimitTo(5), Deny: []swarm.InfoHash{hash(3)},
	}, nil)
	if p.Peers != prefs.ModeAsk || p.Neighbours != prefs.ModeOff || p.Feeds != prefs.ModeAuto {
		t.Errorf("modes: %+v", p)
	}
	if n, limited := p.MaxSwarmSize.Bytes(); n != 5 || !limited || !p.Deny[hash(3)] || p.Deny[hash(4)] {
		t.Errorf("limits: %+v", p)
	}
}

func TestAFeedMayBeTrustedLessThanOthers(t *testing.T) {
	for _, test := range []struct {
		all, own prefs.Mode
		want     Decision
		rule     string
	}{
		{prefs.ModeAuto, "", Join, `sources.feeds = "auto"`},
		{prefs.ModeAuto, prefs.ModeAuto, Join, `sources.feeds = "auto"`},
		{prefs.ModeAuto, prefs.ModeAsk, Wait, `policy = "ask" of the feed Archive`},
		{prefs.ModeAuto, prefs.ModeOff, Refuse, `policy = "off" of the feed Archive`},
		{prefs.ModeAsk, prefs.ModeAuto, Wait, `sources.feeds = "ask"`},
		{prefs.ModeAsk, prefs.ModeOff, Refuse, `policy = "off" of the feed Archive`},
		{prefs.ModeOff, prefs.ModeAuto, Refuse, `sources.feeds = "off"`},
	} {
		p := policyFrom(prefs.Sources{Feeds: test.all}, []prefs.Feed{{URL: "https://a.example/", Name: "Archive", Policy: test.own}})
		c := swarm.Candidate{Hash: hash(1), Introducers: []swarm.Introducer{{Kind: swarm.KindFeed, Client: "Archive"}}}
		if d, rule := Decide(p, c, Said{}); d != test.want || rule != test.rule {
			t.Errorf("%s, %q: %v by %s", test.all, test.own, d, rule)
		}
	}
}

func TestWhatAFeedListedHasToFitItsOwnBound(t *testing.T) {
	c := newTable(t, allAuto)
	c.feeds = func() []prefs.Feed { return []prefs.Feed{{URL: "https://a.example/", MaxSize: prefs.LimitTo(100)}} }
	listed := swarm.Why{Introducer: swarm.Introducer{Kind: swarm.KindFeed, Client: "a.example"}, Rule: `sources.feeds = "auto"`}
	other, wanted := listed, listed
	other.Client, wanted.Rule = "b.example", ruleApproved
	for _, test := range []struct {
		why    swarm.Why
		length int64
		fits   bool
	}{{listed, 100, true}, {listed, 101, false}, {other, 101, true}, {wanted, 101, true}} {
		if c.Fits(test.why, test.length) != test.fits {
			t.Errorf("%d bytes of %s, %s: it does not say %t", test.length, test.why.Client, test.why.Rule, test.fits)
		}
	}
}
