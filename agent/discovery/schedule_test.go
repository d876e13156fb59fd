package discovery

import (
	"testing"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// tried lists which of the test swarms are due.
func tried(c *Candidates, at time.Time, n int) (swarms []int) {
	for _, t := range c.due(at, n) {
		for i := range 100 {
			if t.hash == hash(i) {
				swarms = append(swarms, i)
			}
		}
	}
	return swarms
}

func TestClaimIsTriedAtMostThreeTimesWithGrowingPauses(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:1")
	c.Hear(x, []Entry{listed(1)}, start)
	now := start
	for i, pause := range pauses {
		due := c.due(now, 8)
		if len(due) != 1 || due[0].hash != hash(1) || due[0].by.PeerID != x.PeerID {
			t.Fatalf("try %d: due %+v", i+1, due)
		}
		if len(c.due(now, 8)) != 0 {
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
	c.Hear(x, []Entry{listed(1)}, now.Add(-time.Second))
	if got := tried(c, now, 8); got != nil {
		t.Error("tried again because it was repeated too soon")
	}
	c.Hear(x, []Entry{listed(1)}, now)
	if got := tried(c, now, 8); len(got) != 1 {
		t.Error("not tried again although the introducer still says so hours later")
	}
}

func TestOneClaimPerAddressIsTriedAtATime(t *testing.T) {
	c := newTable(t, allAuto)
	x, y := agentAt("192.0.2.1:1"), agentAt("192.0.2.2:1")
	sameHost := agentAt("192.0.2.1:2")
	c.Hear(x, []Entry{listed(1), listed(2)}, start)
	c.Hear(sameHost, []Entry{listed(3)}, start)
	c.Hear(y, []Entry{listed(4)}, start.Add(time.Second))
	due := c.due(start.Add(time.Minute), 8)
	if len(due) != 2 || due[0].by.Addr.Addr() == due[1].by.Addr.Addr() {
		t.Fatalf("due %+v", due)
	}
	if got := c.due(start.Add(time.Minute), 8); len(got) != 0 {
		t.Fatalf("also due %+v", got)
	}
	c.Verified(due[0].hash, due[0].by, start)
	if got := c.due(start.Add(time.Minute), 8); len(got) != 1 || got[0].by.Addr.Addr() != due[0].by.Addr.Addr() {
		t.Errorf("next due %+v", got)
	}
}

func TestUnreachableIntroducerRestsWithAllItsClaims(t *testing.T) {
	c, x, y := newTable(t, allAuto), agentAt("192.0.2.1:1"), agentAt("198.51.100.1:1")
	c.Hear(x, []Entry{listed(1), listed(2), listed(3)}, start)
	c.Hear(y, []Entry{listed(4)}, start)
	for _, d := range c.due(start, 8) {
		if d.by.PeerID == x.PeerID {
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
	c.Hear(x, []Entry{far}, start)
	c.Hear(y, []Entry{huge}, start)
	c.Hear(z, []Entry{listed(3)}, start)
	c.Hear(v, []Entry{listed(4)}, start)
	c.Hear(silent, []Entry{listed(5)}, start)
	c.Refused(hash(3), "private")
	if got := tried(c, start, 8); len(got) != 1 || got[0] != 4 {
		t.Errorf("tried %v, want only what the introducer is in, can be dialled, and we may join", got)
	}
	c.Verified(hash(4), v, start)
	c.sources = always(allAuto)
	if got := tried(c, start, 8); len(got) != 1 || got[0] != 2 {
		t.Errorf("tried %v after the limit was lifted", got)
	}
}

func TestVerifiedCandidateIsNotTriedAgain(t *testing.T) {
	c, x, y := newTable(t, allAuto), agentAt("192.0.2.1:1"), agentAt("198.51.100.1:1")
	c.Hear(x, []Entry{listed(1)}, start)
	c.Hear(y, []Entry{listed(1)}, start)
	c.Verified(hash(1), x, start)
	if got := c.due(start, 8); len(got) != 0 {
		t.Errorf("due %+v", got)
	}
}

func TestClaimsThatFailedLessAreTriedFirst(t *testing.T) {
	c := newTable(t, allAuto)
	x, y, z := agentAt("192.0.2.1:1"), agentAt("192.0.2.2:1"), agentAt("192.0.2.3:1")
	c.Hear(x, []Entry{listed(1)}, start)
	c.Hear(y, []Entry{listed(2)}, start.Add(2*time.Second))
	c.Hear(z, []Entry{listed(3)}, start.Add(time.Second))
	c.failed(try{hash: hash(1), by: x}, "nobody there", false, start)
	if got := tried(c, start.Add(time.Hour), 2); len(got) != 2 || got[0] != 3 || got[1] != 2 {
		t.Errorf("tried %v, want 3 and 2", got)
	}
}
