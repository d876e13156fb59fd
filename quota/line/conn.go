package line

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// conn is a connection behind the two gates of a Bandwidth.
type conn struct {
	net.Conn
	up, down         *gate
	reading, writing *deadline
	closing          sync.Once

	id             uint64       // no other connection has it
	home           *Bandwidth   // keeps it among its connections until it is closed; nil: nobody does
	own            bool         // it is the owner's, not the background's; guarded by home.mu
	sent, received atomic.Int64 // bytes that passed
	socket         *socket      // what the kernel tells of it; nil: nothing
	seen           lastLook     // what the watcher saw of it; guarded by the watcher's lock

	readMu sync.Mutex // held by the Read that runs; guards early
	early  []byte     // what was read and has not passed the gate yet

	writeMu sync.Mutex // held by the Write or ReadFrom that runs: their bytes must not mix
}

// NetConn returns the connection inside, for its socket options. What is sent through it directly is not limited.
func (c *conn) NetConn() net.Conn { return c.Conn }

// Greet lets everything pass until settle has been called: whose a connection is shows only when its peers have shaken
// hands. What has passed until then counts as the background's, unless it is the owner's own. Nobody else may use the
// connection meanwhile.
func (c *conn) Greet() (settle func(own bool)) {
	b := c.home
	if b == nil {
		return func(bool) {}
	}
	c.up, c.down = b.nearUp, b.nearDown
	return func(own bool) {
		if own {
			c.up, c.down = b.ownUp, b.ownDown
		} else {
			c.up, c.down = b.up, b.down
			b.Count(int(c.sent.Load()), int(c.received.Load()))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		c.own = own
	}
}

// Read returns bytes when they have passed the gate. What was read and could not pass before the deadline is kept for
// the next Read.
func (c *conn) Read(p []byte) (int, error) {
	c.readMu.Lock()
	defer c.readMu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.early) > 0 {
		n, err := c.down.grant(min(len(p), len(c.early)), c.reading)
		copy(p, c.early[:n])
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil // let go of its memory
		}
		c.countIn(n)
		return n, err
	}
	most, err := c.down.open(c.reading)
	if err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p[:min(len(p), most)])
	if n == 0 {
		return 0, err
	}
	// An error that came with the bytes comes again with the next Read. A grant that is smaller than was asked for
	// means that the limit was lowered while the Read waited.
	granted, err := c.down.grant(n, c.reading)
	if granted < n {
		c.early = append(c.early, p[granted:n]...)
	}
	c.countIn(granted)
	return granted, err
}

// Write passes p through the gate, bit by bit.
func (c *conn) Write(p []byte) (written int, err error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	if len(p) == 0 {
		return c.Conn.Write(p)
	}
	for written < len(p) {
		n, err := c.up.grant(len(p)-written, c.writing)
		if err != nil {
			return written, err
		}
		n, err = c.Conn.Write(p[written : written+n])
		written += n
		c.countOut(int64(n))
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// ReadFrom passes r through the gate, bit by bit. Each bit is copied by the connection inside, which can use sendfile
// if r is an *os.File or an io.LimitedReader of one.
func (c *conn) ReadFrom(r io.Reader) (written int64, err error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	for limited.N > 0 {
		n, err := c.up.grant(int(min(limited.N, largestRead)), c.writing)
		if err != nil {
			return written, err
		}
		bit := io.LimitedReader{R: limited.R, N: int64(n)} // sendfile looks no further than through one of them
		copied, err := c.copyBit(&bit)
		limited.N -= copied
		written += copied
		c.countOut(copied)
		if err != nil || copied < int64(n) {
			return written, err // r has ended
		}
	}
	return written, nil
}

func (c *conn) copyBit(bit *io.LimitedReader) (int64, error) {
	if inner, ok := c.Conn.(io.ReaderFrom); ok {
		return inner.ReadFrom(bit)
	}
	return io.Copy(c.Conn, bit)
}

func (c *conn) countIn(n int) {
	c.received.Add(int64(n))
	c.down.passed.add(int64(n))
}

func (c *conn) countOut(n int64) {
	c.sent.Add(n)
	c.up.passed.add(n)
}

// Close closes the connection and ends what waits to pass.
func (c *conn) Close() error {
	c.closing.Do(func() {
		close(c.reading.closed)
		close(c.writing.closed)
		if c.home != nil {
			c.home.forget(c)
		}
	})
	return c.Conn.Close()
}

// SetDeadline bounds reads and writes, also those that wait.
func (c *conn) SetDeadline(at time.Time) error {
	return errors.Join(c.SetReadDeadline(at), c.SetWriteDeadline(at))
}

// SetReadDeadline bounds reads, also those that wait.
func (c *conn) SetReadDeadline(at time.Time) error {
	c.reading.set(at)
	return c.Conn.SetReadDeadline(at)
}

// SetWriteDeadline bounds writes, also those that wait.
func (c *conn) SetWriteDeadline(at time.Time) error {
	c.writing.set(at)
	return c.Conn.SetWriteDeadline(at)
}
