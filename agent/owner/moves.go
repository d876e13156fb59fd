package owner

import (
	"context"
	"fmt"
	"sync"
	"time"

	"ebb/agent/records"
	"ebb/agent/swarm"
)

// A move takes a torrent from one side to the other: a background swarm becomes a download of the owner's (promotion),
// or a download that the owner removes becomes a background swarm (keeping on). Nothing is fetched anew either way.
//
// A move is written down before it begins and struck out when it is over, so a crash at any moment is made good at the
// next start: each step may be taken twice. Promotion:
//
//  1. the move is written down;
//  2. the engine releases the swarm: nobody is served from it any more;
//  3. the foreground places the fragments in the download's files; those that
//     are there, synced, are deleted as fragments;
//  4. the foreground adds the download, and rain checks what is there;
//  5. the engine forgets the swarm, and the move is struck out.
//
// Keeping on:
//
//  1. the move is written down;
//  2. the foreground lends the download's files, and the engine takes pieces from
//     them, rarest first, as far as the allotment goes;
//  3. the foreground removes the download, and the move is struck out.
type move struct {
	Promotion  bool     `json:"promotion"`             // else the download is kept on
	Start      bool     `json:"start,omitempty"`       // of a promotion: the download is to run
	Trackers   []string `json:"trackers,omitempty"`    // of a promotion: what the owner named beyond those that we know
	DeleteData bool     `json:"delete_data,omitempty"` // of a keeping on: its files go when it is over
	Placed     bool     `json:"placed,omitempty"`      // of a promotion: the download's files have been written to
}

// moveRetry is how soon a move that could not go on is tried again.
const moveRetry = 10 * time.Second

// moves makes them, one step of one move at a time.
type moves struct {
	owner   *Owner
	written records.Table[move]
	wake    chan struct{} // capacity 1

	mu     sync.Mutex // guards what follows
	lent   map[swarm.InfoHash]*donor
	failed map[swarm.InfoHash]string // what the owner was told last of a move that cannot go on
}

// newMoves is called when the store is open.
func newMoves(o *Owner) *moves {
	return &moves{
		owner: o, written: records.In[move](o.cfg.Store, records.Moves), wake: make(chan struct{}, 1),
		lent: make(map[swarm.InfoHash]*donor), failed: make(map[swarm.InfoHash]string),
	}
}

// read returns a move that is written down.
func (m *moves) read(h swarm.InfoHash) (v move, there bool) {
	v, there, err := m.written.Get(h)
	if err != nil {
		m.owner.cfg.Log.Error("a move is damaged, and forgotten", "swarm", h.String(), "err", err)
		m.strike(h)
	}
	return v, there
}

// strike strikes a move out: it is over.
func (m *moves) strike(h swarm.InfoHash) {
	if err := m.written.Delete(h); err != nil {
		// It stays, and finds nothing left to do.
		m.owner.cfg.Log.Warn("striking out a move", "swarm", h.String(), "err", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.failed, h)
}

// cancel strikes out a keeping on: the owner has thought better of it.
func (m *moves) cancel(h swarm.InfoHash) {
	if v, there := m.read(h); !there || v.Promotion {
		return
	}
	m.strike(h)
	m.mu.Lock()
	d := m.lent[h]
	delete(m.lent, h)
	m.mu.Unlock()
	if d != nil {
		d.end()
	}
}

// check has the moves looked at now.
func (m *moves) check() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// run makes the moves that are written down, until ctx ends.
func (m *moves) run(ctx context.Context) {
	defer m.returnLoans()
	retry := time.NewTicker(moveRetry)
	defer retry.Stop()
	for {
		for _, h := range m.written.Hashes() {
			if v, there := m.read(h); there && ctx.Err() == nil {
				m.advance(ctx, h, v)
			}
		}
		select {
		case <-retry.C:
		case <-m.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (m *moves) advance(ctx context.Context, h swarm.InfoHash, v move) {
	var err error
	if v.Promotion {
		err = m.promote(ctx, h, v)
	} else {
		err = m.keepOn(h, v)
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	news := m.failed[h] != err.Error()
	m.failed[h] = err.Error()
	m.mu.Unlock()
	if news {
		swarm.Tell(m.owner.cfg.Log, "waiting", h, fmt.Sprintf("%s: waits, and is tried again: %v", m.owner.nameOf(h), err))
	}
}
