package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// Conn is a handshaken peer connection; satisfied by *peerwire.Conn.
type Conn interface {
	PeerID() [20]byte
	RemoteAddr() netip.AddrPort
	Incoming() bool
	Fast() bool
	Extended() bool
	Read() (peerwire.Message, error)
	Send(peerwire.Message) error
	SendExtensionHandshake(peerwire.Extensions) error
	SendExtended(name string, payload []byte) error
	Close() error
}

var _ Conn = (*peerwire.Conn)(nil)

// DialFunc opens a peer connection under an info-hash; see [DialPort].
type DialFunc func(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash) (Conn, error)

// dialTimeout bounds connecting and all handshakes of one dial.
const dialTimeout = 30 * time.Second

// Dial opens a connection, or fails, within 30 seconds.
func (d DialFunc) Dial(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash) (Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return d(ctx, addr, h)
}

// DialPort makes a DialFunc from a peer port.
func DialPort(p *peerwire.Port) DialFunc {
	return func(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash) (Conn, error) {
		c, err := p.Dial(ctx, addr, h)
		if err != nil {
			return nil, err // and not a Conn that holds a nil pointer
		}
		return c, nil
	}
}

// Handshake is the proof of what agents say of swarms that they are in: the introducer, and no other peer, has to shake
// hands with us under the swarm's info-hash. Nothing else is asked of it.
type Handshake struct{ Dialer DialFunc }

// Possible reports whether the introducer claims to be in the swarm itself, and can be dialled.
func (Handshake) Possible(c Claim) bool { return c.Entry.Direct() && dialable(c.Introducer) }

func dialable(in swarm.Introducer) bool { return in.Addr.IsValid() && in.Addr.Port() != 0 }

// Prove dials the introducer in the swarm.
func (h Handshake) Prove(ctx context.Context, c Claim) (Evidence, error) {
	conn, err := h.Dialer.Dial(ctx, c.Addr, c.Entry.Hash)
	if unreachable(err) {
		err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if err != nil {
		return Evidence{}, refutation{c.Introducer.String() + " did not answer as a peer of this swarm", err}
	}
	if conn.PeerID() != c.PeerID {
		conn.Close()
		return Evidence{}, errors.New("another peer answered at " + c.Addr.String())
	}
	return Evidence{Conn: conn, Text: c.Introducer.String() + " shook hands with us in " + c.Entry.label()}, nil
}

// refutation is an error in words for the owner, around the one that only the log shows.
type refutation struct {
	text  string
	cause error
}

func (r refutation) Error() string { return r.text }
func (r refutation) Unwrap() error { return r.cause }

// unreachable reports whether a dial failed before anybody answered, so that it would have failed under any info-hash.
func unreachable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
