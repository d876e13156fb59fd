package discovery

import (
	"fmt"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// Decision is what the consent policy says of a candidate.
type Decision int

// The decisions.
const (
	Refuse Decision = iota // never joined
	Wait                   // joined once the owner says yes
	Join                   // may be joined, once it is verified
)

func (d Decision) String() string {
	switch d {
	case Join:
		return "join"
	case Wait:
		return "wait"
	}
	return "refuse"
}

// Policy is the owner's consent, from the preferences.
type Policy struct {
	Peers        prefs.Mode            // candidates that peers list
	Neighbours   prefs.Mode            // that neighbours list
	Feeds        prefs.Mode            // from the owner's feeds
	Feed         map[string]FeedPolicy // of those that have more to say, by title
	MaxSwarmSize prefs.Limit
	Deny         map[swarm.InfoHash]bool
}

// FeedPolicy is what the owner says of one feed.
type FeedPolicy struct {
	Mode    prefs.Mode // empty: that of all feeds
	MaxSize prefs.Limit
}

// consent is the preferences that a policy is made of.
type consent struct {
	prefs.Sources
	feeds []prefs.Feed
}

// policyFrom takes the policy from the preferences.
func policyFrom(s prefs.Sources, feeds []prefs.Feed) Policy {
	p := Policy{
		Peers: s.Peers, Neighbours: s.Neighbours, Feeds: s.Feeds,
		MaxSwarmSize: s.MaxSwarmSize,
		Deny:         make(map[swarm.InfoHash]bool, len(s.Deny)),
	}
	for _, h := range s.Deny {
		p.Deny[h] = true
	}
	for _, f := range feeds {
		if p.Feed == nil {
			p.Feed = make(map[string]FeedPolicy)
		}
		p.Feed[swarm.CleanText(f.Title(), maxClientRunes)] = FeedPolicy{f.Policy, f.MaxSize}
	}
	return p
}

// Said is what was said of one candidate, by the owner and by the background engine.
type Said struct {
	Approved, Vetoed bool // by the owner
	Refused          bool // by the engine
}

// Decide applies the policy to a candidate, and names the rule that decided. The owner's no comes before everything,
// and the owner's yes to this one swarm before the general rules. Where several introducers named the swarm, the most
// generous of their sources' modes counts; once one of them is verified, only the verified ones have a say.
func Decide(p Policy, c swarm.Candidate, said Said) (Decision, string) {
	switch {
	case said.Vetoed:
		return Refuse, "vetoed by the owner"
	case p.Deny[c.Hash]:
		return Refuse, "sources.deny"
	case said.Refused:
		return Refuse, "refused by the background engine"
	case said.Approved:
		return Join, ruleApproved
	}
	if !fits(c.Length, p.MaxSwarmSize) {
		return Refuse, fmt.Sprintf("sources.max_swarm_size = %q", p.MaxSwarmSize)
	}
	decision, rule := Refuse, ""
	for _, in := range c.Introducers {
		if in.Verified.IsZero() && !c.Verified.IsZero() {
			continue
		}
		if d, r := p.source(in); rule == "" || d > decision {
			decision, rule = d, r
		}
	}
	return decision, rule
}

// ruleApproved is the rule under which a candidate is joined to which the owner said yes.
const ruleApproved = "approved by the owner"

// fits reports whether a swarm may have so many bytes.
func fits(length int64, limit prefs.Limit) bool {
	most, limited := limit.Bytes()
	return !limited || length <= most
}

// Fits reports whether a swarm that was joined for that reason may be helped although it has so many bytes, as its
// metadata says now; what its introducer said may have been less. As in Decide, the owner's own yes to this one swarm
// goes before the limit.
func (c *Candidates) Fits(why swarm.Why, length int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heed()
	if why.ByOwner() || why.Rule == ruleApproved {
		return true
	}
	if why.Kind == swarm.KindFeed && !fits(length, c.policy.Feed[why.Client].MaxSize) {
		return false
	}
	return fits(length, c.policy.MaxSwarmSize)
}

// judge gives the candidate the state that the policy and the facts make.
func judge(p Policy, c *swarm.Candidate, said Said) {
	var decision Decision
	decision, c.Rule = Decide(p, *c, said)
	switch {
	case said.Vetoed:
		c.State = swarm.CandidateVetoed
	case decision == Refuse:
		c.State = swarm.CandidateRefused
	case c.Verified.IsZero():
		c.State = swarm.CandidateHeard
	case decision == Wait:
		c.State = swarm.CandidateWaiting
	case said.Approved:
		c.State = swarm.CandidateApproved
	default:
		c.State = swarm.CandidateVerified
	}
}

// source is what the policy says of an introducer.
func (p Policy) source(in swarm.Introducer) (Decision, string) {
	var name string
	var mode prefs.Mode
	switch in.Kind {
	case swarm.KindPeer:
		name, mode = "peers", p.Peers
	case swarm.KindNeighbour:
		name, mode = "neighbours", p.Neighbours
	case swarm.KindFeed:
		name, mode = "feeds", p.Feeds
		if own := p.Feed[in.Client].Mode; own == prefs.ModeOff || own == prefs.ModeAsk && mode == prefs.ModeAuto {
			return decisionOf(own), fmt.Sprintf("policy = %q of the feed %s", own, in.Client)
		}
	case swarm.KindOwner:
		return Join, "named by the owner"
	default:
		return Refuse, fmt.Sprintf("unknown source %q", in.Kind)
	}
	return decisionOf(mode), fmt.Sprintf("sources.%s = %q", name, mode)
}

func decisionOf(mode prefs.Mode) Decision {
	switch mode {
	case prefs.ModeAuto:
		return Join
	case prefs.ModeAsk:
		return Wait
	}
	return Refuse
}
