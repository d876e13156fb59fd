package peerwire

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"

	"ebb/agent/swarm"
)

// Conn is a handshaken connection to a peer. One goroutine reads; any may send.
//
// Memory: about 5 KiB and the writer's goroutine while nothing happens. Blocks in either direction use buffers that all
// connections share.
type Conn struct {
	sock       *socket
	stream     *stream
	reader     wireReader
	hash       swarm.InfoHash
	peerID     [20]byte
	remote     netip.AddrPort
	incoming   bool
	listenPort uint16 // ours, for the extension handshake
	client     string // ours, for the extension handshake

	wake   chan struct{} // capacity 1: something was queued
	shrunk chan struct{} // capacity 1: blocks have left the queue
	closed chan struct{} // closed together with setting err
	done   chan struct{} // closed when the writer has ended

	mu    sync.Mutex // guards what follows
	err   error      // why the connection is closed; nil while it is open
	peer  Extensions
	queue sendQueue
}

// newConn makes a Conn after the handshake. Its writer must be started.
func newConn(s *stream, sock *socket, theirs hello) *Conn {
	c := &Conn{
		sock:   sock,
		stream: s,
		hash:   theirs.hash,
		peerID: theirs.id,
		remote: addrPort(sock.RemoteAddr()),
		wake:   make(chan struct{}, 1),
		shrunk: make(chan struct{}, 1),
		closed: make(chan struct{}),
		done:   make(chan struct{}),
	}
	c.reader = wireReader{
		in:       s,
		fast:     theirs.bits.SupportsFast() && ourBits.SupportsFast(),
		extended: theirs.bits.SupportsExtended() && ourBits.SupportsExtended(),
	}
	return c
}

// InfoHash returns the swarm that the connection belongs to.
func (c *Conn) InfoHash() swarm.InfoHash { return c.hash }

// PeerID returns the peer's ID.
func (c *Conn) PeerID() [20]byte { return c.peerID }

// RemoteAddr returns the address at the other end. If the connection is incoming, its port is not the one that the peer
// listens on.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// Incoming reports whether the peer dialled.
func (c *Conn) Incoming() bool { return c.incoming }

// Encrypted reports whether messages are encrypted. They are not if the peers only encrypted the handshake.
func (c *Conn) Encrypted() bool { return c.stream.encrypt != nil }

// Fast reports whether both sides speak the fast extension (BEP 6).
func (c *Conn) Fast() bool { return c.reader.fast }

// Extended reports whether both sides speak the extension protocol (BEP 10).
func (c *Conn) Extended() bool { return c.reader.extended }

// Peer returns what the peer's extension handshakes have said so far. M is not to be changed.
func (c *Conn) Peer() Extensions {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peer
}

// Read returns the next message. Keep-alives, and messages that we do not know, are passed over. It is for one
// goroutine. Call Recycle on the message when its Block is done with.
//
// The error is io.EOF if the peer closed the connection between two messages, wraps ErrClosed if we closed it, wraps
// ErrProtocol if the peer broke the protocol, and is a timeout (os.ErrDeadlineExceeded) if it was silent for
// Config.IdleTimeout. No error can be recovered from; the caller closes the Conn.
func (c *Conn) Read() (Message, error) {
	m, err := c.reader.next()
	if err != nil {
		return Message{}, c.readError(err)
	}
	if m.Type == ExtensionHandshake {
		c.mu.Lock()
		c.peer.merge(m.Extensions)
		c.mu.Unlock()
	}
	return m, nil
}

// readError says why a read failed: our side may have closed the connection.
func (c *Conn) readError(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("peer was silent for %v: %w", c.sock.idle, err)
	case errors.Is(err, io.EOF), errors.Is(err, ErrProtocol):
		return err
	}
	return fmt.Errorf("read from peer: %w", err)
}

// Close closes the connection. Whatever is queued is dropped. It does not wait for the writer, which ends at once; see
// Done. It may be called more than once.
func (c *Conn) Close() error {
	c.fail(ErrClosed)
	return nil
}

// Done is closed when the connection is closed and its writer has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// fail closes the connection; the first reason is kept.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
		c.queue = sendQueue{}
		close(c.closed)
	}
	c.mu.Unlock()
	if first {
		c.stream.nc.Close()
	}
}
