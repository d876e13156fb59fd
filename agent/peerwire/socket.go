package peerwire

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// writeChunk is how many bytes a peer must take within one stallTimeout.
const writeChunk = 16 << 10

// socket is a TCP connection whose reads and writes have deadlines of their own. It lies below Config.Wrap, so that the
// time a byte waits there for its turn is never taken for the peer's silence.
type socket struct {
	net.Conn
	idle time.Duration
	// timed is set once the handshake, which has one deadline for all, is over.
	timed atomic.Bool
}

// NetConn returns the connection inside, for what the kernel tells of it.
func (s *socket) NetConn() net.Conn { return s.Conn }

// Read fails with a timeout if nothing comes for the idle time.
func (s *socket) Read(p []byte) (int, error) {
	if s.timed.Load() {
		if err := s.SetReadDeadline(time.Now().Add(s.idle)); err != nil {
			return 0, err
		}
	}
	return s.Conn.Read(p)
}

// Write fails with a timeout if the peer takes less than one chunk in the stall time.
func (s *socket) Write(p []byte) (written int, err error) {
	for {
		n, err := s.writeChunk(p[:min(len(p), writeChunk)])
		written += n
		p = p[n:]
		if err != nil || len(p) == 0 {
			return written, err
		}
	}
}

func (s *socket) writeChunk(p []byte) (int, error) {
	if err := s.allowStall(); err != nil {
		return 0, err
	}
	return s.Conn.Write(p)
}

func (s *socket) allowStall() error {
	if !s.timed.Load() {
		return nil
	}
	return s.SetWriteDeadline(time.Now().Add(stallTimeout))
}

// ReadFrom sends what r yields. The kernel does it alone (sendfile) if r is an *io.LimitedReader over an *os.File, and
// this is TCP.
func (s *socket) ReadFrom(r io.Reader) (written int64, err error) {
	to, ok := s.Conn.(io.ReaderFrom)
	limited, bounded := r.(*io.LimitedReader)
	if !ok || !bounded {
		return io.Copy(struct{ io.Writer }{s}, r)
	}
	for limited.N > 0 {
		if err := s.allowStall(); err != nil {
			return written, err
		}
		// A limit around another limit would hide the file from the kernel.
		chunk := io.LimitedReader{R: limited.R, N: min(limited.N, writeChunk)}
		n, err := to.ReadFrom(&chunk)
		written += n
		limited.N -= n
		if err != nil || n == 0 {
			return written, err
		}
	}
	return written, nil
}
