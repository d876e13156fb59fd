package quota

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// errTimeout is what a wait for bandwidth ends with when its deadline passes.
var errTimeout = os.ErrDeadlineExceeded

// conn is a connection under the limits of a Bandwidth. As with any net.Conn,
// one goroutine may read while another writes, and any may close.
type conn struct {
	net.Conn
	bandwidth   *Bandwidth
	read, write *deadline
	owed        int // bytes that were read and are yet to be let pass; the reader's own

	once   sync.Once
	closed chan struct{}
}

// Read reads, and lets what was read pass before the next read: while the
// limit holds us back, the peer is held back by TCP.
func (c *conn) Read(p []byte) (int, error) {
	for c.owed > 0 {
		n, err := c.bandwidth.down.take(c.owed, c.read.expired(), c.closed)
		if err != nil {
			return 0, c.fail("read", err)
		}
		c.owed -= n
	}
	n, err := c.Conn.Read(p[:min(len(p), maxChunk)])
	c.owed = n
	c.bandwidth.down.meter.add(n)
	return n, err
}

// Write writes p, a chunk at a time, each as soon as the limit lets it pass.
func (c *conn) Write(p []byte) (written int, err error) {
	for first := true; first || len(p) > 0; first = false {
		n := 0
		if len(p) > 0 {
			if n, err = c.bandwidth.up.take(len(p), c.write.expired(), c.closed); err != nil {
				return written, c.fail("write", err)
			}
		}
		n, err = c.Conn.Write(p[:n])
		written += n
		c.bandwidth.up.meter.add(n)
		p = p[n:]
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// ReadFrom sends what r yields. If r is an *io.LimitedReader, as io.CopyN makes
// it, the connection below gets chunks of the same kind, so that it can use
// sendfile where a file is behind them.
func (c *conn) ReadFrom(r io.Reader) (written int64, err error) {
	below, ok := c.Conn.(io.ReaderFrom)
	limited, bounded := r.(*io.LimitedReader)
	if !ok || !bounded {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	for limited.N > 0 {
		n, err := c.bandwidth.up.take(int(min(limited.N, maxChunk)), c.write.expired(), c.closed)
		if err != nil {
			return written, c.fail("write", err)
		}
		sent, err := below.ReadFrom(&io.LimitedReader{R: limited.R, N: int64(n)})
		written += sent
		limited.N -= sent
		c.bandwidth.up.meter.add(int(sent))
		if err != nil || sent == 0 {
			return written, err
		}
	}
	return written, nil
}

func (c *conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// Close closes the connection, and ends whatever waits for bandwidth.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.read.set(time.Time{}) // stops their timers
		c.write.set(time.Time{})
	})
	return c.Conn.Close()
}

// SetDeadline is that of net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline is that of net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline is that of net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return c.Conn.SetWriteDeadline(t)
}

// deadline is a moment that may be moved while somebody waits for it.
type deadline struct {
	mu     sync.Mutex // guards what follows
	timer  *time.Timer
	passed chan struct{} // closed once the moment has passed
	done   bool          // passed is closed
}

func newDeadline() *deadline { return &deadline{passed: make(chan struct{})} }

// expired is closed when the deadline, as it is now, has passed.
func (d *deadline) expired() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.passed
}

// set moves the deadline; the zero time is never.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	if d.done {
		d.passed, d.done = make(chan struct{}), false
	}
	if t.IsZero() {
		return
	}
	passed := d.passed
	d.timer = time.AfterFunc(time.Until(t), func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.passed == passed && !d.done && d.timer != nil {
			close(passed)
			d.done = true
		}
	})
}
