package foreground

import (
	"errors"
	"fmt"

	"ebb/agent/swarm"
)

// Start makes a download run; one that has failed or waits for space is tried again at once. It returns before that has
// happened.
func (s *Session) Start(h swarm.InfoHash) error { return s.want(h, true) }

// Stop makes a download leave its swarm. It stays stopped until Start, also over restarts. The space promised to it is
// given back. It returns before that has happened.
func (s *Session) Stop(h swarm.InfoHash) error { return s.want(h, false) }

func (s *Session) want(h swarm.InfoHash, wanted bool) error {
	d, err := s.find(h)
	if err != nil {
		return err
	}
	gone := d.look().dropped
	s.mu.Lock()
	switch {
	case s.closed:
		err = ErrClosed
	case wanted && gone:
		err = fmt.Errorf("%w: %s: add it again", ErrBadSource, d.look().Error)
	case wanted && s.loans[h] != nil:
		err = fmt.Errorf("%s cannot be started: %w", d.title(), ErrLent)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	if s.state.stopped.set(h, !wanted) {
		err = s.saveState()
	}
	d.mu.Lock()
	d.wanted, d.asked = wanted, wanted
	d.mu.Unlock()
	s.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default: // it will look anyway
	}
	if err != nil { // a full disk must not keep anybody from stopping a download
		return fmt.Errorf("done, but not for longer than this session: %w", err)
	}
	return nil
}

// note changes what is remembered of the downloads, and saves it if change reports that it is something else now.
func (s *Session) note(change func(*state) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case change(&s.state):
		return s.saveState()
	}
	return nil
}

// saveState saves what is remembered of the downloads. The caller holds mu.
func (s *Session) saveState() error { return s.state.save(s.cfg.Database + stateSuffix) }

// Remove ends a download and forgets it. With deleteData it also deletes the torrent's files, and the directories that
// this leaves empty. It does as much of that as it can, whatever fails. A download that is lent is not removed: the
// error wraps ErrLent, and nobody waits for the loan to end.
func (s *Session) Remove(h swarm.InfoHash, deleteData bool) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	d, err := s.find(h)
	if err != nil {
		return err
	}
	if lent, _ := s.lending(h); lent {
		return fmt.Errorf("%s cannot be removed: %w", d.title(), ErrLent)
	}
	if err := s.note(func(st *state) bool { return st.forget(h) }); errors.Is(err, ErrClosed) {
		return err
	} else if err != nil {
		s.cfg.Log.Warn("forgetting what was noted about a download", "name", d.title(), "err", err)
	}
	s.forget(d)
	var errs []error
	if err := d.forgetAll(); err != nil {
		errs = append(errs, fmt.Errorf("removing %s: %w", d.title(), err))
	}
	d.letGo()
	if err := s.files.Stay(h); err != nil {
		errs = append(errs, err)
	}
	if deleteData && d.examined {
		err := s.cfg.Present(d.place.Directory)
		if err == nil {
			err = d.place.Delete()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("deleting the files of %s below %s: %w", d.title(), d.place.Directory, err))
		}
	}
	errs = append(errs, s.forgetPlace(h))
	d.tell("removed", "removed")
	return errors.Join(errs...)
}
