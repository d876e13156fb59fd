package background

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
)

// Donor has pieces of a swarm on this machine: a download that its owner removed 'but keep helping'. Its methods are
// called by one goroutine at a time, and must not call the engine.
type Donor interface {
	// ReadPieceAt reads from a piece like an io.ReaderAt. What it reads is
	// checked against the piece's hash; a piece that cannot be read is skipped.
	ReadPieceAt(p []byte, index uint32, off int64) (int, error)
	// Stored hears that a piece is a fragment now.
	Stored(index uint32)
	// Close hears, exactly once, that nothing more is wanted of it. done: for good, because all that fits is stored, or
	// the swarm is left. Otherwise the engine stops, or the swarm was released; it may be given again.
	Close(done bool)
}

// ErrGiven says that the swarm has a donor already.
var ErrGiven = errors.New("pieces of this swarm are being taken from a download already")

// Give has a swarm take pieces from a donor, as many as there is room for, rarest first. After an error (ErrUnknown,
// ErrReleased, ErrGiven) the donor was not taken, and is not closed; otherwise the engine closes it in any case.
func (e *Engine) Give(h swarm.InfoHash, d Donor) error {
	s := e.table.get(h)
	if s == nil {
		return ErrUnknown
	}
	l, err := e.keep(s)
	if err == nil {
		hand(s, l, d)
	}
	return err
}

// keep has a swarm be one that takes pieces from a donor. It returns nil if it cannot go live, for the engine does not
// run.
func (e *Engine) keep(s *membership) (*live, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.life {
	case lifeLeaving:
		return nil, ErrUnknown
	case lifeReleased:
		return nil, fmt.Errorf("%s %w", s.record.Name, ErrReleased)
	case lifeKeeping:
		return nil, ErrGiven
	}
	l := e.activate(s, always)
	if l != nil {
		s.life = lifeKeeping
	}
	return l, nil
}

// hand gives the donor to a swarm that keep or enter has made live, or closes it.
func hand(s *membership, l *live, d Donor) {
	if l != nil && post(l, l.given, d) {
		return
	}
	s.mu.Lock()
	left := s.life == lifeLeaving
	s.mu.Unlock()
	d.Close(left) // else the engine does not run, or the swarm was just released
}

// donation is what a live swarm takes from a donor. Each step runs on the swarm's goroutine but 3.
//
//  1. ready: where not everything fits, the order matters, and so it waits for
//     peers to say what they have.
//  2. draw: the rarest piece is chosen and room for it admitted. Without room for
//     a piece, there is none for those that are less rare either: that is the end.
//  3. transfer, on a goroutine of its own: the piece is read, written, hashed and
//     synced. Nothing passes the bandwidth limits, for nothing leaves the machine.
//  4. handleDonated: peers are told, and the next piece is drawn.
type donation struct {
	Donor
	has   peerwire.Bitfield // the pieces that it may still have; empty until the metadata is known
	since time.Time
	began bool      // ready has said yes
	busy  bool      // a piece is on its way
	retry time.Time // not before then, after the disk refused
}

// donorPatience is how long peers may take to say what they have.
const donorPatience = 30 * time.Second

// donated is what became of a piece.
type donated struct {
	index  uint32
	length int64
	err    error
}

// errLacking says that the donor could not read a piece.
var errLacking = errors.New("the download lacks the piece")

func (l *live) handleGiven(d Donor) {
	now := time.Now()
	l.donation = &donation{Donor: d, since: now}
	if l.info == nil {
		return // know goes on
	}
	l.offer()
	l.review() // nothing of it is wanted from peers
	l.publish()
	l.draw(now)
}

// offer takes it that the donor, if there is one, has everything.
func (l *live) offer() {
	if d := l.donation; d != nil {
		d.has = peerwire.NewBitfield(l.info.NumPieces())
		d.has.SetAll()
	}
}

// donates reports whether the donor may still have a piece.
func (l *live) donates(i int) bool { return l.donation != nil && l.donation.has.Has(i) }

// ready reports whether the donor's pieces may be taken: the rarest are known, or it does not matter which they are.
func (l *live) ready(d *donation, now time.Time) bool {
	if now.Sub(d.since) >= donorPatience {
		return true
	}
	store, usage := l.engine.cfg.Store, l.engine.cfg.Ledger.Usage()
	room := usage.Limit - usage.Used
	for i := range d.has.Len() {
		if d.has.Has(i) && !l.held.Has(i) {
			room -= store.Charge(l.info.PieceLen(i))
		}
	}
	if room >= 0 {
		return true
	}
	if len(l.peers) == 0 || l.book.Dialing > 0 {
		return false
	}
	for p := range l.peers {
		if !p.having.said {
			return false
		}
	}
	return true
}

// draw takes the next piece from the donor, if there is one and none is on its way.
func (l *live) draw(now time.Time) {
	d := l.donation
	if d == nil || l.info == nil || d.busy || now.Before(d.retry) || l.ctx.Err() != nil {
		return
	}
	if d.began = d.began || l.ready(d, now); !d.began {
		return
	}
	want := func(i int) bool { return d.has.Has(i) && !l.held.Has(i) && l.fetches[uint32(i)] == nil }
	i, ok := choose.Piece(l.copies, want, l.rnd)
	if !ok {
		l.finishDonation()
		return
	}
	length := l.info.PieceLen(i)
	l.swarm.chargeAsked(length)
	key := fragstore.Key{Hash: l.swarm.hash, Index: uint32(i)}
	w, reclaimed, err := l.engine.cfg.Ledger.AdmitAsked(key, length, l.info.PieceHash(i), choose.Value(l.need, int(l.copies[i])))
	l.engine.reclaimed(reclaimed, l.swarm)
	if err != nil {
		l.swarm.refund(length)
		switch {
		case errors.Is(err, disk.ErrNoRoom):
			l.finishDonation()
		case errors.Is(err, fragstore.ErrHeld):
			l.gain(key.Index) // it could not be deleted when it was to be reclaimed
			l.draw(now)
		default:
			l.engine.cfg.Log.Debug("piece of a download not admitted", "swarm", l.info.Name, "err", err)
			d.retry = now.Add(noRoomPause)
		}
		return
	}
	l.waitNoMore()
	d.busy = true
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		err := transfer(l.ctx, d, w, length)
		if err == nil {
			d.Stored(key.Index)
		}
		post(l, l.donated, donated{key.Index, length, err})
	}()
}

// transferBlock is how much is read at a time, bytes.
const transferBlock = 64 << 10

// transfer makes a piece of the donor's a fragment.
func transfer(ctx context.Context, d Donor, w *fragstore.Writer, length int64) error {
	block := make([]byte, min(transferBlock, length))
	for off := int64(0); off < length; off += int64(len(block)) {
		block = block[:min(int64(len(block)), length-off)]
		err := ctx.Err()
		if err == nil {
			// ReadAt may report the end of the file along with the last bytes.
			var n int
			if n, err = d.ReadPieceAt(block, w.Key().Index, off); n == len(block) {
				_, err = w.WriteAt(block, off)
			} else {
				err = fmt.Errorf("%w: %w", errLacking, err)
			}
		}
		if err != nil {
			w.Abort()
			return err
		}
	}
	return w.Commit()
}

func (l *live) handleDonated(r donated) {
	d := l.donation
	d.busy = false
	l.swarm.refund(r.length)
	now := time.Now()
	switch {
	case r.err == nil:
		d.has.Clear(int(r.index))
		l.gain(r.index)
	case errors.Is(r.err, errLacking), errors.Is(r.err, fragstore.ErrHash):
		l.engine.cfg.Log.Debug("piece not taken from a download", "swarm", l.info.Name, "piece", r.index, "err", r.err)
		d.has.Clear(int(r.index))
		l.seek(int(r.index))
	default: // the disk is full or does not answer, or the room was reclaimed
		l.engine.cfg.Log.Debug("piece of a download given up", "swarm", l.info.Name, "piece", r.index, "err", r.err)
		d.retry = now.Add(noRoomPause)
	}
	l.draw(now)
}

// seek wants a piece from peers that was not wanted from them before.
func (l *live) seek(i int) {
	for p := range l.peers {
		if p.has.Has(i) && !p.amInterested {
			p.guess = i
			l.showInterest(p)
		}
	}
}

// finishDonation ends it for good: what is still wanted is fetched from peers.
func (l *live) finishDonation() {
	l.endDonation(true)
	swarm.Tell(l.engine.cfg.Log, "kept", l.swarm.hash, fmt.Sprintf("kept %d of %d fragments of your download: %s", l.held.Count(), l.held.Len(), l.info.Name))
	l.lastUseful = time.Now()
	l.review()
	l.publish()
	l.engine.cfg.Announcer.Now(l.swarm.hash)
}

// endDonation lets the donor go, if there is one. No piece is on its way any more.
func (l *live) endDonation(done bool) {
	d := l.donation
	if d == nil {
		return
	}
	l.donation = nil
	l.swarm.mu.Lock()
	if l.swarm.life == lifeKeeping {
		l.swarm.life = lifeLive
	}
	l.swarm.mu.Unlock()
	d.Close(done)
}
