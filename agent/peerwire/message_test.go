package peerwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"testing"
	"testing/iotest"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

func newReader(b []byte) *wireReader {
	return &wireReader{in: bytes.NewReader(b), fast: true, extended: true}
}

// raw is a message with any identifier and body.
func raw(id byte, body ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(1+len(body)))
	return append(append(b, id), body...)
}

// counterparts are the same messages as we and as another library write them.
var counterparts = []struct {
	ours   Message
	theirs pp.Message
}{
	{Message{Type: Choke}, pp.Message{Type: pp.Choke}},
	{Message{Type: Unchoke}, pp.Message{Type: pp.Unchoke}},
	{Message{Type: Interested}, pp.Message{Type: pp.Interested}},
	{Message{Type: NotInterested}, pp.Message{Type: pp.NotInterested}},
	{Message{Type: Have, Index: 7}, pp.Message{Type: pp.Have, Index: 7}},
	{Message{Type: HaveBitfield, Bitfield: []byte{0xa1}}, pp.Message{Type: pp.Bitfield, Bitfield: []bool{true, false, true, false, false, false, false, true}}},
	{Message{Type: Request, Index: 1, Begin: 2, Length: 3}, pp.Message{Type: pp.Request, Index: 1, Begin: 2, Length: 3}},
	{Message{Type: Cancel, Index: 1, Begin: 2, Length: 3}, pp.Message{Type: pp.Cancel, Index: 1, Begin: 2, Length: 3}},
	{Message{Type: Reject, Index: 1, Begin: 2, Length: 3}, pp.Message{Type: pp.Reject, Index: 1, Begin: 2, Length: 3}},
	{Message{Type: Suggest, Index: 9}, pp.Message{Type: pp.Suggest, Index: 9}},
	{Message{Type: AllowedFast, Index: 9}, pp.Message{Type: pp.AllowedFast, Index: 9}},
	{Message{Type: HaveAll}, pp.Message{Type: pp.HaveAll}},
	{Message{Type: HaveNone}, pp.Message{Type: pp.HaveNone}},
	{Message{Type: DHTPort, Port: 6881}, pp.Message{Type: pp.Port, Port: 6881}},
}

func TestMessagesAreWrittenLikeAnotherLibraryWritesThem(t *testing.T) {
	for _, c := range counterparts {
		b, err := appendMessage(nil, c.ours)
		if want := wire(c.theirs); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%v: %x, %v, want %x", c.ours.Type, b, err, want)
		}
	}
}

func TestMessagesOfAnotherLibraryAreRead(t *testing.T) {
	for _, c := range counterparts {
		m, err := newReader(wire(c.theirs)).next()
		if err != nil || !reflect.DeepEqual(m, c.ours) {
			t.Errorf("%v: %+v, %v", c.ours.Type, m, err)
		}
	}
}

func TestBlockIsReadIntoASharedBufferUntilReleased(t *testing.T) {
	data := randomBytes(BlockSize)
	m, err := newReader(wire(pp.Message{Type: pp.Piece, Index: 3, Begin: BlockSize, Piece: data})).next()
	if err != nil {
		t.Fatal(err)
	}
	if m.Type != Piece || m.Index != 3 || m.Begin != BlockSize || m.Length != BlockSize || !bytes.Equal(m.Block, data) {
		t.Errorf("%v %d %d %d", m.Type, m.Index, m.Begin, m.Length)
	}
	m.Recycle()
	m.Recycle()
	if m.Block != nil {
		t.Error("the block is still there after Recycle")
	}
}

func TestKeepAlivesAndUnknownMessagesArePassedOver(t *testing.T) {
	input := bytes.Join([][]byte{
		make([]byte, 8),
		raw(200, 1, 2, 3),
		raw(byte(pp.HashRequest), make([]byte, 48)...),
		raw(byte(pp.Extended), 77, 'd', 'e'),            // a number that we have not given out
		raw(21, make([]byte, MaxMessage-1)...),          // as long as allowed
		raw(byte(pp.Have), 0, 0, 0, 5), make([]byte, 4), // keep-alive
	}, nil)
	r := newReader(input)
	if m, err := r.next(); err != nil || m.Type != Have || m.Index != 5 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := r.next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestExtensionMessagesOfAPeerThatDoesNotSpeakThemArePassedOver(t *testing.T) {
	r := newReader(append(raw(20, 0, 'd', 'e'), wire(pp.Message{Type: pp.Choke})...))
	r.extended = false
	if m, err := r.next(); err != nil || m.Type != Choke {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestBadMessagesBreakTheProtocol(t *testing.T) {
	numbers := func(id byte, values ...uint32) []byte {
		var body []byte
		for _, v := range values {
			body = binary.BigEndian.AppendUint32(body, v)
		}
		return raw(id, body...)
	}
	tooLong := binary.BigEndian.AppendUint32(nil, MaxMessage+1)
	for name, input := range map[string][]byte{
		"message over the limit":          tooLong,
		"message of 4 GiB":                {0xff, 0xff, 0xff, 0xff, 7},
		"choke with a body":               raw(0, 1),
		"have without a piece":            raw(4),
		"have of a piece beyond all":      numbers(4, MaxPieces),
		"have with more":                  raw(4, 0, 0, 0, 1, 0),
		"request cut short":               numbers(6, 1, 2),
		"request of nothing":              numbers(6, 1, 0, 0),
		"request over 128 KiB":            numbers(6, 1, 0, MaxRequest+1),
		"request beyond all pieces":       numbers(6, MaxPieces, 0, 1),
		"request whose end overflows":     numbers(6, 1, 0xffffffff, 2),
		"cancel beyond the largest piece": numbers(8, 1, MaxPieceLength, 1),
		"reject of nothing":               numbers(16, 1, 0, 0),
		"piece without a block":           numbers(7, 1, 0),
		"piece cut short":                 raw(7, 1, 2, 3),
		"block over 16 KiB":               raw(7, make([]byte, 8+BlockSize+1)...),
		"block beyond the largest piece":  numbers(7, 1, MaxPieceLength, 1),
		"bitfield of too many pieces":     raw(5, make([]byte, MaxPieces/8+1)...),
		"port of one byte":                raw(9, 1),
		"have-all with a body":            raw(14, 1),
		"extension without number":        raw(20),
		"extension over its limit":        raw(20, append([]byte{1}, make([]byte, MaxExtended+1)...)...),
		"extension handshake of garbage":  raw(20, 0, 'x'),
		"extension handshake of a list":   raw(20, 0, 'l', 'e'),
	} {
		if m, err := newReader(input).next(); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestFastMessagesNeedTheFastExtension(t *testing.T) {
	for _, m := range counterparts {
		if !m.theirs.Type.FastExtension() {
			continue
		}
		r := newReader(wire(m.theirs))
		r.fast = false
		if _, err := r.next(); !errors.Is(err, ErrProtocol) {
			t.Errorf("%v: %v", m.ours.Type, err)
		}
	}
}

func TestConnectionThatEndsWithinAMessageIsNoCleanEnd(t *testing.T) {
	whole := bytes.Join([][]byte{
		wire(pp.Message{Type: pp.Piece, Index: 1, Piece: make([]byte, 100)}),
		wire(pp.Message{Type: pp.Request, Length: 1}),
		raw(200, 1, 2, 3), raw(5, make([]byte, 50)...), raw(20, 1, 'd', 'e'), raw(9, 1, 2),
	}, nil)
	ends := map[int]bool{0: true}
	for n := 0; n < len(whole); {
		n += 4 + int(binary.BigEndian.Uint32(whole[n:]))
		ends[n] = true
	}
	for n := range whole {
		r := newReader(whole[:n])
		var err error
		for err == nil {
			_, err = r.next()
		}
		if want := errors.Is(err, io.EOF); want != ends[n] || !want && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

func TestMemoryFollowsTheBytesThatHaveArrived(t *testing.T) {
	// A peer announces a bitfield of 128 KiB and then sends nothing.
	input := binary.BigEndian.AppendUint32(nil, 1+MaxPieces/8)
	input = append(input, byte(pp.Bitfield))
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if _, err := newReader(input).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
				b.Fatal(err)
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > 16<<10 {
		t.Errorf("%d bytes set aside", got)
	}
}

func TestMessagesThatArriveByteByByteAreRead(t *testing.T) {
	data := randomBytes(20_000)
	input := bytes.Join([][]byte{raw(5, data...), raw(20, append([]byte{1}, data...)...)}, nil)
	r := newReader(nil)
	r.in = iotest.OneByteReader(bytes.NewReader(input))
	if m, err := r.next(); err != nil || !bytes.Equal(m.Bitfield, data) {
		t.Errorf("bitfield: %v", err)
	}
	if m, err := r.next(); err != nil || m.Type != Extended || m.Name != ExtensionMetadata || !bytes.Equal(m.Payload, data) {
		t.Errorf("extended: %v", err)
	}
}

func FuzzMessages(f *testing.F) {
	for _, c := range counterparts {
		f.Add(wire(c.theirs), true)
	}
	f.Add(wire(pp.Message{Type: pp.Piece, Index: 1, Piece: []byte("data")}), false)
	f.Add(raw(20, []byte("\x00d1:md6:ut_pexi1eee")...), true)
	f.Add(raw(99, 1, 2, 3), true)
	f.Fuzz(func(t *testing.T, b []byte, agreed bool) {
		r := &wireReader{in: bytes.NewReader(b), fast: agreed, extended: agreed}
		for {
			m, err := r.next()
			if err != nil {
				return
			}
			switch m.Type {
			case Piece:
				if len(m.Block) == 0 || len(m.Block) > BlockSize || m.Length != uint32(len(m.Block)) {
					t.Errorf("block of %d bytes", len(m.Block))
				}
			case Extended, ExtensionHandshake:
				if len(m.Payload) > MaxExtended || (m.Type == ExtensionHandshake) != (m.Extensions != nil) {
					t.Errorf("%+v", m)
				}
			default:
				// What was read can be said again.
				if _, err := appendMessage(nil, m); err != nil {
					t.Error(err)
				}
			}
			m.Recycle()
		}
	})
}
