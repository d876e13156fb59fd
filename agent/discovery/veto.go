package discovery

import (
	"fmt"
	"time"

	"ebb/agent/swarm"
)

// Veto is the owner's "never this one".
type Veto struct {
	Hash swarm.InfoHash `json:"hash"`
	Name string         `json:"name"` // as it was known then, for display
	At   time.Time      `json:"at"`
}

// Saver keeps values by info-hash over restarts. records.Table is one.
type Saver[T any] interface {
	All() (map[swarm.InfoHash]T, error)
	Put(swarm.InfoHash, T) error
	Delete(swarm.InfoHash) error
}

// Veto makes sure that the swarm never becomes a candidate again, whether it is one now or not. name may be empty for
// one that is. The veto holds from now on even when saving it fails, but then not after a restart.
func (c *Candidates) Veto(h swarm.InfoHash, name string, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.table[h]; ok {
		if name == "" {
			name = k.entry().Name
		}
		c.forget(k)
	}
	v := Veto{Hash: h, Name: swarm.CleanName(name), At: now}
	c.vetoes[h] = v
	if c.keptVetoes == nil {
		return nil
	}
	if err := c.keptVetoes.Put(h, v); err != nil {
		return fmt.Errorf("saving the veto of %s: %w", h.String(), err)
	}
	return nil
}

// Vetoed reports whether the owner vetoed the swarm.
func (c *Candidates) Vetoed(h swarm.InfoHash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, vetoed := c.vetoes[h]
	return vetoed
}

// Approve is the owner's yes to a candidate. It comes before every rule but sources.deny. A vetoed swarm is no
// candidate any more, so for one of those it only lifts the veto. It fails with ErrUnknown for any other swarm.
func (c *Candidates) Approve(h swarm.InfoHash) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, vetoed := c.vetoes[h]; vetoed {
		delete(c.vetoes, h)
		if c.keptVetoes == nil {
			return nil
		}
		if err := c.keptVetoes.Delete(h); err != nil {
			return fmt.Errorf("lifting the veto of %s: %w", h.String(), err)
		}
		return nil
	}
	k, ok := c.table[h]
	if !ok {
		return ErrUnknown
	}
	k.approved, k.refused = true, ""
	return nil
}

// candidate shows a veto beside the candidates.
func (v Veto) candidate(p Policy) swarm.Candidate {
	shown := swarm.Candidate{Hash: v.Hash, Name: v.Name, Health: swarm.UnknownHealth, Heard: v.At}
	judge(p, &shown, Said{Vetoed: true})
	return shown
}
