package peerwire

import (
	"encoding/binary"
	"fmt"
	"io"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// The codec is our own, because the Decoder of peer_protocol ends the connection at message types that it does not know
// (BEP 3 clients skip them), keeps a bool per piece, and sets aside memory for a message before any of it has come.

// wireReader reads messages.
type wireReader struct {
	in       io.Reader
	fast     bool // both sides speak BEP 6
	extended bool // both sides speak BEP 10
	scratch  [13]byte
}

// next returns the next message. Keep-alives, and messages and extensions that we do not know, are passed over.
func (r *wireReader) next() (Message, error) {
	for {
		if err := r.fill(4, io.EOF); err != nil {
			return Message{}, err
		}
		length := int64(binary.BigEndian.Uint32(r.scratch[:4]))
		if length == 0 {
			continue
		}
		if length > MaxMessage {
			return Message{}, protocolError("message of %d bytes", length)
		}
		if err := r.fill(1, io.ErrUnexpectedEOF); err != nil {
			return Message{}, err
		}
		m := Message{Type: MessageType(r.scratch[0])}
		known, err := r.body(&m, int(length)-1)
		if err != nil {
			return Message{}, fmt.Errorf("read %v message: %w", m.Type, err)
		}
		if known {
			return m, nil
		}
	}
}

// body reads the rest of a message, n bytes. It reports false for one to pass over.
func (r *wireReader) body(m *Message, n int) (known bool, err error) {
	switch m.Type {
	case Choke, Unchoke, Interested, NotInterested:
		return true, r.expect(n, 0)
	case HaveAll, HaveNone:
		if err := r.needFast(); err != nil {
			return false, err
		}
		return true, r.expect(n, 0)
	case Have:
		return true, r.index(m, n)
	case Suggest, AllowedFast:
		if err := r.needFast(); err != nil {
			return false, err
		}
		return true, r.index(m, n)
	case Request, Cancel:
		return true, r.block(m, n)
	case Reject:
		if err := r.needFast(); err != nil {
			return false, err
		}
		return true, r.block(m, n)
	case HaveBitfield:
		if n > (MaxPieces+7)/8 {
			return false, protocolError("bitfield of %d bytes", n)
		}
		m.Bitfield, err = r.payload(n)
		return true, err
	case Piece:
		return true, r.piece(m, n)
	case DHTPort:
		if err := r.expect(n, 2); err != nil {
			return false, err
		}
		m.Port = binary.BigEndian.Uint16(r.scratch[:])
		return true, nil
	case Extended:
		if r.extended {
			return r.extension(m, n)
		}
	}
	return false, r.skip(n)
}

// needFast refuses the messages of BEP 6 unless both sides said that they speak it.
func (r *wireReader) needFast() error {
	if !r.fast {
		return protocolError("message of the fast extension, which was not agreed on")
	}
	return nil
}

// expect reads a body that must have size bytes into scratch.
func (r *wireReader) expect(n, size int) error {
	if n != size {
		return protocolError("%d bytes long instead of %d", n, size)
	}
	return r.fill(size, io.ErrUnexpectedEOF)
}

// index reads the body of a message that names a piece.
func (r *wireReader) index(m *Message, n int) error {
	if err := r.expect(n, 4); err != nil {
		return err
	}
	m.Index = binary.BigEndian.Uint32(r.scratch[:])
	return checkBlock(m.Index, 0, 1)
}

// block reads the body of a message that names a block.
func (r *wireReader) block(m *Message, n int) error {
	if err := r.expect(n, 12); err != nil {
		return err
	}
	m.Index = binary.BigEndian.Uint32(r.scratch[0:])
	m.Begin = binary.BigEndian.Uint32(r.scratch[4:])
	m.Length = binary.BigEndian.Uint32(r.scratch[8:])
	if m.Length > MaxRequest {
		return protocolError("block of %d bytes", m.Length)
	}
	return checkBlock(m.Index, m.Begin, m.Length)
}

// piece reads the body of a Piece message.
func (r *wireReader) piece(m *Message, n int) error {
	n -= 8
	if n <= 0 || n > BlockSize {
		return protocolError("block of %d bytes", n)
	}
	if err := r.fill(8, io.ErrUnexpectedEOF); err != nil {
		return err
	}
	m.Index = binary.BigEndian.Uint32(r.scratch[0:])
	m.Begin = binary.BigEndian.Uint32(r.scratch[4:])
	m.Length = uint32(n)
	if err := checkBlock(m.Index, m.Begin, m.Length); err != nil {
		return err
	}
	m.buffer = blockBuffers.Get().(*blockBuffer)
	m.Block = m.buffer[pieceHeader : pieceHeader+n] // so that it can be passed on as it is
	if _, err := io.ReadFull(r.in, m.Block); err != nil {
		m.Recycle()
		return unexpected(err)
	}
	return nil
}

// checkBlock refuses blocks that no torrent can have, so that callers can add the numbers without thinking of overflow.
func checkBlock(index, begin, length uint32) error {
	if index >= MaxPieces || length == 0 || uint64(begin)+uint64(length) > MaxPieceLength {
		return protocolError("no torrent has piece %d, bytes %d+%d", index, begin, length)
	}
	return nil
}

// extension reads the body of a message of BEP 10.
func (r *wireReader) extension(m *Message, n int) (known bool, err error) {
	if n < 1 {
		return false, protocolError("extension message without a number")
	}
	if err := r.fill(1, io.ErrUnexpectedEOF); err != nil {
		return false, err
	}
	number := r.scratch[0]
	name, known := extensionNames[number]
	if n--; !known && number != pp.HandshakeExtendedID {
		return false, r.skip(n)
	}
	if n > MaxExtended {
		return false, protocolError("extension message of %d bytes", n)
	}
	payload, err := r.payload(n)
	if err != nil {
		return false, err
	}
	if number == pp.HandshakeExtendedID {
		m.Type = ExtensionHandshake
		m.Extensions, err = parseExtensions(payload)
		return true, err
	}
	m.Name, m.Payload = name, payload
	return true, nil
}

// payload reads n bytes into memory that grows as they come, so that a peer has to send what it makes us keep.
func (r *wireReader) payload(n int) ([]byte, error) {
	const first = 4 << 10
	p := make([]byte, min(n, first))
	for have := 0; ; {
		if _, err := io.ReadFull(r.in, p[have:]); err != nil {
			return nil, unexpected(err)
		}
		if have = len(p); have == n {
			return p, nil
		}
		grown := make([]byte, min(n, 4*have))
		copy(grown, p)
		p = grown
	}
}

// skip passes over n bytes.
func (r *wireReader) skip(n int) error {
	if _, err := io.CopyN(io.Discard, r.in, int64(n)); err != nil {
		return unexpected(err)
	}
	return nil
}

// fill reads n bytes into scratch. If the connection ends before the first of them, the error is atEnd.
func (r *wireReader) fill(n int, atEnd error) error {
	_, err := io.ReadFull(r.in, r.scratch[:n])
	if err == io.EOF {
		return atEnd
	}
	return err
}

// unexpected is for an end of the connection within a message.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
