package discovery

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// ErrUnknown says that a swarm is not among the candidates.
var ErrUnknown = errors.New("not a candidate")

// Candidates is the table of swarms that we know of and have not joined. It is bounded, and every introducer pays for
// what it named (see share.go). Its methods may be called from any goroutine.
type Candidates struct {
	member  func(swarm.InfoHash) bool
	sources func() prefs.Sources
	feeds   func() []prefs.Feed
	log     *slog.Logger
	wake    chan struct{} // holds a token when there may be claims to test
	limits  limits

	keptVetoes   Saver[Veto]
	keptRefusals Saver[Refusal]

	mu     sync.Mutex // guards everything below
	heeded consent    // the preferences that the policy was made from; see heed
	policy Policy
	table  map[swarm.InfoHash]*candidate
	shares map[string]*share // by Introducer.Key; sum of claims in the table
	total  share
	open   int // connections that wait for the engine
	vetoes map[swarm.InfoHash]Veto

	refusals map[swarm.InfoHash]Refusal // of swarms that are not in the table
}

// CandidatesConfig is what a table works with.
type CandidatesConfig struct {
	// Sources returns the owner's consent as it stands. It is called with the table locked.
	Sources func() prefs.Sources
	// Feeds returns those that the owner has subscribed to, in the same way; nil if there are none.
	Feeds func() []prefs.Feed
	// Member reports whether we are in a swarm, foreground or background; such a swarm is not a candidate. It is called
	// without locks held.
	Member func(swarm.InfoHash) bool
	// Vetoes and Refusals keep these over restarts; nil to forget them at exit.
	Vetoes   Saver[Veto]
	Refusals Saver[Refusal]
	Log      *slog.Logger
}

// NewCandidates makes an empty table, with the vetoes and refusals that were saved.
func NewCandidates(cfg CandidatesConfig) (*Candidates, error) {
	c := &Candidates{
		member:       cfg.Member,
		sources:      cfg.Sources,
		feeds:        cfg.Feeds,
		keptVetoes:   cfg.Vetoes,
		keptRefusals: cfg.Refusals,
		log:          cfg.Log,
		wake:         make(chan struct{}, 1),
		limits:       defaultLimits,
		table:        make(map[swarm.InfoHash]*candidate),
		shares:       make(map[string]*share),
		vetoes:       make(map[swarm.InfoHash]Veto),
		refusals:     make(map[swarm.InfoHash]Refusal),
	}
	if c.keptVetoes != nil {
		vetoes, err := c.keptVetoes.All()
		if err != nil {
			return nil, fmt.Errorf("loading vetoes: %w", err)
		}
		maps.Copy(c.vetoes, vetoes)
	}
	if c.keptRefusals != nil {
		refusals, err := c.keptRefusals.All()
		if err != nil { // each of them can be found out again; the owner's word could not
			c.log.Warn("refused swarms are not remembered", "err", err)
		}
		maps.Copy(c.refusals, refusals)
		c.boundRefusals()
	}
	return c, nil
}

// candidate is one swarm in the table.
type candidate struct {
	hash     swarm.InfoHash
	claims   []*claim // a verified one, if there is one, comes first; empty only before it is in the table
	heard    time.Time
	approved bool   // by the owner
	refused  string // why the background does not want it for now; empty if it has not said so
	failure  string // what went wrong at the last attempt to verify it

	conn    Conn        // on which it was proven, while it waits for the engine; see leaveOpen
	closing *time.Timer // closes it; nil with conn
}

// claim is a Claim as the table keeps it.
type claim struct {
	Claim
	of       *candidate
	share    *share // that pays for it
	seen     time.Time
	failures int       // attempts to verify it that failed
	next     time.Time // not to be tried before
	trying   bool
}

// entry is the word that we take on the candidate.
func (k *candidate) entry() Entry { return k.claims[0].Entry }

// verified is when that word was verified; zero if it was not.
func (k *candidate) verified() time.Time {
	if len(k.claims) == 0 {
		return time.Time{}
	}
	return k.claims[0].Verified
}

// arrange moves a verified claim to the front, if there is none there.
func (k *candidate) arrange() {
	i := slices.IndexFunc(k.claims, func(cl *claim) bool { return !cl.Verified.IsZero() })
	if i > 0 && k.verified().IsZero() {
		first := k.claims[i]
		k.claims = slices.Insert(slices.Delete(k.claims, i, i+1), 0, first)
	}
}

// heed takes note of the owner's consent as it stands, for candidates that were heard of before too. c.mu is held.
func (c *Candidates) heed() {
	now := consent{Sources: c.sources()}
	if c.feeds != nil {
		now.feeds = c.feeds()
	}
	if reflect.DeepEqual(now, c.heeded) {
		return
	}
	c.heeded, c.policy = now, policyFrom(now.Sources, now.feeds)
	for _, k := range c.table {
		for _, cl := range k.claims {
			if cl.failures == 0 {
				cl.next = time.Time{} // it may have waited only because the policy refused it
			}
		}
	}
}

// Wants reports whether what introducers of a kind name may become candidates at all, and so whether they are worth
// asking.
func (c *Candidates) Wants(kind swarm.Kind) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heed()
	decision, _ := c.policy.source(swarm.Introducer{Kind: kind})
	return decision != Refuse
}

// Takes reports whether a swarm may become a candidate, as far as its info-hash tells: we are not in it, and nobody has
// said no to it.
func (c *Candidates) Takes(h swarm.InfoHash) bool {
	if c.member(h) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heed()
	_, vetoed := c.vetoes[h]
	return !vetoed && !c.policy.Deny[h] && !c.refused(h, time.Now())
}

// hear takes in what an introducer names, and returns the entries that were news. Swarms that we are in, that the owner
// vetoed or denied, those that were refused before, and those for which the introducer has no share left, are passed over.
func (c *Candidates) hear(in swarm.Introducer, entries []Entry, now time.Time) (added []Entry) {
	entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return c.member(e.Hash) })
	in.Heard, in.Verified = now, time.Time{}

	c.mu.Lock()
	defer c.mu.Unlock()
	c.heed()
	for _, e := range entries {
		if _, vetoed := c.vetoes[e.Hash]; vetoed || c.policy.Deny[e.Hash] {
			continue
		}
		if c.refused(e.Hash, now) {
			continue
		}
		k, old := c.table[e.Hash]
		if !old {
			k = &candidate{hash: e.Hash, heard: now}
		}
		if !c.note(k, in, e, now) {
			continue
		}
		c.table[e.Hash] = k // again, should making room have dropped its only claim
		if !old {
			added = append(added, e)
		}
	}
	return added
}

// note adds or renews one claim. It reports whether there was room. c.mu is held.
func (c *Candidates) note(k *candidate, in swarm.Introducer, e Entry, now time.Time) bool {
	cl := &claim{Claim: Claim{in, e}, of: k, seen: now}
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

// proven notes that an introducer's word on a swarm stood the test. It is the one to take from now on. ok is false when
// the candidate, or its claim, has gone meanwhile.
func (c *Candidates) proven(h swarm.InfoHash, by swarm.Introducer, now time.Time) (verified swarm.Candidate, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heed()
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

// Ready lists the candidates that are verified and that the policy lets the background join now, in the order in which
// they were verified.
func (c *Candidates) Ready() []swarm.Candidate {
	ready := c.collect(func(k *candidate) bool { return !k.verified().IsZero() })
	ready = slices.DeleteFunc(ready, func(k swarm.Candidate) bool { return !joinable(k) })
	slices.SortFunc(ready, func(a, b swarm.Candidate) int {
		return cmp.Or(a.Verified.Compare(b.Verified), a.Hash.Compare(b.Hash))
	})
	return ready
}

// joinable reports whether the background may join a candidate as it is.
func joinable(k swarm.Candidate) bool {
	return k.State == swarm.CandidateVerified || k.State == swarm.CandidateApproved
}

// List lists all candidates, refused and vetoed swarms, in the order in which they were heard of.
func (c *Candidates) List() []swarm.Candidate {
	all := c.collect(func(*candidate) bool { return true })
	c.mu.Lock()
	c.heed()
	for _, v := range c.vetoes {
		all = append(all, v.candidate(c.policy))
	}
	for h, r := range c.refusals {
		if _, vetoed := c.vetoes[h]; !vetoed {
			all = append(all, r.candidate(h, c.policy))
		}
	}
	c.mu.Unlock()
	slices.SortFunc(all, func(a, b swarm.Candidate) int {
		return cmp.Or(a.Heard.Compare(b.Heard), a.Hash.Compare(b.Hash))
	})
	return all
}

// PassOn lists the candidates as we may list them to other agents: those that nobody here said no to, with one hop
// less, verified ones first, then the latest heard.
func (c *Candidates) PassOn() []Entry {
	type heard struct {
		entry        Entry
		verified, at time.Time
	}
	c.mu.Lock()
	c.heed()
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

// collect shows some of the candidates, without those that we have come to be in meanwhile.
func (c *Candidates) collect(which func(*candidate) bool) []swarm.Candidate {
	c.mu.Lock()
	c.heed()
	var some []swarm.Candidate
	for _, k := range c.table {
		if which(k) {
			some = append(some, c.show(k))
		}
	}
	c.mu.Unlock()
	return slices.DeleteFunc(some, func(k swarm.Candidate) bool { return c.member(k.Hash) })
}

// Get returns one candidate, refused or vetoed swarm.
func (c *Candidates) Get(h swarm.InfoHash) (swarm.Candidate, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heed()
	if k, ok := c.table[h]; ok {
		return c.show(k), true
	}
	if v, ok := c.vetoes[h]; ok {
		return v.candidate(c.policy), true
	}
	if r, ok := c.refusals[h]; ok {
		return r.candidate(h, c.policy), true
	}
	return swarm.Candidate{}, false
}

// show is the candidate as others see it. c.mu is held.
func (c *Candidates) show(k *candidate) swarm.Candidate {
	shown := k.entry().candidate()
	shown.Heard, shown.Verified = k.heard, k.verified()
	shown.Reason = cmp.Or(k.refused, k.failure)
	for _, cl := range k.claims {
		shown.Introducers = append(shown.Introducers, cl.Introducer)
	}
	judge(c.policy, &shown, Said{Approved: k.approved, Refused: k.refused != ""})
	return shown
}

// Dismiss takes a swarm that we have come to be in, by whatever way, out of the table. It reports whether it is one.
func (c *Candidates) Dismiss(h swarm.InfoHash) bool {
	if !c.member(h) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.table[h]; ok {
		c.forget(k)
	}
	c.pardon(h) // the owner wants it after all
	return true
}

// Claims are dropped this long after the introducer last repeated them. The longer time gives a verified candidate a
// chance to be joined when there is room.
const (
	heardLasts    = 24 * time.Hour
	verifiedLasts = 7 * 24 * time.Hour
)

// expire drops what nobody has repeated for long.
func (c *Candidates) expire(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.table {
		for _, cl := range slices.Clone(k.claims) {
			lasts := heardLasts
			if cl.safe() {
				lasts = verifiedLasts
			}
			if now.Sub(cl.seen) > lasts {
				c.drop(cl)
			}
		}
	}
}
