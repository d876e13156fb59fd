package peerwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// Bounds of what waits to be sent to one peer. A peer that lets it come to these does not read.
const (
	maxControls     = 4096      // messages
	maxControlBytes = 256 << 10 // bytes: the longest bitfield, the longest list, and as much again
	maxBlocks       = 500       // blocks and postponed messages; for blocks, what libtorrent allows by default
	// keptControl is the largest buffer that an idle connection keeps, bytes.
	keptControl = 1 << 10
)

// BlockSource is the piece that a block is read from.
type BlockSource interface {
	io.ReaderAt
	io.Closer
	// File returns a file that nobody else uses until Close, whose offsets are those of the piece, so that the kernel
	// can send from it; or nil.
	File() *os.File
}

// BlockRequest is a block to be sent: Length bytes from Begin on in piece Index.
type BlockRequest struct {
	Index, Begin, Length uint32
	// Source opens the piece when the block's turn has come. The Conn closes it. If it fails, the block is rejected if
	// the peer speaks the fast extension; otherwise, as there is no way to say so, the connection is closed.
	Source func() (BlockSource, error)
	// Sent, if not nil, is told the length of the block after it was written.
	//
	// Source and Sent run in the writer's goroutine, without locks of the Conn.
	Sent func(n int)

	message func() []byte // instead of Source: makes a message, as it goes over the wire
}

// sendQueue is what waits for the writer.
type sendQueue struct {
	control  []byte // encoded messages
	controls int    // their number
	spare    []byte // a small empty buffer for the next ones, or nil
	blocks   []BlockRequest
	flushers []chan struct{} // to close when all of it is written
}

// Send queues a message, and returns without waiting for the network. Messages leave in the order of the calls, but
// before blocks that are still queued. The error is ErrClosed or ErrQueueFull, or says that m cannot be sent this way:
// blocks and extension messages have methods of their own.
func (c *Conn) Send(m Message) error {
	return c.enqueue(func(b []byte) ([]byte, error) { return appendMessage(b, m) })
}

// SendExtended queues an extension message (BEP 10) under the number that the peer's handshake gave to name. The error
// is ErrNotSupported if it has not given one, or as for Send.
func (c *Conn) SendExtended(name string, payload []byte) error {
	number := c.Peer().M[name]
	if !c.Extended() || number == 0 {
		return fmt.Errorf("%w: %s", ErrNotSupported, name)
	}
	return c.enqueue(func(b []byte) ([]byte, error) {
		return appendExtended(b, pp.ExtensionNumber(number), payload), nil
	})
}

// SendExtendedLater queues an extension message (BEP 10) behind the blocks that are queued. Its payload is made when its
// turn has come, in the writer's goroutine and without locks of the Conn: so a peer that asks for much and reads nothing
// has little kept in memory for it. Errors are those of SendExtended.
func (c *Conn) SendExtendedLater(name string, payload func() []byte) error {
	number := c.Peer().M[name]
	if !c.Extended() || number == 0 {
		return fmt.Errorf("%w: %s", ErrNotSupported, name)
	}
	return c.enqueueBlock(BlockRequest{message: func() []byte {
		return appendExtended(nil, pp.ExtensionNumber(number), payload())
	}})
}

// SendExtensionHandshake queues an extension handshake (BEP 10). The keys of e.M are the extensions to offer, with any
// value, as the numbers are ours to give; if e.M is nil, all that we speak. V, Reqq, Port and YourIP are filled in if
// zero. The error is ErrNotSupported if the peer does not speak BEP 10, or as for Send.
func (c *Conn) SendExtensionHandshake(e Extensions) error {
	if !c.Extended() {
		return fmt.Errorf("%w: extension handshake", ErrNotSupported)
	}
	offer := maps.Clone(ourExtensions)
	if e.M != nil {
		maps.DeleteFunc(offer, func(name string, _ uint8) bool { _, asked := e.M[name]; return !asked })
	}
	e.M = offer
	if e.V == "" {
		e.V = c.client
	}
	if e.Reqq == 0 {
		e.Reqq = ourRequestQueue
	}
	if e.Port == 0 {
		e.Port = c.listenPort
	}
	if !e.YourIP.IsValid() {
		e.YourIP = c.remote.Addr()
	}
	payload, err := e.marshal()
	if err != nil {
		return fmt.Errorf("encode extension handshake: %w", err)
	}
	return c.enqueue(func(b []byte) ([]byte, error) {
		return appendExtended(b, pp.HandshakeExtendedID, payload), nil
	})
}

// enqueue appends one message to the queue.
func (c *Conn) enqueue(encode func([]byte) ([]byte, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.closedError()
	}
	q := &c.queue
	if q.control == nil {
		q.control, q.spare = q.spare, nil
	}
	control, err := encode(q.control)
	if err != nil {
		return err
	}
	if q.controls == maxControls || len(control) > maxControlBytes {
		return ErrQueueFull
	}
	q.control = control
	q.controls++
	c.wakeWriter()
	return nil
}

// SendBlock queues a block, and returns without waiting for the network or the disk. The error is ErrClosed or
// ErrQueueFull, or says what is wrong with b.
func (c *Conn) SendBlock(b BlockRequest) error {
	if b.Source == nil || b.Length > MaxRequest {
		return fmt.Errorf("cannot send block of %d bytes", b.Length)
	}
	if err := checkBlock(b.Index, b.Begin, b.Length); err != nil {
		return fmt.Errorf("cannot send block: %w", err)
	}
	return c.enqueueBlock(b)
}

// enqueueBlock appends a block, or what is sent in its turn like one.
func (c *Conn) enqueueBlock(b BlockRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.closedError()
	}
	if len(c.queue.blocks) >= maxBlocks {
		return ErrQueueFull
	}
	c.queue.blocks = append(c.queue.blocks, b)
	c.wakeWriter()
	return nil
}

// CancelBlock takes a block out of the queue. It reports false if it is not there or already on its way.
func (c *Conn) CancelBlock(index, begin, length uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := slices.IndexFunc(c.queue.blocks, func(b BlockRequest) bool {
		return b.message == nil && b.Index == index && b.Begin == begin && b.Length == length
	})
	if n < 0 {
		return false
	}
	c.queue.blocks = slices.Delete(c.queue.blocks, n, n+1)
	c.shrink()
	return true
}

// DropBlocks takes all blocks out of the queue, for when the peer is choked. If it speaks the fast extension, each
// needs a Reject.
func (c *Conn) DropBlocks() []BlockRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	var dropped, left []BlockRequest
	for _, b := range c.queue.blocks {
		if b.message == nil {
			dropped = append(dropped, b)
		} else {
			left = append(left, b)
		}
	}
	c.queue.blocks = left
	c.shrink()
	return dropped
}

// QueuedBlocks returns how many blocks wait to be sent, postponed messages included.
func (c *Conn) QueuedBlocks() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue.blocks)
}

// roomy is how few blocks must be queued for AwaitRoom to end: some less than fit, for those that are on their way.
const roomy = maxBlocks - 50

// AwaitRoom waits until there is room in the queue for some blocks more, or the connection is closed. It is for a reader
// whose peer cannot be told that a request is not kept.
func (c *Conn) AwaitRoom() { c.awaitFewer(roomy) }

// awaitFewer waits until fewer blocks than that are queued, or the connection is closed.
func (c *Conn) awaitFewer(blocks int) {
	for c.QueuedBlocks() >= blocks {
		select {
		case <-c.shrunk:
		case <-c.closed:
			return
		}
	}
}

// shrink notes that blocks have left the queue.
func (c *Conn) shrink() {
	select {
	case c.shrunk <- struct{}{}:
	default:
	}
}

// Flush waits until everything that is queued has been written, for a caller that has said its last and wants to close.
// The error is ctx's, or ErrClosed.
func (c *Conn) Flush(ctx context.Context) error {
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return c.closedError()
	}
	written := make(chan struct{})
	c.queue.flushers = append(c.queue.flushers, written)
	c.wakeWriter()
	c.mu.Unlock()
	select {
	case <-written:
		return nil
	case <-c.closed:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// closedError says why nothing more can be sent. c.mu is held.
func (c *Conn) closedError() error {
	if errors.Is(c.err, ErrClosed) {
		return c.err
	}
	return fmt.Errorf("%w: %w", ErrClosed, c.err)
}

// wakeWriter makes the writer look at the queue.
func (c *Conn) wakeWriter() {
	select {
	case c.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}
