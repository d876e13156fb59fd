package discovery

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// ErrUnknown says that a swarm is not among the candidates.
var ErrUnknown = errors.New("not a candidate")

// Candidates is the table of swarms that we know of and have not joined. It is
// bounded, and every introducer pays for what it named (see share.go). Its
// methods may be called from any goroutine.
type Candidates struct {
	member func(swarm.InfoHash) bool
	saver  Saver
	limits limits

	mu     sync.Mutex // guards everything below
	policy Policy
	table  map[swarm.InfoHash]*known
	shares map[string]*share // by Introducer.Key; sum of claims in the table
	total  share
	vetoes map[swarm.InfoHash]Veto
}

// CandidatesConfig is what a table works with.
type CandidatesConfig struct {
	Policy Policy
	// Member tells whether we are in a swarm, foreground or background; such a
	// swarm is not a candidate. It is called without locks held.
	Member func(swarm.InfoHash) bool
	Saver  Saver // keeps the vetoes; nil to forget them at exit
}

// NewCandidates makes an empty table, with the vetoes that were saved.
func NewCandidates(cfg CandidatesConfig) (*Candidates, error) {
	c := &Candidates{
		member: cfg.Member,
		saver:  cfg.Saver,
		limits: defaultLimits,
		policy: cfg.Policy,
		table:  make(map[swarm.InfoHash]*known),
		shares: make(map[string]*share),
		vetoes: make(map[swarm.InfoHash]Veto),
	}
	if c.saver == nil {
		return c, nil
	}
	vetoes, err := c.saver.Vetoes()
	if err != nil {
		return nil, fmt.Errorf("loading vetoes: %w", err)
	}
	for _, v := range vetoes {
		c.vetoes[v.Hash] = v
	}
	return c, nil
}

// known is one candidate in the table.
type known struct {
	hash     swarm.InfoHash
	claims   []*claim // a verified one, if there is one, comes first; empty only before it is in the table
	heard    time.Time
	approved bool   // by the owner
	refused  string // why the background engine does not want it; empty if it has not said so
	failure  string // what went wrong at the last attempt to verify it
}

// claim is what one introducer says of one candidate.
type claim struct {
	swarm.Introducer
	of       *known
	entry    Entry
	share    *share // that pays for it
	seen     time.Time
	failures int       // attempts to verify it that failed
	next     time.Time // not to be tried before
	trying   bool
}

// entry is the word that we take on the candidate.
func (k *known) entry() Entry { return k.claims[0].entry }

// verified is when that word was verified; zero if it was not.
func (k *known) verified() time.Time {
	if len(k.claims) == 0 {
		return time.Time{}
	}
	return k.claims[0].Verified
}

// arrange moves a verified claim to the front, if there is none there.
func (k *known) arrange() {
	i := slices.IndexFunc(k.claims, func(cl *claim) bool { return !cl.Verified.IsZero() })
	if i > 0 && k.verified().IsZero() {
		first := k.claims[i]
		k.claims = slices.Insert(slices.Delete(k.claims, i, i+1), 0, first)
	}
}

// SetPolicy changes the consent policy, for candidates already known too.
func (c *Candidates) SetPolicy(p Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.policy = p
	for _, k := range c.table {
		for _, cl := range k.claims {
			if cl.failures == 0 {
				cl.next = time.Time{} // it may have waited only because the policy refused it
			}
		}
	}
}

// Policy returns the consent policy.
func (c *Candidates) Policy() Policy {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.policy
}

// Hear takes in what an introducer lists, and returns the entries that were
// news. Swarms that we are in, that the owner vetoed or denied, and those for
// which the introducer has no share left, are passed over.
func (c *Candidates) Hear(in swarm.Introducer, entries []Entry, now time.Time) (added []Entry) {
	entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return c.member(e.Hash) })
	in.Heard, in.Verified = now, time.Time{}

	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range entries {
		if _, vetoed := c.vetoes[e.Hash]; vetoed || c.policy.Deny[e.Hash] {
			continue
		}
		k, old := c.table[e.Hash]
		if !old {
			k = &known{hash: e.Hash, heard: now}
		}
		if !c.hear(k, in, e, now) {
			continue
		}
		c.table[e.Hash] = k // again, should making room have dropped its only claim
		if !old {
			added = append(added, e)
		}
	}
	return added
}

// hear adds or renews one claim. It tells whether there was room. c.mu is held.
func (c *Candidates) hear(k *known, in swarm.Introducer, e Entry, now time.Time) bool {
	cl := &claim{Introducer: in, of: k, entry: e, seen: now}
	i := slices.IndexFunc(k.claims, func(o *claim) bool { return o.Same(in) })
	if i < 0 {
		return c.admit(cl)
	}
	old := k.claims[i]
	cl.Heard, cl.Verified = old.Heard, old.Verified
	cl.failures, cl.next, cl.trying = old.failures, old.next, old.trying
	if cl.failures >= maxTries && !now.Before(cl.next) {
		cl.failures = 0 // it insists, after a decent interval: try again
	}
	return c.renew(old, cl)
}

// Verified notes that an introducer shook hands with us in a swarm that it
// named. Its word on the swarm is the one to take from now on. ok is false
// when the candidate, or its claim, has gone meanwhile.
func (c *Candidates) Verified(h swarm.InfoHash, by swarm.Introducer, now time.Time) (verified swarm.Candidate, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.find(h, by)
	if cl == nil {
		return swarm.Candidate{}, false
	}
	k := cl.of
	cl.Verified, cl.trying, cl.failures = now, false, 0
	k.failure = ""
	k.arrange()
	return c.show(k), true
}

// find returns what an introducer said of a swarm, or nil. c.mu is held.
func (c *Candidates) find(h swarm.InfoHash, by swarm.Introducer) *claim {
	if k, ok := c.table[h]; ok {
		for _, cl := range k.claims {
			if cl.Same(by) {
				return cl
			}
		}
	}
	return nil
}

// Ready lists the candidates that are verified and that the policy lets the
// background join now, in the order in which they were verified.
func (c *Candidates) Ready() []swarm.Candidate {
	ready := c.collect(func(k *known) bool { return !k.verified().IsZero() })
	ready = slices.DeleteFunc(ready, func(k swarm.Candidate) bool {
		return k.State != swarm.CandidateVerified && k.State != swarm.CandidateApproved
	})
	slices.SortFunc(ready, func(a, b swarm.Candidate) int {
		return cmp.Or(a.Verified.Compare(b.Verified), a.Hash.Compare(b.Hash))
	})
	return ready
}

// List lists all candidates and vetoed swarms, in the order in which they were heard of.
func (c *Candidates) List() []swarm.Candidate {
	all := c.collect(func(*known) bool { return true })
	c.mu.Lock()
	for _, v := range c.vetoes {
		all = append(all, v.candidate(c.policy))
	}
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b swarm.Candidate) int {
		return cmp.Or(a.Heard.Compare(b.Heard), a.Hash.Compare(b.Hash))
	})
	return all
}

// PassOn lists the candidates as we may list them to other agents: those that
// nobody here said no to, with one hop less, verified ones first, then the
// latest heard.
func (c *Candidates) PassOn() []Entry {
	type heard struct {
		entry        Entry
		verified, at time.Time
	}
	c.mu.Lock()
	var all []heard
	for _, k := range c.table {
		if e, ok := k.entry().PassedOn(); ok && k.refused == "" && !c.policy.Deny[e.Hash] {
			all = append(all, heard{e, k.verified(), k.heard})
		}
	}
	c.mu.Unlock()
	all = slices.DeleteFunc(all, func(h heard) bool { return c.member(h.entry.Hash) })
	slices.SortFunc(all, func(a, b heard) int {
		return cmp.Or(b.verified.Compare(a.verified), b.at.Compare(a.at), a.entry.Hash.Compare(b.entry.Hash))
	})
	entries := make([]Entry, 0, len(all))
	for _, h := range all {
		entries = append(entries, h.entry)
	}
	return entries
}

// collect shows some of the candidates, without those that we have come to be
// in meanwhile.
func (c *Candidates) collect(which func(*known) bool) []swarm.Candidate {
	c.mu.Lock()
	var some []swarm.Candidate
	for _, k := range c.table {
		if which(k) {
			some = append(some, c.show(k))
		}
	}
	c.mu.Unlock()
	return slices.DeleteFunc(some, func(k swarm.Candidate) bool { return c.member(k.Hash) })
}

// Get returns one candidate or vetoed swarm.
func (c *Candidates) Get(h swarm.InfoHash) (swarm.Candidate, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.table[h]; ok {
		return c.show(k), true
	}
	if v, ok := c.vetoes[h]; ok {
		return v.candidate(c.policy), true
	}
	return swarm.Candidate{}, false
}

// show is the candidate as others see it. c.mu is held.
func (c *Candidates) show(k *known) swarm.Candidate {
	shown := k.entry().candidate()
	shown.Heard, shown.Verified = k.heard, k.verified()
	shown.Reason = cmp.Or(k.refused, k.failure)
	for _, cl := range k.claims {
		shown.Introducers = append(shown.Introducers, cl.Introducer)
	}
	judge(c.policy, &shown, Said{Approved: k.approved, Refused: k.refused != ""})
	return shown
}

// Joined takes a swarm that has been joined out of the table. Should it be left again, it becomes a candidate when it is
// next listed. It returns no connection, for none is kept.
func (c *Candidates) Joined(h swarm.InfoHash) *peerwire.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.table[h]; ok {
		c.forget(k)
	}
	return nil
}

// dismiss takes a swarm that we have come to be in, by whatever way, out of
// the table, and tells whether it is one.
func (c *Candidates) dismiss(h swarm.InfoHash) bool {
	if !c.member(h) {
		return false
	}
	c.Joined(h)
	return true
}

// Refused notes that the background engine does not want a candidate, and why.
// The candidate stays in the table, so that it is not tried again.
func (c *Candidates) Refused(h swarm.InfoHash, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.table[h]; ok {
		k.refused = reason
	}
}

// Claims are dropped this long after the introducer last repeated them. The
// longer time gives a verified candidate a chance to be joined when there is room.
const (
	keepHeard    = 24 * time.Hour
	keepVerified = 7 * 24 * time.Hour
)

// Expire drops what nobody has repeated for long.
func (c *Candidates) Expire(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.table {
		for _, cl := range slices.Clone(k.claims) {
			keep := keepHeard
			if cl.kept() {
				keep = keepVerified
			}
			if now.Sub(cl.seen) > keep {
				c.drop(cl)
			}
		}
	}
}
