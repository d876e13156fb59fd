package door

import (
	"errors"
	"fmt"
	"sync"

	"ebb/agent/peerwire"
)

// What passes between a stranger and the engine, message by message. The reader of peerwire has looked at each message by
// itself; here it is held against the torrent and against what was said before. The rules know no connection, clock or
// lock but their own, so that a fuzz target can feed them from both sides.

// verdict says what becomes of a message.
type verdict int

const (
	pass   verdict = iota
	drop           // it is of no use to the other side, or would harm it
	refuse         // a request: the stranger is told that it gets nothing
)

const (
	// mostAsked is how many requests of a stranger may wait for the engine; so many it is told that it may have.
	mostAsked = 250
	// mostWanted bounds how many blocks of the engine's requests are remembered, of which rain has 250 under way.
	mostWanted = 4096
	// mostUseless is how many messages of no use a stranger may send: blocks that nobody asked for, requests for pieces
	// that are not here. A good one sends a few when it and we cancel at the same time.
	mostUseless = 2000
	// mostAllowedFast is how many pieces a stranger may offer to a choked peer; BEP 6 speaks of ten.
	mostAllowedFast = 64
)

// errUseless says that a peer sends nothing but what is of no use.
var errUseless = fmt.Errorf("%w: too many messages of no use", peerwire.ErrProtocol)

// errTwice says that a peer says all that it has for a second time.
var errTwice = fmt.Errorf("%w: all pieces told twice", peerwire.ErrProtocol)

var errOutside = errors.New("no such piece or block")

// shape is what of a torrent the messages are held against.
type shape struct {
	pieces              int
	pieceLength, length int64 // bytes
}

func (s shape) pieceLen(index uint32) int64 {
	return min(s.pieceLength, s.length-int64(index)*s.pieceLength)
}

// block names a block of a piece.
type block struct{ index, begin uint32 }

// rules are those of one connection. Their methods may be called from the readers of both sides at the same time.
type rules struct {
	shape
	fast bool // both sides speak BEP 6

	mu         sync.Mutex // guards the rest
	said       bool       // the stranger has said what it has
	nothing    bool       // which was nothing
	has        peerwire.Bitfield
	count      int  // of has
	choking    bool // the stranger chokes us
	interested bool // and wants pieces
	allowed    int
	useless    int
	asked      map[block]uint32 // of us, and not answered; the length

	held   peerwire.Bitfield // what the engine has told the stranger
	closed bool              // the engine chokes the stranger
	wanted map[block]uint32  // by the engine
}

func newRules(s shape, fast bool) *rules {
	return &rules{
		shape: s, fast: fast, choking: true, closed: true,
		has: peerwire.NewBitfield(s.pieces), held: peerwire.NewBitfield(s.pieces),
		asked: make(map[block]uint32), wanted: make(map[block]uint32),
	}
}

// seed reports whether the stranger has everything.
func (r *rules) seed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count == r.pieces
}

// fromStranger judges a message of the stranger. After an error it is to go.
func (r *rules) fromStranger(m peerwire.Message) (verdict, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.within(m); err != nil {
		return drop, err
	}
	switch m.Type {
	case peerwire.Choke, peerwire.Unchoke:
		return changed(&r.choking, m.Type == peerwire.Choke), nil
	case peerwire.Interested, peerwire.NotInterested:
		return changed(&r.interested, m.Type == peerwire.Interested), nil
	case peerwire.Have:
		r.said, r.nothing = true, false
		return r.have(m.Index), nil
	case peerwire.HaveBitfield, peerwire.HaveAll, peerwire.HaveNone:
		return r.haveAll(m)
	case peerwire.Request:
		return r.request(m)
	case peerwire.Cancel:
		if _, asked := r.asked[block{m.Index, m.Begin}]; !asked {
			return drop, nil
		}
		if !r.fast { // else the engine answers
			delete(r.asked, block{m.Index, m.Begin})
		}
		return pass, nil
	case peerwire.Piece, peerwire.Reject:
		key := block{m.Index, m.Begin}
		if length, wanted := r.wanted[key]; !wanted || length != m.Length {
			return drop, r.waste()
		}
		delete(r.wanted, key)
		return pass, nil
	case peerwire.AllowedFast:
		if r.allowed++; r.allowed > mostAllowedFast {
			return drop, r.waste()
		}
		return pass, nil
	}
	return drop, nil // what the door answers itself, and hints that rain does not take
}

// within refuses pieces and blocks that the torrent does not have.
func (r *rules) within(m peerwire.Message) error {
	switch m.Type {
	case peerwire.Have, peerwire.Suggest, peerwire.AllowedFast, peerwire.Request, peerwire.Cancel, peerwire.Piece, peerwire.Reject:
	default:
		return nil
	}
	if int64(m.Index) >= int64(r.pieces) || int64(m.Begin)+int64(m.Length) > r.pieceLen(m.Index) {
		return fmt.Errorf("%w: %w: %v %d:%d+%d", peerwire.ErrProtocol, errOutside, m.Type, m.Index, m.Begin, m.Length)
	}
	return nil
}

// changed passes on what is news only: rain looks at every piece of the torrent for each of them.
func changed(state *bool, now bool) verdict {
	if *state == now {
		return drop
	}
	*state = now
	return pass
}

func (r *rules) have(index uint32) verdict {
	if r.has.Has(int(index)) {
		return drop
	}
	r.has.Set(int(index))
	r.count++
	return pass
}

// haveAll takes what the stranger has in the beginning. One that had nothing may say so again with what it has found
// meanwhile.
func (r *rules) haveAll(m peerwire.Message) (verdict, error) {
	if r.said && !r.nothing {
		return drop, errTwice
	}
	r.nothing = m.Type == peerwire.HaveNone && !r.said
	r.said = true
	switch m.Type {
	case peerwire.HaveAll:
		r.has.SetAll()
	case peerwire.HaveBitfield:
		has, err := peerwire.ParseBitfield(m.Bitfield, r.pieces)
		if err != nil {
			return drop, err
		}
		r.has = has.Clone()
	}
	r.count = r.has.Count()
	return pass, nil
}

// request judges a request: rain keeps answers for a peer that does not read without a bound, and ends the connection
// over blocks that are longer than its own.
func (r *rules) request(m peerwire.Message) (verdict, error) {
	no := refuse
	if !r.fast {
		no = drop
	}
	key := block{m.Index, m.Begin}
	_, again := r.asked[key]
	switch {
	case !r.held.Has(int(m.Index)) || m.Length > peerwire.BlockSize:
		return no, r.waste()
	case again || len(r.asked) >= mostAsked:
		return no, r.waste()
	case r.closed && !r.fast:
		return drop, nil // it crossed a choke
	}
	r.asked[key] = m.Length
	return pass, nil
}

// waste counts what is of no use.
func (r *rules) waste() error {
	if r.useless++; r.useless > mostUseless {
		return errUseless
	}
	return nil
}

// fromEngine judges a message of the engine.
func (r *rules) fromEngine(m peerwire.Message) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.within(m) != nil {
		return drop
	}
	key := block{m.Index, m.Begin}
	switch m.Type {
	case peerwire.Choke:
		r.closed = true
		if !r.fast {
			clear(r.asked) // BEP 3: it forgets them
		}
	case peerwire.Unchoke:
		r.closed = false
	case peerwire.Have:
		r.held.Set(int(m.Index))
	case peerwire.HaveAll:
		r.held.SetAll()
	case peerwire.HaveBitfield:
		held, err := peerwire.ParseBitfield(m.Bitfield, r.pieces)
		if err != nil {
			return drop
		}
		r.held = held.Clone()
	case peerwire.Request:
		if len(r.wanted) >= mostWanted {
			clear(r.wanted) // of a peer that answers nothing
		}
		r.wanted[key] = m.Length
	case peerwire.Piece:
		delete(r.asked, key)
	case peerwire.Reject:
		delete(r.asked, key)
		if !r.fast {
			return drop // rain says it to everybody
		}
	case peerwire.Interested, peerwire.NotInterested, peerwire.HaveNone, peerwire.Cancel:
	case peerwire.AllowedFast:
		if !r.fast {
			return drop
		}
	default:
		return drop // extensions are ours to speak
	}
	return pass
}
