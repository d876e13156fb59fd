package peerwire

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"ebb/agent/swarm"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

const (
	// relayDepth is how many blocks of an engine wait for a peer to read: enough to keep its writer busy.
	relayDepth = 4
	// engineTimeout bounds the handshake with an engine, which is on this machine.
	engineTimeout = 10 * time.Second
	// engineKeepAlive is how often an engine hears of us; rain ends a connection after two minutes of silence.
	engineKeepAlive = time.Minute
)

// Relay queues a message that came on another connection. Choke, Unchoke, Reject and Piece messages stay in the order in
// which they came; the others may leave before them. It waits while the peer has several blocks to take, and takes over
// the memory of a block. Errors are those of Send.
func (c *Conn) Relay(m Message) error {
	switch m.Type {
	case Choke, Unchoke, Reject, Piece:
	default:
		return c.Send(m)
	}
	if m.Type != Piece && c.QueuedBlocks() == 0 {
		return c.Send(m)
	}
	c.awaitFewer(relayDepth)
	if m.Type == Piece {
		return c.enqueueBlock(BlockRequest{Length: m.Length, message: m.wire, Sent: func(int) { m.Recycle() }})
	}
	raw, err := appendMessage(nil, m)
	if err != nil {
		return err
	}
	return c.enqueueBlock(BlockRequest{message: func() []byte { return raw }})
}

// wire is a Piece message as it goes over the wire, in the memory that its block is in.
func (m Message) wire() []byte {
	appendPieceHeader(m.buffer[:0], m.Index, m.Begin, m.Length)
	return m.buffer[:pieceHeader+len(m.Block)]
}

// Pending reports whether the next message, or a part of it, has arrived already.
func (c *Conn) Pending() bool { return c.stream.in.Buffered() > 0 }

// Engine is a connection to a BitTorrent engine on this machine, as one of its peers. It is trusted to mean well, and its
// messages are checked as everybody's. One goroutine reads; any may write.
type Engine struct {
	nc     net.Conn
	reader wireReader
	done   chan struct{}

	mu  sync.Mutex // guards out
	out *bufio.Writer
}

// DialEngine connects from an address of this machine to an engine, as the peer id in the swarm h. fast and extended say
// which extensions that peer speaks. Close must follow.
func DialEngine(ctx context.Context, from net.IP, engine string, h swarm.InfoHash, id [20]byte, fast, extended bool) (*Engine, error) {
	dialer := net.Dialer{Timeout: engineTimeout, LocalAddr: &net.TCPAddr{IP: from}, KeepAlive: -1}
	nc, err := dialer.DialContext(ctx, "tcp4", engine)
	if err != nil {
		return nil, fmt.Errorf("dial the engine: %w", err)
	}
	e := &Engine{nc: nc, out: bufio.NewWriterSize(nc, readBuffer), done: make(chan struct{})}
	e.reader = wireReader{in: bufio.NewReaderSize(nc, readBuffer)}
	if err := e.greet(h, id, fast, extended); err != nil {
		nc.Close()
		return nil, fmt.Errorf("handshake with the engine: %w", err)
	}
	go e.keepAlive()
	return e, nil
}

func (e *Engine) greet(h swarm.InfoHash, id [20]byte, fast, extended bool) error {
	if err := e.nc.SetDeadline(time.Now().Add(engineTimeout)); err != nil {
		return err
	}
	var ours pp.PeerExtensionBits
	if fast {
		ours.SetBit(pp.ExtensionBitFast, true)
	}
	if extended {
		ours.SetBit(pp.ExtensionBitLtep, true)
	}
	hello := append([]byte(pp.Protocol), ours[:]...)
	hello = append(append(hello, h[:]...), id[:]...)
	if _, err := e.nc.Write(hello); err != nil {
		return err
	}
	var theirs [helloLength]byte
	if _, err := io.ReadFull(e.reader.in, theirs[:]); err != nil {
		return err
	}
	if string(theirs[:len(pp.Protocol)]) != pp.Protocol || swarm.InfoHash(theirs[helloHash:helloID]) != h {
		return protocolError("not the engine")
	}
	var bits pp.PeerExtensionBits
	copy(bits[:], theirs[len(pp.Protocol):])
	e.reader.fast = fast && bits.SupportsFast()
	e.reader.extended = extended && bits.SupportsExtended()
	return e.nc.SetDeadline(time.Time{})
}

// Close closes the connection.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.done:
		return nil
	default:
	}
	close(e.done)
	return e.nc.Close()
}

// Read returns the next message, as Conn.Read does.
func (e *Engine) Read() (Message, error) { return e.reader.next() }

// Write passes on a message, once Flush is called or there is enough of them. It does not recycle its block.
func (e *Engine) Write(m Message) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.Type == Piece {
		if err := e.out.Flush(); err != nil {
			return err
		}
		_, err := e.nc.Write(m.wire())
		return err
	}
	var room [32]byte
	raw, err := appendMessage(room[:0], m)
	if err != nil {
		return err
	}
	_, err = e.out.Write(raw)
	return err
}

// WriteExtensionHandshake passes on what of a peer's extension handshake is of use to an engine that has no extensions
// to speak: the client's name, and how many requests it queues.
func (e *Engine) WriteExtensionHandshake(x Extensions) error {
	payload, err := Extensions{M: map[string]uint8{}, V: x.V, Reqq: x.Reqq}.marshal()
	if err != nil {
		return fmt.Errorf("encode extension handshake: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err = e.out.Write(appendExtended(nil, pp.HandshakeExtendedID, payload))
	return err
}

// Flush sends what Write has kept back.
func (e *Engine) Flush() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.out.Flush()
}

// keepAlive says from time to time that we are there.
func (e *Engine) keepAlive() {
	tick := time.NewTicker(engineKeepAlive)
	defer tick.Stop()
	for {
		select {
		case <-e.done:
			return
		case <-tick.C:
		}
		e.mu.Lock()
		_, err := e.out.Write(make([]byte, 4))
		if err == nil {
			err = e.out.Flush()
		}
		e.mu.Unlock()
		if err != nil {
			return // whoever reads finds out
		}
	}
}
