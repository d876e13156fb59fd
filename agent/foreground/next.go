package foreground

import "github.com/cenkalti/rain/v2/torrent"

// situation is what the next step of a download depends on.
type situation struct {
	status   torrent.Status // of rain's
	wanted   bool           // the owner wants it to run
	failed   bool           // it cannot go on before the owner says so
	examined bool           // its metadata was found good
	reserved bool           // its space is promised
	moving   bool           // its files are to be moved
	due      bool           // it need not wait any longer for space, or for its disk
}

// step is something to do to a download.
type step int

const (
	rest    step = iota // nothing, for now
	examine             // check the info dictionary, and which files it wants
	reserve             // ask the ledger for space
	start               // have rain download, or seed
	stop                // have rain stop
	move                // move the files
	release             // give the promised space back
)

// next says what to do next to a download. It is pure; the order of the cases is the order of a download's life.
func next(s situation) step {
	idle := s.status == torrent.Stopped
	leaving := s.status == torrent.Stopping // rain ignores commands until it has left
	switch {
	case leaving:
		return rest
	case s.moving && s.examined && !s.failed && !idle:
		return stop
	case s.moving && s.examined && !s.failed && s.due:
		return move
	case !s.wanted || s.failed:
		switch {
		case !idle:
			return stop
		case s.reserved:
			return release
		}
		return rest
	case !idle && !(s.examined && s.reserved):
		return stop
	case !s.examined && s.due:
		return examine
	case !s.examined:
		return rest
	case !s.reserved && s.due:
		return reserve
	case !s.reserved:
		return rest
	case idle:
		return start
	}
	return rest
}
