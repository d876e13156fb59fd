package discovery

import (
	"time"

	"ebb/agent/swarm"
)

// maxRefusals bounds how many refusals are remembered; the oldest go. It takes as many joins to make us forget one.
const maxRefusals = 2048

// Refusal is a swarm that the background found to be none for us, and why. It keeps the swarm from being joined again
// because somebody names it again, over restarts too.
type Refusal struct {
	swarm.Refusal
	Name string    `json:"name"` // as it was known then, for display
	At   time.Time `json:"at"`
}

// Refused notes that the background does not help a swarm, and why; name is what it is known by, if it is not a
// candidate. Where the refusal is for good, or for long, the swarm is no candidate any more, whoever names it. Otherwise
// it stays in the table, so that it is not tried again.
func (c *Candidates) Refused(h swarm.InfoHash, name string, r swarm.Refusal) {
	c.refuse(h, name, r, time.Now())
}

func (c *Candidates) refuse(h swarm.InfoHash, name string, r swarm.Refusal, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, known := c.table[h]
	if known && name == "" {
		name = k.entry().Name
	}
	if !r.Kept() {
		if known {
			k.refused = r.Text
			c.hangUp(k)
		}
		return
	}
	if known {
		c.forget(k)
	}
	kept := Refusal{Refusal: r, Name: swarm.CleanName(name), At: now.Round(0)}
	c.refusals[h] = kept
	if c.keptRefusals != nil {
		if err := c.keptRefusals.Put(h, kept); err != nil {
			c.log.Warn("remembering a refused swarm", "swarm", h.String(), "err", err)
		}
	}
	c.boundRefusals()
}

// boundRefusals drops the oldest refusals beyond what is remembered. c.mu is held.
func (c *Candidates) boundRefusals() {
	for len(c.refusals) > c.limits.refusals {
		var oldest swarm.InfoHash
		first := true
		for h, r := range c.refusals {
			if first || r.At.Before(c.refusals[oldest].At) {
				oldest, first = h, false
			}
		}
		c.pardon(oldest)
	}
}

// refused reports whether a refusal still keeps a swarm away, and drops one that does not. c.mu is held, and heed was
// called.
func (c *Candidates) refused(h swarm.InfoHash, now time.Time) bool {
	r, ok := c.refusals[h]
	if !ok {
		return false
	}
	if r.Holds(now.Sub(r.At), fits(r.Length, c.policy.MaxSwarmSize)) {
		return true
	}
	c.pardon(h)
	return false
}

// pardon forgets a refusal, if there is one. c.mu is held.
func (c *Candidates) pardon(h swarm.InfoHash) {
	if _, ok := c.refusals[h]; !ok {
		return
	}
	delete(c.refusals, h)
	if c.keptRefusals != nil {
		if err := c.keptRefusals.Delete(h); err != nil {
			c.log.Warn("forgetting a refused swarm", "swarm", h.String(), "err", err)
		}
	}
}

// candidate shows a refusal beside the candidates.
func (r Refusal) candidate(h swarm.InfoHash, p Policy) swarm.Candidate {
	shown := swarm.Candidate{Hash: h, Name: r.Name, Length: r.Length, Health: swarm.UnknownHealth, Heard: r.At, Reason: r.Text}
	judge(p, &shown, Said{Refused: true})
	return shown
}
