package main

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"ebb/agent/peerwire"
)

const (
	// honestLine is what its own line carries, bytes per second: a quarter of what ebb uploads. It is less than two busy
	// processors pass on, so what the test machine does otherwise hardly shows.
	honestLine = 512 << 10
	// honestQueue is how many blocks it asks for ahead, as stock clients do: three seconds of what they get.
	honestQueue = 200
)

// leecher is an honest peer: it downloads a torrent, hashes each piece, and when it has all it begins anew, as another
// peer.
type leecher struct {
	from netip.Addr
	to   netip.AddrPort
	info *peerwire.Info

	got   atomic.Int64 // bytes of sound pieces
	dials atomic.Int64
	bad   atomic.Int64 // pieces that are not what they should be
}

// run downloads until ctx ends.
func (l *leecher) run(ctx context.Context) {
	line := rate.NewLimiter(honestLine, 64<<10)
	for ctx.Err() == nil {
		l.dials.Add(1)
		if err := l.download(ctx, line); err != nil {
			select {
			case <-time.After(time.Second): // it was turned away
			case <-ctx.Done():
			}
		}
	}
}

// download gets the whole torrent once.
func (l *leecher) download(ctx context.Context, line *rate.Limiter) error {
	port, err := peerwire.Listen(netip.AddrPortFrom(l.from, 0).String(), peerwire.Config{
		PeerID: peerwire.NewPeerID("1.0.0"), Client: "honest", Local: l.from, DialEncryption: peerwire.PlainOnly,
	})
	if err != nil {
		return err
	}
	defer port.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := port.Dial(ctx, l.to, l.info.Hash)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if c.Fast() {
		err = c.Send(peerwire.Message{Type: peerwire.HaveNone})
	}
	if err := errors.Join(err, c.Send(peerwire.Message{Type: peerwire.Interested})); err != nil {
		return err
	}
	p := progress{info: l.info, conn: c}
	for p.piece < l.info.NumPieces() {
		m, err := c.Read()
		if err != nil {
			return err
		}
		switch m.Type {
		case peerwire.Unchoke:
			p.asking = true
		case peerwire.Choke:
			p.asking, p.asked = false, p.taken // what was asked for is forgotten, or rejected
		case peerwire.Reject:
			return fmt.Errorf("rejected block %d of piece %d", m.Begin, m.Index)
		case peerwire.Piece:
			if err := line.WaitN(ctx, len(m.Block)); err != nil {
				return err
			}
			whole, sound, err := p.take(m)
			m.Recycle()
			switch {
			case err != nil:
				return err
			case whole && sound:
				l.got.Add(l.info.PieceLen(p.piece - 1))
			case whole:
				l.bad.Add(1)
			}
		}
		if err := p.ask(); err != nil {
			return err
		}
	}
	return nil
}

// progress is how far a download has come. Pieces come in order, so one is assembled at a time.
type progress struct {
	info   *peerwire.Info
	conn   *peerwire.Conn
	asking bool  // it is unchoked
	asked  int64 // bytes asked for, from the beginning of the torrent
	taken  int64 // bytes that came
	piece  int   // that comes next
	block  []byte
}

// ask keeps the queue of requests full.
func (p *progress) ask() error {
	for p.asking && p.asked < p.info.Length && p.asked-p.taken < honestQueue*peerwire.BlockSize {
		index, begin := p.asked/p.info.PieceLength, p.asked%p.info.PieceLength
		length := min(peerwire.BlockSize, p.info.PieceLen(int(index))-begin)
		err := p.conn.Send(peerwire.Message{Type: peerwire.Request, Index: uint32(index), Begin: uint32(begin), Length: uint32(length)})
		if err != nil {
			return err
		}
		p.asked += length
	}
	return nil
}

// take takes a block, which must be the next one.
func (p *progress) take(m peerwire.Message) (whole, sound bool, err error) {
	if at := int64(m.Index)*p.info.PieceLength + int64(m.Begin); at != p.taken {
		return false, false, fmt.Errorf("got byte %d when %d was next", at, p.taken)
	}
	p.block = append(p.block, m.Block...)
	p.taken += int64(len(m.Block))
	if int64(len(p.block)) < p.info.PieceLen(p.piece) {
		return false, false, nil
	}
	sound = sha1.Sum(p.block) == p.info.PieceHash(p.piece)
	p.piece, p.block = p.piece+1, p.block[:0]
	return true, sound, nil
}
