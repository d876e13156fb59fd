package discovery

import (
	"testing"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// byHandshake is what a handshake can prove.
var byHandshake = Handshake{}.Possible

// tried lists which of the test swarms are due.
func tried(c *Candidates, at time.Time, n int) (swarms []int) {
	for _, t := range c.due(at, n, byHandshake) {
		for i := range 100 {
			if t.Entry.Hash == hash(i) {
				swarms = append(swarms, i)
			}
		}
	}
	return swarms
}

func TestClaimIsTriedAtMostThreeTimesWithGrowingPauses(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:1")
	c.hear(x, []Entry{listed(1)}, start)
	now := start
	for i, pause := range pauses {
		due := c.due(now, 8, byHandshake)
		if len(due) != 1 || due[0].Entry.Hash != hash(1) || due[0].PeerID != x.PeerID {
			t.Fatalf("try %d: due %+v", i+1, due)
		}
		if len(c.due(now, 8, byHandshake)) != 0 {
			t.Fatal("tried twice at a time")
		}
		c.failed(due[0], "nobody there", false, now)
		if k, _ := c.Get(hash(1)); k.Reason != "nobody there" || k.State != swarm.CandidateHeard {
			t.Errorf("shown as %s because %q", k.State, k.Reason)
		}
		if got := tried(c, now.Add(pause-time.Second), 8); got != nil {
			t.Fatalf("try %d came before its pause was over", i+2)
		}
		now = now.Add(pause)
	}
	if got := tried(c, now.Add(24*time.Hour), 8); got != nil {
		t.Error("tried a fourth time")
	}
	c.hear(x, []Entry{listed(1)}, now.Add(-time.Second))
	if got := tried(c, now, 8); got != nil {
		t.Error("tried again because it was repeated too soon")
	}
	c.hear(x, []Entry{listed(1)}, now)
	if got := tried(c, now, 8); len(got) != 1 {
		t.Error("not tried again although the introducer still says so hours later")
	}
}

func TestOneClaimPerAddressIsTriedAtATime(t *testing.T) {
	c := newTable(t, allAuto)
	x, y := agentAt("192.0.2.1:1"), agentAt("192.0.2.2:1")
	sameHost := agentAt("192.0.2.1:2")
	c.hear(x, []Entry{listed(1), listed(2)}, start)
	c.hear(sameHost, []Entry{listed(3)}, start)
	c.hear(y, []Entry{listed(4)}, start.Add(time.Second))
	due := c.due(start.Add(time.Minute), 8, byHandshake)
	if len(due) != 2 || due[0].Addr.Addr() == due[1].Addr.Addr() {
		t.Fatalf("due %+v", due)
	}
	if got := c.due(start.Add(time.Minute), 8, byHandshake); len(got) != 0 {
		t.Fatalf("also due %+v", got)
	}
	c.proven(due[0].Entry.Hash, due[0].Introducer, start)
	if got := c.due(start.Add(time.Minute), 8, byHandshake); len(got) != 1 || got[0].Addr.Addr() != due[0].Addr.Addr() {
		t.Errorf("next due %+v", got)
	}
}

func TestUnreachableIntroducerRestsWithAllItsClaims(t *testing.T) {
	c, x, y := newTable(t, allAuto), agentAt("192.0.2.1:1"), agentAt("198.51.100.1:1")
	c.hear(x, []Entry{listed(1), listed(2), listed(3)}, start)
	c.hear(y, []Entry{listed(4)}, start)
	for _, d := range c.due(start, 8, byHandshake) {
		if d.PeerID == x.PeerID {
			c.failed(d, "connection refused", true, start)
		}
	}
	if got := tried(c, start.Add(pauses[0]-time.Second), 8); got != nil {
		t.Errorf("tried %v at a host that is not there", got)
	}
	if got := tried(c, start.Add(pauses[0]), 8); len(got) != 1 {
		t.Errorf("due after the pause: %v", got)
	}
}

func TestOnlyClaimsThatCanBeTestedAreTried(t *testing.T) {
	x, y, z, v, silent := agentAt("192.0.2.1:1"), agentAt("192.0.2.2:1"), agentAt("192.0.2.3:1"), agentAt("192.0.2.4:1"), agentAt("192.0.2.5:0")
	far, huge := listed(1), listed(2)
	far.TTL = MaxTTL - 1
	huge.Length, huge.Pieces = 48<<30, 48<<10
	limited := prefs.Sources{Peers: prefs.ModeAuto, MaxSwarmSize: prefs.LimitTo(1 << 30)}
	c := newTable(t, limited)
	c.hear(x, []Entry{far}, start)
	c.hear(y, []Entry{huge}, start)
	c.hear(z, []Entry{listed(3)}, start)
	c.hear(v, []Entry{listed(4)}, start)
	c.hear(silent, []Entry{listed(5)}, start)
	c.Refused(hash(3), "", private)
	if got := tried(c, start, 8); len(got) != 1 || got[0] != 4 {
		t.Errorf("tried %v, want only what the introducer is in, can be dialled, and we may join", got)
	}
	c.proven(hash(4), v, start)
	c.sources = always(allAuto)
	if got := tried(c, start, 8); len(got) != 1 || got[0] != 2 {
		t.Errorf("tried %v after the limit was lifted", got)
	}
}

func TestVerifiedCandidateIsNotTriedAgain(t *testing.T) {
	c, x, y := newTable(t, allAuto), agentAt("192.0.2.1:1"), agentAt("198.51.100.1:1")
	c.hear(x, []Entry{listed(1)}, start)
	c.hear(y, []Entry{listed(1)}, start)
	c.proven(hash(1), x, start)
	if got := c.due(start, 8, byHandshake); len(got) != 0 {
		t.Errorf("due %+v", got)
	}
}

func TestClaimsThatFailedLessAreTriedFirst(t *testing.T) {
	c := newTable(t, allAuto)
	x, y, z := agentAt("192.0.2.1:1"), agentAt("192.0.2.2:1"), agentAt("192.0.2.3:1")
	c.hear(x, []Entry{listed(1)}, start)
	c.hear(y, []Entry{listed(2)}, start.Add(2*time.Second))
	c.hear(z, []Entry{listed(3)}, start.Add(time.Second))
	c.failed(Claim{x, listed(1)}, "nobody there", false, start)
	if got := tried(c, start.Add(time.Hour), 2); len(got) != 2 || got[0] != 3 || got[1] != 2 {
		t.Errorf("tried %v, want 3 and 2", got)
	}
}
