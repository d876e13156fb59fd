package door

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// Seek gathers the metadata of one swarm from its peers (BEP 9), several at a time, into a file, from where it goes on
// after a restart or a crash. Its methods may be called from any goroutine.
//
// No piece can be told good from bad before all are there. When the whole is wrong and came from one peer, that one has
// lied. When it came from several, each is asked for all of it in turn, and then it is clear who lies.
type Seek struct {
	hash  swarm.InfoHash
	path  string
	limit int64
	done  chan struct{} // closed when all of it is there

	mu      sync.Mutex // guards the rest
	file    *os.File   // while there is a fetch
	fetch   *peerwire.MetadataFetch
	older   bool                // some pieces are from before a restart
	senders map[*giver]struct{} // who sent the others
	givers  map[*giver]struct{} // who is connected and has it
	alone   bool                // one peer at a time is asked
	only    *giver              // who, if one is
	moved   time.Time           // when a piece last came, or this fetch began
	failure error               // of the disk
	closed  bool
}

const (
	seekDepth = 8 // pieces of 16 KiB that one peer is asked for at a time
	// giverPatience is how long a peer may take for one piece, and seekPatience how long nothing may come before the
	// peers that claim another length are believed. A peer that has failed to deliver rests for giverRest.
	giverPatience = 15 * time.Second
	seekPatience  = 45 * time.Second
	giverRest     = 30 * time.Second
)

// errLied says that a peer sent metadata with another hash than it was asked for.
var errLied = errors.New("peer sent false metadata")

// giver is a peer that has the metadata.
type giver struct {
	size  int64 // of it, as the peer says
	send  func(request []byte) error
	asked map[int]struct{} // pieces that it has been asked for
	since time.Time        // when it last sent one, or was asked for the first
	rests time.Time        // it is not asked before
}

// NewSeek looks for the metadata of h, of at most limit bytes, and keeps what comes in the file at path. What is there
// already is taken up. Close must follow.
func NewSeek(h swarm.InfoHash, path string, limit int64) *Seek {
	s := &Seek{
		hash: h, path: path, limit: limit, done: make(chan struct{}),
		givers: make(map[*giver]struct{}),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Size() > 0 && fi.Size() <= limit {
		s.begin(fi.Size(), time.Now())
	}
	return s
}

// Progress says how far a Seek is.
type Progress struct {
	Have, Pieces int   // of 16 KiB; 0 while no peer has told the length
	Peers        int   // who are asked
	TooLarge     int64 // the least length that peers tell of, if all tell of one beyond Limit; else 0. Bytes
	Limit        int64 // bytes
	Err          error // of the disk; nil if there is none
}

// Progress returns how far it is.
func (s *Seek) Progress() Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Progress{Err: s.failure, Limit: s.limit}
	if s.fetch != nil {
		p.Have, p.Pieces = s.fetch.Progress()
	}
	for g := range s.givers {
		switch {
		case s.fetch != nil && g.size == s.fetch.Size():
			p.Peers++
		case g.size > s.limit && (p.TooLarge == 0 || g.size < p.TooLarge):
			p.TooLarge = g.size
		}
	}
	if s.fetch != nil {
		p.TooLarge = 0
	}
	return p
}

// Done is closed when all of it is there, and Info may be called.
func (s *Seek) Done() <-chan struct{} { return s.done }

// Info returns the whole info dictionary, whose hash is right. Nothing else is known of it.
func (s *Seek) Info() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetch == nil || s.closed {
		return nil, fs.ErrClosed
	}
	return s.fetch.Info()
}

// Close ends it. What has come stays in the file.
func (s *Seek) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return s.shut()
}

// Remove ends it, and deletes what has come.
func (s *Seek) Remove() error {
	err := errors.Join(s.Close(), os.Remove(s.path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// shut closes the file, and ends the fetch. s.mu is held.
func (s *Seek) shut() error {
	s.fetch, s.senders, s.only = nil, nil, nil
	for g := range s.givers {
		clear(g.asked)
	}
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	return file.Close()
}

// begin starts a fetch of so many bytes, with what the file has. s.mu is held.
func (s *Seek) begin(size int64, now time.Time) {
	if err := s.shut(); err != nil {
		s.failure = err
	}
	file, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		s.failure = err
		return
	}
	s.file, s.moved, s.older = file, now, false
	if s.fetch, err = peerwire.NewMetadataFetch(s.hash, size, s.limit, file); err == nil {
		err = s.fill(size)
	}
	if err != nil {
		s.failure = errors.Join(err, s.shut())
	}
}

// fill brings the file to its length, and takes up what it has. s.mu is held.
func (s *Seek) fill(size int64) error {
	fi, err := s.file.Stat()
	if err != nil {
		return err
	}
	if fi.Size() != size {
		return s.wipe(size)
	}
	done, err := s.fetch.Resume()
	if errors.Is(err, peerwire.ErrMetadataHash) {
		return s.wipe(size)
	}
	have, _ := s.fetch.Progress()
	s.older = have > 0
	if done {
		close(s.done)
	}
	return err
}

// wipe makes the file one of zeros, which stand for pieces that are not there. s.mu is held.
func (s *Seek) wipe(size int64) error {
	s.older = false
	s.senders = nil
	return errors.Join(s.file.Truncate(0), s.file.Truncate(size))
}

// whole reports whether all of it is there. s.mu is held.
func (s *Seek) whole() bool {
	select {
	case <-s.done:
		return true
	default:
		return s.closed
	}
}

// offer takes in a peer that says that it has the metadata.
func (s *Seek) offer(g *giver, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.asked = make(map[int]struct{})
	s.givers[g] = struct{}{}
	s.arrange(now)
}

// leave notes that a peer has gone.
func (s *Seek) leave(g *giver, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(g)
	delete(s.givers, g)
	s.arrange(now)
}

// tick notes that time has passed.
func (s *Seek) tick(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := range s.givers {
		if len(g.asked) > 0 && now.Sub(g.since) >= giverPatience {
			s.giveUp(g, now)
		}
	}
	s.arrange(now)
}

// take takes a ut_metadata message of a peer. After an error the peer is to go, and after errLied for good.
func (s *Seek) take(g *giver, m peerwire.MetadataMessage, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, asked := g.asked[m.Piece]; !asked || s.whole() || m.Kind == peerwire.MetadataRequest {
		return nil
	}
	if m.Kind == peerwire.MetadataReject {
		s.giveUp(g, now)
		s.arrange(now)
		return nil
	}
	done, err := s.fetch.Add(m)
	delete(g.asked, m.Piece)
	switch {
	case errors.Is(err, peerwire.ErrMetadataHash):
		return s.misled(g)
	case errors.Is(err, peerwire.ErrProtocol):
		s.fetch.Retry(m.Piece)
		return err
	case err != nil:
		s.failure = err
		s.fetch.Retry(m.Piece)
		s.giveUp(g, now) // when the disk may have recovered
		return nil
	case done:
		close(s.done)
		return nil
	}
	if s.senders == nil {
		s.senders = make(map[*giver]struct{})
	}
	s.senders[g] = struct{}{}
	g.since, s.moved, s.failure = now, now, nil
	s.pump(g, now)
	return nil
}

// misled begins again after a whole that was wrong, to which g sent the last piece. s.mu is held.
func (s *Seek) misled(g *giver) error {
	delete(s.senders, g)
	guilty := len(s.senders) == 0 && !s.older
	for other := range s.givers {
		clear(other.asked) // the fetch has forgotten them
	}
	s.alone, s.only = true, nil
	if err := s.wipe(s.fetch.Size()); err != nil {
		s.failure = err
	}
	if guilty {
		return errLied
	}
	return nil
}

// arrange decides on the length, and asks whoever can be asked. s.mu is held.
func (s *Seek) arrange(now time.Time) {
	if s.whole() {
		return
	}
	if size := s.believed(now); size > 0 {
		s.begin(size, now)
	}
	for g := range s.givers {
		s.pump(g, now)
	}
}

// believed is the length to try instead of the one that is tried, or 0: the one that most peers tell of, if nothing has
// come yet or for a while. s.mu is held.
func (s *Seek) believed(now time.Time) int64 {
	claims := make(map[int64]int)
	for g := range s.givers {
		if g.size <= s.limit {
			claims[g.size]++
		}
	}
	tried, have := int64(0), 0
	if s.fetch != nil {
		tried = s.fetch.Size()
		have, _ = s.fetch.Progress()
	}
	current := claims[tried]
	delete(claims, tried)
	best := int64(0)
	for size, n := range claims {
		if n > claims[best] || n == claims[best] && size < best {
			best = size
		}
	}
	stuck := now.Sub(s.moved) >= seekPatience
	if s.fetch == nil || stuck || have == 0 && claims[best] > current {
		return best
	}
	return 0
}

// pump keeps a peer asked, if it is of use. s.mu is held.
func (s *Seek) pump(g *giver, now time.Time) {
	if s.fetch == nil || g.size != s.fetch.Size() || now.Before(g.rests) || s.whole() {
		return
	}
	if s.alone {
		if s.only == nil {
			s.only = g
		}
		if s.only != g {
			return
		}
	}
	for len(g.asked) < seekDepth {
		piece, request, ok := s.fetch.Next()
		if !ok {
			return
		}
		if g.send(request) != nil { // its connection is about to end
			s.fetch.Retry(piece)
			return
		}
		if len(g.asked) == 0 {
			g.since = now
		}
		g.asked[piece] = struct{}{}
	}
}

// giveUp has others asked for what a peer does not send. s.mu is held.
func (s *Seek) giveUp(g *giver, now time.Time) {
	s.release(g)
	g.rests = now.Add(giverRest)
}

// release frees what a peer was asked for. When one is asked at a time, what it has sent is worth nothing without the
// rest. s.mu is held.
func (s *Seek) release(g *giver) {
	if s.fetch == nil {
		return
	}
	for piece := range g.asked {
		s.fetch.Retry(piece)
	}
	clear(g.asked)
	if s.only == g {
		size := s.fetch.Size()
		if err := s.file.Truncate(0); err != nil {
			s.failure = err
		}
		s.begin(size, s.moved)
	}
}
