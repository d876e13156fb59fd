package discovery

import (
	"cmp"
	"slices"
)

// limits bound the table. A claim is what one introducer says of one swarm.
type limits struct {
	claims    int   // in the table
	bytes     int64 // that they take, estimated
	perSwarm  int   // claims on one swarm: enough to outlast some dead or lying introducers
	fraction  int   // one introducer's share of claims and bytes is this part of the whole
	leastEach int   // claims that every introducer may have, however small the table
	refusals  int   // remembered
}

// defaultLimits give a full table 4 MiB, which a router with 128 MB can spare, and take four colluding networks to fill
// it.
var defaultLimits = limits{claims: 4096, bytes: 4 << 20, perSwarm: 4, fraction: 4, leastEach: 16, refusals: maxRefusals}

// share is what one introducer's claims (see Introducer.Key) add up to.
type share struct {
	claims int
	bytes  int64
}

func (s *share) add(n int, cl *claim) {
	s.claims += n
	s.bytes += int64(n) * cl.Entry.cost()
}

// safe reports whether a claim is safe from making room: it was verified, or the owner wants the swarm.
func (cl *claim) safe() bool { return !cl.Verified.IsZero() || cl.of.approved }

// compareUse orders claims by use, least first: those on swarms that somebody else verified already, then those that
// failed to be verified most often, then those that came over the most hops.
func compareUse(a, b *claim) int {
	pending := func(cl *claim) int {
		if cl.of.verified().IsZero() {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(pending(a), pending(b)),
		cmp.Compare(b.failures, a.failures),
		cmp.Compare(a.Entry.TTL, b.Entry.TTL),
	)
}

// admit puts a new claim into the table, making room for it where that is fair. It reports whether there was room. c.mu
// is held.
func (c *Candidates) admit(cl *claim) bool {
	key := cl.Key()
	s, ok := c.shares[key]
	if !ok {
		s = new(share)
	}
	cl.share = s
	for {
		among, bySize := c.lacks(cl)
		if among == nil {
			break
		}
		victim := c.leastUseful(among, bySize)
		// Between equals the one that is there already stays, or else an introducer could wash out what others said by
		// saying more. Only a network that holds more than the newcomer's gives way to an equal.
		if victim == nil || compareUse(victim, cl) >= 0 && (!bySize || victim.share.claims <= s.claims) {
			return false
		}
		c.drop(victim)
	}
	c.shares[key] = s
	s.add(1, cl)
	c.total.add(1, cl)
	cl.of.claims = append(cl.of.claims, cl)
	return true
}

// lacks returns among which claims room has to be made before cl is admitted, nil if there is room, and whether those
// with the largest share go first. c.mu is held.
func (c *Candidates) lacks(cl *claim) (among func(*claim) bool, bySize bool) {
	l, cost := c.limits, cl.Entry.cost()
	switch {
	case len(cl.of.claims) >= l.perSwarm:
		return func(o *claim) bool { return o.of == cl.of }, false
	case cl.share.claims >= max(l.claims/l.fraction, l.leastEach), cl.share.bytes+cost > l.bytes/int64(l.fraction):
		return func(o *claim) bool { return o.share == cl.share }, false
	case c.total.claims >= l.claims, c.total.bytes+cost > l.bytes:
		return func(*claim) bool { return true }, true
	}
	return nil, false
}

// leastUseful picks the least useful of the claims that may go, the longest not repeated first; bySize, one of the
// introducer that holds most. It returns nil when all are safe. c.mu is held.
func (c *Candidates) leastUseful(among func(*claim) bool, bySize bool) (least *claim) {
	for _, k := range c.table {
		for _, cl := range k.claims {
			if cl.safe() || !among(cl) {
				continue
			}
			if least == nil || bySize && cl.share.claims > least.share.claims {
				least = cl
				continue
			}
			if bySize && cl.share.claims < least.share.claims {
				continue
			}
			if cmp.Or(compareUse(cl, least), cl.seen.Compare(least.seen)) < 0 {
				least = cl
			}
		}
	}
	return least
}

// renew replaces a claim by what the same introducer says now, unless that no longer fits its share. c.mu is held.
func (c *Candidates) renew(old, cl *claim) bool {
	cl.share = old.share
	growth := cl.Entry.cost() - old.Entry.cost()
	if growth > 0 && (old.share.bytes+growth > c.limits.bytes/int64(c.limits.fraction) || c.total.bytes+growth > c.limits.bytes) {
		old.seen = cl.seen
		return false
	}
	for _, s := range []*share{old.share, &c.total} {
		s.add(-1, old)
		s.add(1, cl)
	}
	cl.of.claims[slices.Index(cl.of.claims, old)] = cl
	return true
}

// drop takes a claim out of the table, and its candidate with the last of its claims. c.mu is held.
func (c *Candidates) drop(cl *claim) {
	k := cl.of
	k.claims = slices.DeleteFunc(k.claims, func(o *claim) bool { return o == cl })
	c.total.add(-1, cl)
	if cl.share.add(-1, cl); cl.share.claims == 0 {
		delete(c.shares, cl.Key())
	}
	if len(k.claims) == 0 {
		c.hangUp(k)
		delete(c.table, k.hash)
		return
	}
	k.arrange()
}

// forget takes a candidate out of the table. c.mu is held.
func (c *Candidates) forget(k *candidate) {
	for _, cl := range slices.Clone(k.claims) {
		c.drop(cl)
	}
}
