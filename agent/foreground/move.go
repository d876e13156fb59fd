package foreground

import (
	"context"
	"fmt"
	"path/filepath"

	"ebb/agent/swarm"
)

// Move has the files of a download moved to another directory, which is made if needed. It returns before that has
// happened; the download is not in its swarm meanwhile, and goes on afterwards as before. What was planned goes on
// after a restart. To name the directory where they are drops the plan. If a move fails, the download says why, and the
// next Start or Move tries again. Errors wrap ErrUnknown, ErrNoContent, ErrLent or ErrInTheWay.
func (s *Session) Move(h swarm.InfoHash, directory string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	d, err := s.find(h)
	if err != nil {
		return err
	}
	lent, _ := s.lending(h)
	switch {
	case s.closing.Err() != nil:
		return ErrClosed
	case !filepath.IsAbs(directory):
		return fmt.Errorf("%w: %q is no directory from the root on, such as /mnt/films", ErrBadPlace, directory)
	case lent:
		return fmt.Errorf("%s cannot be moved: %w", d.title(), ErrLent)
	case !d.look().MetadataKnown:
		return fmt.Errorf("%s cannot be moved: %w", d.title(), ErrNoContent)
	}
	directory = filepath.Clean(directory)
	if err := s.cfg.makeDirectory(directory); err != nil {
		return fmt.Errorf("%w: %w", ErrBadPlace, err)
	}
	// Nobody moves what is to be moved elsewhere now.
	s.endKeeper(d)
	err = s.files.PlanMove(h, directory)
	d.mu.Lock()
	d.relocated = err == nil
	d.mu.Unlock()
	s.mu.Lock()
	s.startKeeper(d)
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s cannot be moved: %w", d.title(), err)
	}
	return nil
}

// move moves the files of a download that does not run.
func (d *download) move(ctx context.Context) error {
	if d.reserved {
		d.letGo() // they are promised room where they will be
	}
	to, _ := d.session.files.Moving(d.hash)
	if err := d.session.cfg.makeDirectory(to); err != nil {
		return err
	}
	d.tell("moving", "its files are being moved to "+to)
	place, err := d.session.files.Move(ctx, d.hash, func(bytes int64) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.picture.State, d.picture.Error = Moving, ""
		d.picture.MovingTo, d.picture.Moved = to, bytes
	})
	if ctx.Err() != nil {
		return nil // it goes on when somebody keeps it again
	}
	if place.Directory == to { // even if something is left where they were
		d.place = place
		d.tell("moved", "its files are in "+to)
		if err != nil {
			d.session.cfg.Log.Warn("after a move", "name", d.title(), "err", err)
		}
		return nil
	}
	return err
}
