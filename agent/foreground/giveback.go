package foreground

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"ebb/agent/foreground/files"
	"ebb/agent/swarm"
)

// GiveBack gives the space of a piece back to the disk, where the file system can do that: it is for a download whose
// files are to be deleted anyway, so that turning it into fragments does not take its space twice. Blocks that the
// piece shares with others go with the last of them. A download that is started again in spite of that is hashed first.
func (l *Loan) GiveBack(index uint32) error {
	if l.layout.PieceLen(index) == 0 {
		return fmt.Errorf("giving back piece %d: there is no such piece", index)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fs.ErrClosed
	}
	// rain's marks say that it holds the piece. That must be known to be wrong before it is.
	if err := l.session.noteHoles(l.hash); err != nil {
		return fmt.Errorf("giving back piece %d: %w", index, err)
	}
	l.given[index] = true
	for s := range l.layout.Piece(index) {
		if s.File == files.Padding {
			continue
		}
		if err := l.punch(s); err != nil {
			return fmt.Errorf("giving back piece %d: %w", index, err)
		}
	}
	return nil
}

// noteHoles remembers that rain's marks of a torrent are not to be believed.
func (s *Session) noteHoles(h swarm.InfoHash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if !s.state.holed.set(h, true) {
		return nil
	}
	err := s.saveState()
	if err != nil {
		s.state.holed.set(h, false)
	}
	return err
}

// punch gives back the blocks of one file that hold nothing but given pieces.
func (l *Loan) punch(s files.Span) error {
	target := l.place.Files[s.File]
	begin, end := l.hole(s)
	if begin >= end {
		return nil
	}
	f, err := l.root.OpenFile(target.Path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err == nil && fi.Mode().IsRegular() && fi.Size() == target.Length { // else it is not ours any more
		err = files.Punch(f, begin, end-begin)
	}
	return errors.Join(err, f.Close())
}

// hole returns which blocks of the file can go with the span, from begin up to end. The last block of a file ends after
// it.
func (l *Loan) hole(s files.Span) (begin, end int64) {
	length := l.place.Files[s.File].Length
	begin = s.Off / l.block * l.block
	if !l.gone(s.File, begin, s.Off) {
		begin += l.block
	}
	end = (s.Off + s.Length + l.block - 1) / l.block * l.block
	if !l.gone(s.File, s.Off+s.Length, min(end, length)) {
		end -= l.block
	}
	return begin, end
}

// gone reports whether all bytes of the file from begin up to end are of given pieces.
func (l *Loan) gone(file int, begin, end int64) bool {
	for at := begin; at < end; {
		index := (l.layout.Starts[file] + at) / l.layout.PieceLength
		if !l.given[uint32(index)] {
			return false
		}
		at = (index+1)*l.layout.PieceLength - l.layout.Starts[file]
	}
	return true
}
