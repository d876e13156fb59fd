package foreground

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"ebb/agent/foreground/files"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"

	"github.com/cenkalti/rain/v2/torrent"
)

// batchBytes is how many bytes of pieces are put into the files before these are synced. A longer piece goes alone. So
// this much more than the pieces take is needed on the disk while they move.
const batchBytes = 8 << 20

// probePrefix begins rain's names of torrents that the version before this one added for a moment, to look at. Those of
// downloads are hashes.
const probePrefix = "probe-"

// Pieces are fragments that become part of a download.
type Pieces interface {
	// Indexes returns which pieces there are, ascending.
	Indexes() []uint32
	// Open returns a whole, verified piece. One that cannot be opened, or read to its end, is left out: the download
	// gets it from its swarm.
	Open(index uint32) (io.ReadCloser, error)
	// Placed says that these pieces are in the download's files, and synced: they may be deleted.
	Placed(indexes []uint32) error
}

// Adopt adds a download some of whose pieces are here already. First they are put into its files; then it is added as
// AddTorrent does it, and all that is in the files is hashed and kept. It returns when that is about to begin.
//
// The steps:
//
//  1. The torrent is checked as AddTorrent does, and the place of its files
//     settled.
//  2. The ledger promises room for what no piece covers. A piece that moves needs
//     none: its fragment goes.
//  3. The files are made, sparse and at full length, as rain would have them made.
//  4. Batch by batch, pieces are copied, the files synced, and Placed called.
//  5. rain and a keeper take over, and the promise with them.
//
// Adopt may end at any step, by an error, with ctx, or with the process. What was placed stays placed, nothing else is
// lost, and Adopt again with the pieces that are left goes on from there: files of the right length are taken for its
// own. If it was the end of the process after step 5, or there is no piece, it finds the download and returns nil. A
// download that was added otherwise is left alone, and so are the pieces: ErrExists. Errors of the ledger come before
// anything is written.
func (s *Session) Adopt(ctx context.Context, file []byte, start bool, pieces Pieces) (swarm.InfoHash, error) {
	t, err := parseTorrent(file)
	if err != nil {
		return swarm.InfoHash{}, err
	}
	canonical, err := s.canonical(t, file)
	if err != nil {
		return swarm.InfoHash{}, fmt.Errorf("%w: %w", ErrBadSource, err)
	}
	if !s.adoptions.enter() {
		return swarm.InfoHash{}, ErrClosed
	}
	defer s.adoptions.leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.closing, func() { cancel(ErrClosed) })()

	a := &adoption{
		session: s, hash: t.Info.Hash, canonical: canonical, link: s.linkOf(t), pieces: pieces, todo: pieces.Indexes(), contents: contentsOf(t),
	}
	here, err := a.begin()
	if here || err != nil {
		return a.hash, err
	}
	defer a.end()
	if err := a.inspect(t.Info); err != nil {
		return a.hash, err
	}
	if err := a.reserve(); err != nil {
		return a.hash, err
	}
	if err := a.fill(ctx); err != nil {
		return a.hash, fmt.Errorf("putting pieces into the files of %s below %s: %w", a.name, a.place.Directory, err)
	}
	return a.hash, a.finish(ctx, start)
}

// adoption is one Adopt under way.
type adoption struct {
	session   *Session
	hash      swarm.InfoHash
	canonical []byte // what rain gets
	link      link
	pieces    Pieces
	todo      []uint32 // pieces not placed yet

	contents
	layout  files.Layout
	promise *promise // nil if no room is needed, or it is somebody else's now
	apart   bool     // see Config.FragmentsApart
}

// begin makes sure that the torrent can be added, and that nobody else adds it. here says that it is a download
// already, and that all is done.
func (a *adoption) begin() (here bool, err error) {
	s := a.session
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.Lock()
	adopting, adopted := s.adopting[a.hash], s.state.adopted[a.hash]
	s.mu.Unlock()
	err = s.makeRoom(a.hash)
	switch {
	case err == nil:
	case !adopting && (adopted || len(a.todo) == 0):
		return true, nil
	default:
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adopting[a.hash] = true
	return false, nil
}

// end gives back what finish has not handed over.
func (a *adoption) end() {
	s := a.session
	if a.promise != nil {
		s.cfg.Ledger.Withdraw(a.hash)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.adopting, a.hash)
}

// inspect settles where the files are going to be.
func (a *adoption) inspect(info *peerwire.Info) error {
	s := a.session
	if err := s.checkPieces(info); err != nil {
		return err
	}
	a.layout = files.LayoutOf(info)
	for _, index := range a.todo {
		if a.layout.PieceLen(index) == 0 {
			return fmt.Errorf("%s has %d pieces, and none with the number %d", a.name, a.layout.Pieces(), index)
		}
	}
	if err := s.cfg.makeDirectory(s.cfg.Directory); err != nil {
		return err
	}
	var err error
	if a.place, err = s.files.Settle(info, s.cfg.Directory, nil, false); err != nil {
		return err
	}
	return s.cfg.makeDirectory(a.place.Directory)
}

// reserve asks the ledger for the room that no piece covers.
func (a *adoption) reserve() error {
	s := a.session
	var covered int64
	if a.apart = s.cfg.FragmentsApart(); !a.apart {
		for _, index := range a.todo {
			covered += a.layout.PieceLen(index)
		}
	}
	promise, _, err := s.newPromise(a.place, a.layout.Length, covered)
	if err != nil {
		return err
	}
	a.promise, err = promise.ask(s.cfg.Ledger, a.hash)
	return err
}

// fill makes the files, and puts all pieces into them.
func (a *adoption) fill(ctx context.Context) error {
	if err := a.place.Make(); err != nil {
		return err
	}
	to, err := a.place.NewWriter()
	if err != nil {
		return err
	}
	defer to.Close()
	for len(a.todo) > 0 {
		if a.session.closing.Err() != nil { // ctx hears of it a little later
			return ErrClosed
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := a.batch(to); err != nil {
			return err
		}
	}
	return nil
}

// batch places the next pieces.
func (a *adoption) batch(to *files.Writer) error {
	defer to.Discard()
	var placed []uint32
	var size int64
	for _, index := range a.todo {
		length := a.layout.PieceLen(index)
		if size > 0 && size+length > batchBytes {
			break
		}
		size += length
		done, err := a.copy(to, index)
		if err != nil {
			return fmt.Errorf("piece %d: %w", index, err)
		}
		if done {
			placed = append(placed, index)
		}
		a.todo = a.todo[1:]
	}
	if err := to.Sync(); err != nil {
		return err
	}
	if len(placed) > 0 {
		if err := a.pieces.Placed(placed); err != nil {
			return err
		}
	}
	if a.promise != nil && !a.apart {
		a.promise.unplaced.Add(-size)
	}
	return nil
}

// copy puts one piece into the files. It reports false if the piece cannot be read. Errors are those of the files.
func (a *adoption) copy(to *files.Writer, index uint32) (bool, error) {
	piece, err := a.pieces.Open(index)
	if err == nil {
		err = to.Write(a.layout.Piece(index), piece)
		err = errors.Join(err, piece.Close())
	}
	if err == nil {
		return true, nil
	}
	unreadable := a.read(index)
	if unreadable == nil {
		return false, err
	}
	a.session.cfg.Log.Warn("a fragment cannot be read, and will be downloaded again", "name", a.name, "piece", index, "err", unreadable)
	return false, nil
}

// read returns the error of reading a piece. Copying does not tell on which side it has failed.
func (a *adoption) read(index uint32) error {
	piece, err := a.pieces.Open(index)
	if err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, piece, a.layout.PieceLen(index))
	return errors.Join(err, piece.Close())
}

// finish adds the download.
func (a *adoption) finish(ctx context.Context, start bool) error {
	s := a.session
	n := newcomer{
		hash: a.hash, start: start, name: a.name, adopted: true, link: a.link,
		give: func(opt *torrent.AddTorrentOptions) (*torrent.Torrent, error) {
			return s.rain.AddTorrent(bytes.NewReader(a.canonical), opt)
		},
	}
	if start {
		n.promise = a.promise
	}
	if err := s.add(ctx, n); err != nil {
		return err
	}
	if start {
		a.promise = nil
	}
	return nil
}
