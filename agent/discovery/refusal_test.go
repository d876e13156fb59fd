package discovery

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

var private = swarm.Refusal{Cause: swarm.CausePrivate, Text: "private torrent (BEP 27)"}

func tableThatRefuses(t *testing.T, s prefs.Sources, kept *drawer[Refusal]) *Candidates {
	t.Helper()
	c, err := NewCandidates(CandidatesConfig{Sources: always(s), Member: memberOf(), Refusals: kept, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// named has the table hear of a swarm and prove it, and reports whether it would be joined then.
func named(c *Candidates, n int, now time.Time) bool {
	x := agentAt("192.0.2.1:51515")
	c.hear(x, []Entry{listed(n)}, now)
	c.proven(hash(n), x, now)
	for _, k := range c.Ready() {
		if k.Hash == hash(n) {
			c.Joined(k.Hash) // as the engine does
			return true
		}
	}
	return false
}

func TestRefusedSwarmIsJoinedOnceOverRestarts(t *testing.T) {
	kept := &drawer[Refusal]{kept: make(map[swarm.InfoHash]Refusal)}
	now, joins := start, 0
	for range 3 {
		c := tableThatRefuses(t, allAuto, kept)
		for range 5 {
			if named(c, 1, now) {
				joins++
				c.refuse(hash(1), "swarm 1", private, now) // once the metadata shows it
			}
			now = now.Add(askInterval)
		}
		k, ok := c.Get(hash(1))
		if !ok || k.State != swarm.CandidateRefused || k.Reason != private.Text || k.Name != "swarm 1" {
			t.Errorf("shown as %+v, %v", k, ok)
		}
		if len(c.List()) != 1 || len(c.PassOn()) != 0 {
			t.Errorf("listed %d, passed on %d", len(c.List()), len(c.PassOn()))
		}
	}
	if joins != 1 {
		t.Errorf("joined %d times", joins)
	}
}

func TestRefusalHoldsForAsLongAsItsCause(t *testing.T) {
	const week = 7 * 24 * time.Hour
	small := allAuto
	small.MaxSwarmSize = prefs.LimitTo(listed(1).Length) // what its introducer says of it fits
	larger := allAuto
	larger.MaxSwarmSize = prefs.LimitTo(1 << 40)
	huge := swarm.Refusal{Cause: swarm.CauseSize, Length: 1 << 39, Text: "too large"}
	for _, tt := range []struct {
		what    string
		r       swarm.Refusal
		sources prefs.Sources
		after   time.Duration
		joined  bool
	}{
		{"private", private, allAuto, 52 * week, false},
		{"unusable", swarm.Refusal{Cause: swarm.CauseUnusable}, allAuto, 52 * week, false},
		{"silent", swarm.Refusal{Cause: swarm.CauseSilent}, allAuto, week - time.Hour, false},
		{"silent, a week later", swarm.Refusal{Cause: swarm.CauseSilent}, allAuto, week, true},
		{"too large", huge, small, 52 * week, false},
		{"too large, and then allowed", huge, larger, time.Hour, true},
		{"too large, and then any size", huge, allAuto, time.Hour, true},
		{"a cause of a later version", swarm.Refusal{Cause: "weather"}, allAuto, time.Hour, false},
	} {
		c := tableThatRefuses(t, tt.sources, &drawer[Refusal]{kept: map[swarm.InfoHash]Refusal{hash(1): {Refusal: tt.r, At: start}}})
		if got := named(c, 1, start.Add(tt.after)); got != tt.joined {
			t.Errorf("%s: joined is %v", tt.what, got)
		}
	}
}

func TestRefusalForNowEndsWithTheCandidate(t *testing.T) {
	kept := &drawer[Refusal]{kept: make(map[swarm.InfoHash]Refusal)}
	c, x := tableThatRefuses(t, allAuto, kept), agentAt("192.0.2.1:51515")
	c.hear(x, []Entry{listed(1)}, start)
	c.proven(hash(1), x, start)
	c.Refused(hash(1), "", swarm.Refusal{Cause: swarm.CauseOther, Text: "the disk is full"})
	if s := state(t, c, hash(1)); s != swarm.CandidateRefused || len(c.Ready()) != 0 || len(kept.kept) != 0 {
		t.Errorf("state %s, kept %v", s, kept.kept)
	}
	if !named(tableThatRefuses(t, allAuto, kept), 1, start) {
		t.Error("refused after a restart")
	}
}

func TestOldestRefusalsAreForgotten(t *testing.T) {
	kept := &drawer[Refusal]{kept: make(map[swarm.InfoHash]Refusal)}
	c := tableThatRefuses(t, allAuto, kept)
	for i := range maxRefusals + 10 {
		c.refuse(hash(i+1), "", private, start.Add(time.Duration(i)*time.Second))
	}
	if len(c.refusals) != maxRefusals || len(kept.kept) != maxRefusals {
		t.Errorf("%d are remembered, %d kept", len(c.refusals), len(kept.kept))
	}
	for i, want := range map[int]bool{1: false, 10: false, 11: true, maxRefusals + 10: true} {
		if _, there := kept.kept[hash(i)]; there != want {
			t.Errorf("refusal %d is kept: %v", i, there)
		}
	}
}

func TestOwnerWhoAddsARefusedSwarmLiftsTheRefusal(t *testing.T) {
	kept := &drawer[Refusal]{kept: make(map[swarm.InfoHash]Refusal)}
	c := tableThatRefuses(t, allAuto, kept)
	c.Refused(hash(1), "", swarm.Refusal{Cause: swarm.CauseSilent})
	c.member = memberOf(hash(1))
	if !c.Dismiss(hash(1)) || len(kept.kept) != 0 {
		t.Errorf("still refused: %v", kept.kept)
	}
}

func TestDamagedRefusalsDoNotStopTheStart(t *testing.T) {
	c := tableThatRefuses(t, allAuto, &drawer[Refusal]{err: errors.New("damaged")})
	if !named(c, 1, start) {
		t.Error("not joined")
	}
	c.Refused(hash(1), "", private)
	if named(c, 1, start) {
		t.Error("a refusal that cannot be kept does not hold while ebb runs")
	}
}
