package discovery

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"ebb/agent/swarm"
)

// An introducer's claim is tried at most maxTries times, with these pauses after each failure. The last one is how long
// a claim rests before it is tried afresh, if the introducer still repeats it by then.
const maxTries = 3

var pauses = [maxTries]time.Duration{time.Minute, 5 * time.Minute, 6 * time.Hour}

// recheckPolicy is how long a claim that the policy refuses is left alone; a change of policy ends it at once.
const recheckPolicy = time.Hour

// due picks at most n claims to put to the test now, and marks them as being tried: those on candidates that nobody
// proved yet, for which there is a possible proof, and which the policy does not refuse. At most one claim is tried per
// address at a time, so that nobody can make us flood a host by listing much.
func (c *Candidates) due(now time.Time, n int, possible func(Claim) bool) []Claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heed()
	busy := make(map[netip.Addr]bool)
	var ripe []*claim
	for _, k := range c.table {
		for _, cl := range k.claims {
			switch {
			case cl.trying:
				busy[cl.Addr.Addr()] = true
			case k.verified().IsZero() && k.refused == "" &&
				cl.failures < maxTries && !now.Before(cl.next) && possible(cl.Claim):
				ripe = append(ripe, cl)
			}
		}
	}
	slices.SortFunc(ripe, func(a, b *claim) int {
		return cmp.Or(cmp.Compare(a.failures, b.failures), a.Heard.Compare(b.Heard), a.of.hash.Compare(b.of.hash))
	})
	var tries []Claim
	for _, cl := range ripe {
		if len(tries) == n {
			break
		}
		addr := cl.Addr.Addr()
		if addr.IsValid() && busy[addr] {
			continue
		}
		// The policy judges this claim on its own: another introducer may have lied about the size.
		if d, _ := Decide(c.policy, judged(cl), Said{Approved: cl.of.approved}); d == Refuse {
			cl.next = now.Add(recheckPolicy)
			continue
		}
		busy[addr], cl.trying = true, true
		tries = append(tries, cl.Claim)
	}
	return tries
}

// judged is the candidate as if nobody else had named it.
func judged(cl *claim) swarm.Candidate {
	c := cl.Entry.candidate()
	c.Introducers = []swarm.Introducer{cl.Introducer}
	return c
}

// failed notes that a try came to nothing. With wholeHost, nothing answered at the introducer's address, so that its
// other claims need not be tried before the pause is over either, nor more often.
func (c *Candidates) failed(t Claim, reason string, wholeHost bool, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.table {
		for _, cl := range k.claims {
			this := k.hash == t.Entry.Hash && cl.Same(t.Introducer)
			if this {
				cl.trying = false
			}
			alike := wholeHost && cl.Same(t.Introducer) && cl.Verified.IsZero() && cl.failures < maxTries
			if !this && !alike {
				continue
			}
			cl.failures++
			cl.next = now.Add(pauses[min(cl.failures, maxTries)-1])
			if k.verified().IsZero() {
				k.failure = reason
			}
		}
	}
}
