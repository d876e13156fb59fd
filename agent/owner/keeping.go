package owner

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"ebb/agent/background"
	"ebb/agent/foreground"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/webui"
)

// keepHelping begins to turn a download into fragments.
func (o *Owner) keepHelping(h swarm.InfoHash, deleteData bool) error {
	t, ok := o.cfg.Foreground.Torrent(h)
	c, known := o.cfg.Candidates.Get(h)
	_, moving := o.moves.read(h)
	switch usage := o.cfg.Ledger.Usage(); {
	case !ok:
		return webui.ErrNotFound
	case moving:
		return fmt.Errorf("%w: it is being turned into fragments already", webui.ErrConflict)
	case t.Private:
		return &webui.BadRequest{Err: background.ErrPrivate}
	case !t.MetadataKnown:
		return fmt.Errorf("%w: nothing is known of its contents yet; remove it without keeping on", webui.ErrConflict)
	case usage.Allotment <= 0:
		return fmt.Errorf("%w: nothing is lent: set background.storage first, or remove it without keeping on", webui.ErrConflict)
	case known && c.State == swarm.CandidateVetoed:
		return fmt.Errorf("%w: you have vetoed this swarm", webui.ErrConflict)
	}
	if err := o.moves.written.Put(h, move{DeleteData: deleteData}); err != nil {
		return err
	}
	if err := o.cfg.Foreground.Stop(h); err != nil {
		o.cfg.Log.Warn("stopping a download that is removed", "swarm", h.String(), "err", err)
	}
	swarm.Tell(o.cfg.Log, "keeping", h, fmt.Sprintf("%s is no download any more; what fits of it is kept as fragments", t.Name))
	o.moves.check()
	return nil
}

// keepOn takes the steps of keeping on.
func (m *moves) keepOn(h swarm.InfoHash, v move) error {
	o := m.owner
	m.mu.Lock()
	d := m.lent[h]
	m.mu.Unlock()
	switch {
	case d != nil && !d.closed.Load():
		return nil // the engine is at it
	case d != nil:
		d.end()
		m.mu.Lock()
		delete(m.lent, h)
		m.mu.Unlock()
		if d.done.Load() {
			return m.finishKeeping(h, v)
		}
	}
	if !o.cfg.Background.Running() {
		return nil // outside the hours; it goes on when they come
	}
	loan, err := o.cfg.Foreground.Lend(h)
	switch {
	case errors.Is(err, foreground.ErrUnknown):
		m.strike(h)
		return nil
	case err != nil:
		return err
	}
	t, _ := o.cfg.Foreground.Torrent(h)
	d = &donor{moves: m, loan: loan, giveBack: v.DeleteData, pieceLength: t.PieceLength}
	m.mu.Lock()
	m.lent[h] = d
	m.mu.Unlock()
	if err := m.give(h, d); err != nil {
		// Vetoed, private, or no room for its metadata: then it is only removed.
		swarm.Tell(o.cfg.Log, "refused", h, fmt.Sprintf("%s is not kept on: %v", o.nameOf(h), err))
		d.Close(true)
	}
	return nil
}

// give hands the donor to the engine, which joins the swarm if it is not in it.
func (m *moves) give(h swarm.InfoHash, d *donor) error {
	o := m.owner
	if o.cfg.Background.Has(h) {
		return o.cfg.Background.Give(h, d)
	}
	t, err := peerwire.ParseTorrentPieces(d.loan.Torrent())
	if err != nil {
		return err
	}
	return o.cfg.Background.Join(background.Join{
		Hash: h, Name: t.Info.Name, Trackers: t.Trackers, Metadata: t.Raw, Donor: d,
		Health: swarm.UnknownHealth,
		Why: swarm.Why{
			Rule:       "you removed the download and chose to keep helping",
			Introducer: swarm.Introducer{Kind: swarm.KindOwner, Heard: time.Now()},
		},
	})
}

// finishKeeping takes the last step.
func (m *moves) finishKeeping(h swarm.InfoHash, v move) error {
	if err := m.owner.cfg.Store.Sync(); err != nil {
		return err // see givenBack
	}
	if err := m.owner.cfg.Foreground.Remove(h, v.DeleteData); err != nil && !errors.Is(err, foreground.ErrUnknown) {
		return err
	}
	m.strike(h)
	return nil
}

// returnLoans gives back what is lent, once the engine has ended.
func (m *moves) returnLoans() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for h, d := range m.lent {
		if err := d.loan.Close(); err != nil {
			m.owner.cfg.Log.Warn("taking back what was lent of a download", "swarm", h.String(), "err", err)
		}
	}
	clear(m.lent)
}

// givenBack is how many bytes of pieces are stored before their place in the download's files is given back: first the
// index has to hear of the fragments, for without it they are lost in a crash, and it is not written for each.
const givenBack = 8 << 20

// donor lends a download's pieces to the engine, which calls its methods one at a time.
type donor struct {
	moves        *moves
	loan         *foreground.Loan
	giveBack     bool // the files are to go: what is stored need not stay in them
	pieceLength  int64
	stored       []uint32 // pieces that have still to be given back
	done, closed atomic.Bool
}

var _ background.Donor = (*donor)(nil)

func (d *donor) ReadPieceAt(p []byte, index uint32, off int64) (int, error) {
	return d.loan.ReadPieceAt(p, index, off)
}

// Stored hears that a piece is a fragment now.
func (d *donor) Stored(index uint32) {
	if !d.giveBack {
		return
	}
	d.stored = append(d.stored, index)
	if int64(len(d.stored))*d.pieceLength < givenBack {
		return
	}
	log := d.moves.owner.cfg.Log
	if err := d.moves.owner.cfg.Store.Sync(); err != nil {
		log.Warn("writing the index before files are given back", "err", err)
		return // the next piece tries again
	}
	for _, index := range d.stored {
		if err := d.loan.GiveBack(index); err != nil {
			log.Warn("giving back the place of a piece", "piece", index, "err", err)
		}
	}
	d.stored = d.stored[:0]
}

// Close hears that the engine wants no more; done says that it has all that it wants, and not only stops for now.
func (d *donor) Close(done bool) {
	d.done.Store(done)
	d.closed.Store(true)
	d.moves.check()
}

// end takes back what is lent.
func (d *donor) end() {
	if err := d.loan.Close(); err != nil {
		d.moves.owner.cfg.Log.Warn("taking back what was lent of a download", "err", err)
	}
}
