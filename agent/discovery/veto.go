package discovery

import (
	"fmt"
	"time"

	"github.com/anacrolix/torrent/metainfo"
)

// Veto is the owner's "never this one".
type Veto struct {
	Hash metainfo.Hash `json:"hash"`
	Name string        `json:"name"` // as it was known then, for display
	At   time.Time     `json:"at"`
}

// Saver keeps the vetoes over restarts.
type Saver interface {
	Vetoes() ([]Veto, error)
	PutVeto(Veto) error
	DeleteVeto(metainfo.Hash) error
}

// Veto makes sure that the swarm never becomes a candidate again, whether it
// is one now or not. name may be empty for one that is. The veto holds from
// now on even when saving it fails, but then not after a restart.
func (c *Candidates) Veto(h metainfo.Hash, name string, now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k, ok := c.table[h]; ok {
		if name == "" {
			name = k.entry().Name
		}
		c.forget(k)
	}
	v := Veto{Hash: h, Name: CleanText(name, maxNameRunes), At: now}
	c.vetoes[h] = v
	if c.saver == nil {
		return nil
	}
	if err := c.saver.PutVeto(v); err != nil {
		return fmt.Errorf("saving the veto of %s: %w", h.HexString(), err)
	}
	return nil
}

// Vetoed tells whether the owner vetoed the swarm.
func (c *Candidates) Vetoed(h metainfo.Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, vetoed := c.vetoes[h]
	return vetoed
}

// Approve is the owner's yes to a candidate. It comes before every rule but
// sources.deny. A vetoed swarm is no candidate any more, so for one of those
// it only lifts the veto. It fails with ErrUnknown for any other swarm.
func (c *Candidates) Approve(h metainfo.Hash) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, vetoed := c.vetoes[h]; vetoed {
		delete(c.vetoes, h)
		if c.saver == nil {
			return nil
		}
		if err := c.saver.DeleteVeto(h); err != nil {
			return fmt.Errorf("lifting the veto of %s: %w", h.HexString(), err)
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
func (v Veto) candidate(p Policy) Candidate {
	shown := Candidate{
		Entry:       Entry{Hash: v.Hash, Name: v.Name, Copies: Unknown, Seeds: Unknown, Leechers: Unknown},
		Heard:       v.At,
		OwnerVetoed: true,
	}
	shown.judge(p)
	return shown
}
