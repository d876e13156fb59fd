package foreground

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"ebb/agent/foreground/files"
	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/cenkalti/rain/v2/torrent"
)

// Loan is a stopped download whose files are lent to whoever turns its pieces into fragments. Its methods may be called
// at the same time. It works until it is closed, also when the session is.
type Loan struct {
	session *Session
	hash    swarm.InfoHash
	torrent []byte
	place   files.Place
	layout  files.Layout
	root    *os.Root
	block   int64 // bytes, see blockSize

	mu     sync.Mutex // guards the rest, and is held while a file is read
	given  map[uint32]bool
	open   *os.File // the one that was read last
	opened int      // its index in place.Files
	closed bool
}

// Lend stops a download and lends its files. It stays known and stopped, over a restart too, as if its owner had
// stopped it; until the loan is closed, Start and Remove are refused. Only one loan of a download is open at a time.
// Errors wrap ErrUnknown, ErrPrivate (BEP 27), ErrNoContent or ErrLent.
func (s *Session) Lend(h swarm.InfoHash) (*Loan, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	d, err := s.find(h)
	if err != nil {
		return nil, err
	}
	rain := s.rain.GetTorrent(h.String())
	if s.closing.Err() != nil {
		return nil, ErrClosed
	}
	if rain == nil || !d.look().MetadataKnown {
		return nil, fmt.Errorf("%s cannot be lent: %w", d.title(), ErrNoContent)
	}
	loan, err := s.newLoan(rain, h, d.look().link.tiers)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be lent: %w", d.title(), err)
	}
	if err := s.lend(d, loan); err != nil {
		return nil, errors.Join(fmt.Errorf("%s cannot be lent: %w", d.title(), err), loan.root.Close())
	}
	if err := s.halt(d, rain); err != nil {
		return nil, errors.Join(fmt.Errorf("%s cannot be lent: %w", d.title(), err), loan.Close())
	}
	return loan, nil
}

// newLoan reads what a loan has to know, and changes nothing yet.
func (s *Session) newLoan(rain *torrent.Torrent, h swarm.InfoHash, tiers [][]string) (*Loan, error) {
	c, t, err := s.read(rain, true)
	if err != nil {
		return nil, err
	}
	if c.private {
		return nil, ErrPrivate
	}
	l := &Loan{
		session: s, hash: h, place: c.place, layout: files.LayoutOf(t.Info),
		given: make(map[uint32]bool), block: files.BlockSize(c.place.Directory),
	}
	file := metainfo.MetaInfo{InfoBytes: t.Raw}
	file.AnnounceList = tiers
	var text bytes.Buffer
	if err := file.Write(&text); err != nil {
		return nil, err
	}
	l.torrent = text.Bytes()
	l.root, err = os.OpenRoot(l.place.Directory)
	return l, err
}

// lend notes the loan, and that the download is stopped.
func (s *Session) lend(d *download, loan *Loan) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.loans[d.hash] != nil:
		return ErrLent
	}
	if _, moving := s.files.Moving(d.hash); moving {
		return ErrMoving
	}
	if s.state.stopped.set(d.hash, true) {
		if err := s.saveState(); err != nil {
			s.state.stopped.set(d.hash, false)
			return err
		}
	}
	s.loans[d.hash] = loan
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted, d.asked = false, false
	d.picture.Lent = true
	return nil
}

// halt makes rain stop, now: a keeper could be about to start it.
func (s *Session) halt(d *download, rain *torrent.Torrent) error {
	s.endKeeper(d)
	err := rain.Stop()
	rain.Stats() // answers when the files are closed; rain still says goodbye then
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.done == nil {
		s.startKeeper(d)
	}
	return err
}

// lending reports whether a download is lent, and whether some of its space was given back since its pieces were last
// hashed.
func (s *Session) lending(h swarm.InfoHash) (lent, holed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loans[h] != nil, s.state.holed[h]
}

// Torrent returns the .torrent file: the info dictionary, and the trackers that may be contacted.
func (l *Loan) Torrent() []byte { return l.torrent }

// ReadPieceAt reads of a piece what is at off and after. It is an io.ReaderAt of the piece. Nothing is verified: what
// was never downloaded or was given back reads as zeros, or is an error where the file is not there or too short.
func (l *Loan) ReadPieceAt(p []byte, index uint32, off int64) (int, error) {
	length := l.layout.PieceLen(index)
	if length == 0 || off < 0 {
		return 0, fmt.Errorf("reading at %d of piece %d: there is no such thing", off, index)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, fs.ErrClosed
	}
	want := min(int64(len(p)), max(length-off, 0))
	n := 0
	for s := range l.layout.Spans(int64(index)*l.layout.PieceLength+off, want) {
		part := p[n : n+int(s.Length)]
		if s.File == files.Padding {
			clear(part)
			n += len(part)
			continue
		}
		f, err := l.file(s.File)
		if err != nil {
			return n, err
		}
		read, err := f.ReadAt(part, s.Off)
		n += read
		if read < len(part) {
			if err == io.EOF {
				err = fmt.Errorf("%s is too short: %w", l.place.Files[s.File].Path, io.ErrUnexpectedEOF)
			}
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// file returns the file, open for reading. The caller holds mu.
func (l *Loan) file(n int) (*os.File, error) {
	if l.open != nil && l.opened == n {
		return l.open, nil
	}
	f, err := l.root.Open(l.place.Files[n].Path)
	if err != nil {
		return nil, err
	}
	l.forgetFile()
	l.open, l.opened = f, n
	return f, nil
}

// forgetFile closes the file that was read last. The caller holds mu.
func (l *Loan) forgetFile() {
	if l.open != nil {
		l.open.Close() // nothing was written to it
		l.open = nil
	}
}

// Close ends the loan. The download can be started or removed again.
func (l *Loan) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.forgetFile()
	s := l.session
	s.mu.Lock()
	delete(s.loans, l.hash)
	if d := s.downloads[l.hash]; d != nil {
		d.mu.Lock()
		d.picture.Lent = false
		d.mu.Unlock()
	}
	s.mu.Unlock()
	return l.root.Close()
}
