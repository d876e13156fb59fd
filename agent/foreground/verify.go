package foreground

import (
	"fmt"

	"ebb/agent/swarm"
)

// Verify has the files of a download hashed again: what is damaged is downloaded anew, and what somebody else has put
// there is taken. It returns before that has happened. A stopped download is hashed when it is started; until then, over
// restarts too, it counts as if nothing of it were there. What was transferred is counted from 0 afterwards.
func (s *Session) Verify(h swarm.InfoHash) error {
	d, err := s.find(h)
	if err != nil {
		return err
	}
	if d.look().dropped {
		return fmt.Errorf("%w: %s: add it again", ErrBadSource, d.look().Error)
	}
	if !d.look().MetadataKnown {
		return fmt.Errorf("%s cannot be verified: %w", d.title(), ErrNoContent)
	}
	if lent, _ := s.lending(h); lent {
		return fmt.Errorf("%s cannot be verified: %w", d.title(), ErrLent)
	}
	if err := s.noteHoles(h); err != nil {
		return fmt.Errorf("verifying %s: %w", d.title(), err)
	}
	d.mu.Lock()
	d.distrusted, d.asked = true, true
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default: // it will look anyway
	}
	d.tell("verifying", "is to be verified")
	return nil
}

// distrust gives up the place of a download whose files are to be hashed again: it stops, and begins anew with what
// reserve finds.
func (d *download) distrust() {
	d.mu.Lock()
	distrusted := d.distrusted
	d.distrusted = false
	d.mu.Unlock()
	if distrusted && d.reserved {
		d.letGo()
	}
}
