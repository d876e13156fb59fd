package discovery

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"ebb/agent/swarm"

	"pgregory.net/rapid"
)

// tableOf makes a small table: limits in claims, bytes to spare.
func tableOf(t *testing.T, claims int) *Candidates {
	t.Helper()
	c := newTable(t, allAuto)
	c.limits = limits{claims: claims, bytes: 1 << 30, perSwarm: 2, fraction: 4, leastEach: 1}
	return c
}

// checkTable tests what must hold of a table at any time.
func checkTable(t interface{ Fatalf(string, ...any) }, c *Candidates) {
	shares := make(map[string]share)
	var total share
	for h, k := range c.table {
		if k.hash != h || len(k.claims) == 0 || len(k.claims) > c.limits.perSwarm {
			t.Fatalf("%s: stored as %s with %d claims", h, k.hash, len(k.claims))
		}
		for i, cl := range k.claims {
			if !cl.Verified.IsZero() && k.claims[0].Verified.IsZero() {
				t.Fatalf("%s: a verified claim stands behind one that is not", h)
			}
			if cl.of != k || cl.Entry.Hash != h || cl.share != c.shares[cl.Key()] {
				t.Fatalf("%s: claim of %s hangs loose", h, cl.Addr)
			}
			for _, o := range k.claims[:i] {
				if o.Same(cl.Introducer) {
					t.Fatalf("%s: %s claims it twice", h, cl.Addr)
				}
			}
			s := shares[cl.Key()]
			s.add(1, cl)
			shares[cl.Key()] = s
			total.add(1, cl)
		}
		if _, vetoed := c.vetoes[h]; vetoed {
			t.Fatalf("%s is vetoed and a candidate", h)
		}
	}
	kept := make(map[string]share, len(c.shares))
	for key, s := range c.shares {
		kept[key] = *s
		if s.claims > max(c.limits.claims/c.limits.fraction, c.limits.leastEach) || s.bytes > c.limits.bytes/int64(c.limits.fraction) {
			t.Fatalf("%s has more than its share: %+v", key, *s)
		}
	}
	if !maps.Equal(shares, kept) || total != c.total {
		t.Fatalf("the claims add up to %+v and %+v, not %+v and %+v", shares, total, kept, c.total)
	}
	if total.claims > c.limits.claims || total.bytes > c.limits.bytes {
		t.Fatalf("over the limit: %+v", total)
	}
}

func TestKeyJoinsPeersOfOneNetwork(t *testing.T) {
	key := func(addr string) string { return agentAt(addr).Key() }
	for _, same := range [][2]string{
		{"192.0.2.1:1", "192.0.2.1:2"},
		{"192.0.2.1:1", "192.0.2.254:1"},
		{"[2001:db8:1:2::1]:1", "[2001:db8:1:2:ffff::9]:7"},
		{"192.0.2.1:1", "[::ffff:192.0.2.9]:1"},
		{"[fe80::1%eth0]:1", "[fe80::2%eth1]:1"},
	} {
		if key(same[0]) != key(same[1]) {
			t.Errorf("%q and %q differ", key(same[0]), key(same[1]))
		}
	}
	for _, differ := range [][2]string{
		{"192.0.2.1:1", "192.0.3.1:1"},
		{"[2001:db8:1:2::1]:1", "[2001:db8:1:3::1]:1"},
	} {
		if key(differ[0]) == key(differ[1]) {
			t.Errorf("%v are both %q", differ, key(differ[0]))
		}
	}
	if a, b := (swarm.Introducer{Kind: swarm.KindFeed, Client: "a"}).Key(), (swarm.Introducer{Kind: swarm.KindFeed, Client: "b"}).Key(); a == b {
		t.Errorf("two feeds are both %q", a)
	}
}

func TestNoIntroducerFillsMoreThanAQuarter(t *testing.T) {
	c := tableOf(t, 40)
	// One host, a new peer ID for every list.
	for i := range 100 {
		c.hear(agentAt(fmt.Sprintf("192.0.2.%d:%d", i, 1000+i)), []Entry{listed(2 * i), listed(2*i + 1)}, start)
		checkTable(t, c)
	}
	if len(c.table) != 10 {
		t.Errorf("one network has %d of 40 places", len(c.table))
	}
	if _, ok := c.Get(hash(0)); !ok {
		t.Error("what was heard first was washed out by more of the same")
	}
	if added := c.hear(agentAt("198.51.100.1:1"), []Entry{listed(1000)}, start); len(added) != 1 {
		t.Error("no room for another network")
	}
}

func TestIntroducerMemoryIsBounded(t *testing.T) {
	c := tableOf(t, 4096)
	c.limits.bytes = 64 << 10
	e := listed(0)
	e.Name = strings.Repeat("n", 200)
	for i := range 100 {
		e.Hash = hash(i)
		c.hear(agentAt("192.0.2.1:1"), []Entry{e}, start)
		checkTable(t, c)
	}
	if n := len(c.table); n < 10 || n > 20 {
		t.Errorf("%d entries of %d bytes in 16 KiB", n, e.cost())
	}
	// Nor may it grow by renewing short claims with long ones.
	long := e
	long.Name = strings.Repeat("n", 800)
	for i := range 100 {
		long.Hash = hash(i)
		c.hear(agentAt("192.0.2.1:1"), []Entry{long}, start)
		checkTable(t, c)
	}
}

func TestFullTableGivesWayAtTheLargestIntroducer(t *testing.T) {
	c := tableOf(t, 16) // four each
	for n, count := range []int{4, 4, 4, 3, 1} {
		for i := range count {
			c.hear(agentAt(fmt.Sprintf("10.0.%d.1:1", n)), []Entry{listed(100*n + i)}, start.Add(time.Duration(10*n+i)*time.Second))
		}
	}
	if c.total.claims != 16 {
		t.Fatalf("%d claims", c.total.claims)
	}
	if added := c.hear(agentAt("10.0.9.1:1"), []Entry{listed(900)}, start.Add(time.Hour)); len(added) != 1 {
		t.Fatal("a newcomer from a small network found no room")
	}
	checkTable(t, c)
	if _, ok := c.Get(hash(0)); ok {
		t.Error("the oldest claim of the largest introducers is still there")
	}
	for _, n := range []int{300, 301, 302, 400} {
		if _, ok := c.Get(hash(n)); !ok {
			t.Errorf("claim %d of a small introducer went", n)
		}
	}
	if added := c.hear(agentAt("10.0.1.1:1"), []Entry{listed(901)}, start.Add(time.Hour)); len(added) != 0 {
		t.Error("the largest introducer pushed another one out")
	}
}

func TestLeastUsefulClaimsGoFirst(t *testing.T) {
	x := agentAt("192.0.2.1:1")
	far := listed(2)
	far.TTL = 1
	prepare := func(t *testing.T) *Candidates {
		c := tableOf(t, 20) // five each
		c.hear(x, []Entry{listed(0), listed(1), far, listed(3), listed(4)}, start)
		return c
	}
	gone := func(t *testing.T, c *Candidates, n int) {
		t.Helper()
		if added := c.hear(x, []Entry{listed(50)}, start); len(added) != 1 {
			t.Fatal("no room was made")
		}
		checkTable(t, c)
		for i := range 5 {
			if _, there := c.Get(hash(i)); there == (i == n) {
				t.Errorf("claim %d is there: %v", i, there)
			}
		}
	}
	t.Run("those that came over more hops", func(t *testing.T) {
		gone(t, prepare(t), 2)
	})
	t.Run("before them those that failed to be verified", func(t *testing.T) {
		c := prepare(t)
		c.failed(Claim{x, listed(3)}, "nobody there", false, start)
		gone(t, c, 3)
	})
	t.Run("before them those that another introducer verified", func(t *testing.T) {
		c := prepare(t)
		c.failed(Claim{x, listed(3)}, "nobody there", false, start)
		other := agentAt("198.51.100.1:1")
		c.hear(other, []Entry{listed(4)}, start)
		c.proven(hash(4), other, start)
		if added := c.hear(x, []Entry{listed(50)}, start); len(added) != 1 {
			t.Fatal("no room was made")
		}
		if k, _ := c.Get(hash(4)); len(k.Introducers) != 1 || k.Introducer().PeerID != other.PeerID {
			t.Errorf("claims left: %+v", k.Introducers)
		}
		if _, there := c.Get(hash(3)); !there {
			t.Error("one more than needed went")
		}
	})
	t.Run("but never those verified or approved", func(t *testing.T) {
		c := prepare(t)
		for _, n := range []int{0, 1, 2} {
			c.proven(hash(n), x, start)
		}
		for _, n := range []int{3, 4} {
			if err := c.Approve(hash(n)); err != nil {
				t.Fatal(err)
			}
		}
		if added := c.hear(x, []Entry{listed(50)}, start); len(added) != 0 {
			t.Error("something that is wanted went")
		}
	})
}

func TestFailedClaimsGiveWayToOtherIntroducersOfTheSwarm(t *testing.T) {
	c := tableOf(t, 100) // two claims on each swarm
	a, b, honest := agentAt("192.0.2.1:1"), agentAt("198.51.100.1:1"), agentAt("203.0.113.1:1")
	c.hear(a, []Entry{listed(1)}, start)
	c.hear(b, []Entry{listed(1)}, start)
	c.hear(honest, []Entry{listed(1)}, start)
	if c.find(hash(1), honest) != nil {
		t.Fatal("a third claim found room although the first two may be true")
	}
	c.failed(Claim{b, listed(1)}, "nobody there", false, start)
	c.hear(honest, []Entry{listed(1)}, start)
	if c.find(hash(1), honest) == nil || c.find(hash(1), b) != nil || c.find(hash(1), a) == nil {
		t.Error("the claim that failed should have given way")
	}
	checkTable(t, c)
}

// TestTableStaysSoundUnderAnyHistory runs random histories and checks the invariants after each step.
func TestTableStaysSoundUnderAnyHistory(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newTable(t, allAuto)
		c.limits = limits{claims: 24, bytes: 24 << 10, perSwarm: 2, fraction: 4, leastEach: 2}
		now := start
		any := rapid.IntRange(0, 40)
		agent := rapid.Custom(func(rt *rapid.T) swarm.Introducer {
			return agentAt(fmt.Sprintf("10.0.%d.%d:6881", rapid.IntRange(0, 7).Draw(rt, "network"), rapid.IntRange(1, 2).Draw(rt, "host")))
		})
		entry := rapid.Custom(func(rt *rapid.T) Entry {
			e := listed(any.Draw(rt, "swarm"))
			e.TTL = rapid.IntRange(0, MaxTTL).Draw(rt, "ttl")
			e.Name = strings.Repeat("n", rapid.IntRange(0, 200).Draw(rt, "name"))
			return e
		})
		rt.Repeat(map[string]func(*rapid.T){
			"hear": func(rt *rapid.T) {
				in := agent.Draw(rt, "introducer")
				for _, e := range c.hear(in, rapid.SliceOfN(entry, 0, 8).Draw(rt, "list"), now) {
					if k, ok := c.Get(e.Hash); ok && k.State == swarm.CandidateVetoed {
						rt.Fatalf("%s was added although vetoed", e.Hash)
					}
				}
			},
			"verify": func(rt *rapid.T) {
				for _, t := range c.due(now, rapid.IntRange(1, 3).Draw(rt, "n"), byHandshake) {
					if rapid.Bool().Draw(rt, "success") {
						c.proven(t.Entry.Hash, t.Introducer, now)
					} else {
						c.failed(t, "nobody there", rapid.Bool().Draw(rt, "host"), now)
					}
				}
			},
			"join":    func(rt *rapid.T) { c.Joined(hash(any.Draw(rt, "swarm"))) },
			"refuse":  func(rt *rapid.T) { c.Refused(hash(any.Draw(rt, "swarm")), "", private) },
			"approve": func(rt *rapid.T) { _ = c.Approve(hash(any.Draw(rt, "swarm"))) },
			"veto": func(rt *rapid.T) {
				if err := c.Veto(hash(any.Draw(rt, "swarm")), "", now); err != nil {
					rt.Fatal(err)
				}
			},
			"wait": func(rt *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 48*60).Draw(rt, "minutes")) * time.Minute)
				c.expire(now)
			},
			"": func(rt *rapid.T) {
				checkTable(rt, c)
				for _, k := range c.Ready() {
					if k.Verified.IsZero() || c.Vetoed(k.Hash) || c.table[k.Hash].refused != "" {
						rt.Fatalf("ready: %+v", k)
					}
				}
			},
		})
	})
}
