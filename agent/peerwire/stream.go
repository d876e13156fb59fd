package peerwire

import (
	"bufio"
	"crypto/rc4"
	"io"
	"net"
)

// readBuffer is for headers and small messages; blocks are read past it, straight into their own buffer. Bytes, per
// connection.
const readBuffer = 4 << 10

// stream is the byte stream to and from a peer, with or without encryption. One goroutine may read while another
// writes.
type stream struct {
	nc net.Conn
	in *bufio.Reader

	// decrypt, if not nil, applies to the next sealed bytes of in, or to all of them if sealed is negative.
	decrypt *rc4.Cipher
	sealed  int64
	// encrypt, if not nil, applies to everything written.
	encrypt *rc4.Cipher

	turn func(work func()) error // does costly work when its turn has come; nil: at once
}

func newStream(nc net.Conn) *stream {
	return &stream{nc: nc, in: bufio.NewReaderSize(nc, readBuffer)}
}

// Read reads plaintext.
func (s *stream) Read(p []byte) (int, error) {
	if s.decrypt == nil {
		return s.in.Read(p)
	}
	if s.sealed >= 0 {
		p = p[:min(int64(len(p)), s.sealed)]
	}
	n, err := s.in.Read(p)
	s.decrypt.XORKeyStream(p[:n], p[:n])
	if s.sealed >= 0 {
		if s.sealed -= int64(n); s.sealed == 0 {
			s.decrypt = nil
		}
	}
	return n, err
}

// write sends p, encrypting it in place: p is of no use afterwards.
func (s *stream) write(p []byte) error {
	if s.encrypt != nil {
		s.encrypt.XORKeyStream(p, p)
	}
	_, err := s.nc.Write(p)
	return err
}

// kernelWriter returns a way to send files without copying them, or nil.
func (s *stream) kernelWriter() io.ReaderFrom {
	if s.encrypt != nil {
		return nil
	}
	to, _ := s.nc.(io.ReaderFrom)
	return to
}
