package fragstore

import (
	"fmt"
)

// Mend makes memory, index, directory and Used agree again while the store is in use, the way Open does: strays are
// deleted, entries without a file dropped, sizes corrected; foreign files are named in the log, and left alone. It
// returns a sentence for each kind of thing that it mended, and an error if something could not be mended.
func (s *Store) Mend() (mended []string, err error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.work.Done()
	s.moves.Lock()
	defer s.moves.Unlock()
	note := func(n int, format string) {
		if n > 0 {
			mended = append(mended, fmt.Sprintf(format, n))
		}
	}

	s.mu.Lock()
	wrong := s.used - s.sum()
	s.used -= wrong
	s.mu.Unlock()
	note(int(max(wrong, -wrong)), "the space in use was counted wrong by %d bytes: corrected")

	r, err := s.reconcile()
	note(r.strays, "%d files that the index did not know, or knew with another length, were deleted")
	note(r.incoming, "%d incoming files that nobody was receiving were deleted")
	note(len(r.missing), "%d fragments whose files were missing or had the wrong length were dropped")
	note(r.resized, "%d fragments took another space on disk than was counted: corrected, and they are verified again before they are served")
	if err = also(err, r.undeleted); err == nil {
		r.report(s.log)
		var corrected int
		corrected, err = s.correctIndex(r.missing)
		note(corrected, "%d entries of the index were wrong: corrected")
	}
	for _, what := range mended {
		s.log.Warn("fragment store mended", "what", what)
	}
	if err != nil {
		return mended, fmt.Errorf("mending the fragment store: %w", explainDisk(err))
	}
	return mended, nil
}

// correctIndex lets the index say what memory does, and returns at how many places that was a correction, not counting
// the fragments that have just been dropped. s.moves is held.
func (s *Store) correctIndex(dropped []Key) (corrected int, err error) {
	for _, k := range dropped {
		s.index.put(fragmentsBucket, fragmentKey(k), nil)
	}
	// What waits may be what is missing.
	if err := s.index.flush(); err != nil {
		return 0, err
	}
	err = s.compareIndex(func(key string, e *entry, _ string) {
		corrected++
		var value []byte
		if e != nil {
			e.state &^= unsaved
			value = fragmentValue(e, s.epoch)
		}
		s.index.put(fragmentsBucket, key, value)
	})
	return corrected, also(err, s.index.flush())
}
