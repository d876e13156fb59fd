package peerwire

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/bencode"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

const (
	// MaxMetadata is the longest info dictionary that is fetched from peers into memory: enough for 400,000 pieces, and
	// still little for a small router. Bytes.
	MaxMetadata = 8 << 20
	// MetadataPiece is the unit of ut_metadata (BEP 9), bytes.
	MetadataPiece = 16 << 10
)

// MetadataKind says what a MetadataMessage wants.
type MetadataKind int

// The kinds of ut_metadata messages (BEP 9).
const (
	MetadataRequest = MetadataKind(pp.RequestMetadataExtensionMsgType)
	MetadataData    = MetadataKind(pp.DataMetadataExtensionMsgType)
	MetadataReject  = MetadataKind(pp.RejectMetadataExtensionMsgType)
)

// MetadataMessage is one ut_metadata message (BEP 9).
type MetadataMessage struct {
	Kind  MetadataKind
	Piece int
	// TotalSize is that of the info dictionary; only MetadataData says it. Bytes.
	TotalSize int64
	// Data is the piece of the dictionary in a MetadataData.
	Data []byte
}

// ParseMetadataMessage reads the payload of a ut_metadata message. Data shares its memory. Kinds that are not known are
// no error (BEP 9 wants them ignored).
func ParseMetadataMessage(payload []byte) (MetadataMessage, error) {
	// The data follows the dictionary and is not itself bencoded.
	n, err := scanBencode(payload, messageNesting)
	if err != nil {
		return MetadataMessage{}, fmt.Errorf("%w: ut_metadata: %w", ErrProtocol, err)
	}
	var f [3]value
	if err := value(payload[:n]).pick(f[:], "msg_type", "piece", "total_size"); err != nil {
		return MetadataMessage{}, fmt.Errorf("%w: ut_metadata: %w", ErrProtocol, err)
	}
	kind, hasKind := f[0].integer()
	piece, hasPiece := f[1].integer()
	if !hasKind || !hasPiece || kind < 0 || kind > math.MaxUint8 || piece < 0 || piece > math.MaxInt32 {
		return MetadataMessage{}, protocolError("ut_metadata: no usable type and piece")
	}
	m := MetadataMessage{Kind: MetadataKind(kind), Piece: int(piece)}
	if m.Kind == MetadataData {
		m.TotalSize, _ = f[2].integer()
		m.Data = payload[n:]
	}
	return m, nil
}

// Marshal returns the payload that says m.
func (m MetadataMessage) Marshal() []byte {
	var d struct {
		Kind      int   `bencode:"msg_type"`
		Piece     int   `bencode:"piece"`
		TotalSize int64 `bencode:"total_size,omitempty"`
	}
	d.Kind, d.Piece = int(m.Kind), m.Piece
	if m.Kind == MetadataData {
		d.TotalSize = m.TotalSize
	}
	return append(bencode.MustMarshal(d), m.Data...)
}

// MetadataReply answers a MetadataRequest for a piece out of the raw info dictionary: it returns the payload of a
// MetadataData, or of a MetadataReject if there is no such piece, or info is empty.
func MetadataReply(info []byte, piece int) []byte {
	begin := int64(piece) * MetadataPiece
	if begin < 0 || begin >= int64(len(info)) {
		return MetadataMessage{Kind: MetadataReject, Piece: piece}.Marshal()
	}
	end := min(begin+MetadataPiece, int64(len(info)))
	return MetadataMessage{
		Kind:      MetadataData,
		Piece:     piece,
		TotalSize: int64(len(info)),
		Data:      info[begin:end],
	}.Marshal()
}

// ErrMetadataHash says that a whole info dictionary arrived and does not have the info-hash that it was fetched for.
var ErrMetadataHash = errors.New("metadata does not match the info-hash")

// MetadataStore is where the pieces of an info dictionary are until all of them are here.
type MetadataStore interface {
	io.ReaderAt
	io.WriterAt
}

// MetadataFetch puts an info dictionary together from ut_metadata pieces (BEP 9), and hashes it as they come. It is for
// one goroutine at a time, and does no I/O but that of its store.
type MetadataFetch struct {
	hash  swarm.InfoHash
	size  int64
	store MetadataStore
	have  Bitfield
	asked Bitfield
	left  int // pieces not here yet

	sum    hash.Hash
	summed int // pieces that are in the sum: the first ones
}

// NewMetadataFetch starts a fetch of the info dictionary of hash, whose length a peer's extension handshake gave as
// size: 1 byte to limit. The pieces go into the store.
func NewMetadataFetch(hash swarm.InfoHash, size, limit int64, store MetadataStore) (*MetadataFetch, error) {
	if size <= 0 || size > limit {
		return nil, protocolError("metadata size of %d bytes", size)
	}
	n := int((size + MetadataPiece - 1) / MetadataPiece)
	return &MetadataFetch{
		hash: hash, size: size, store: store,
		have: NewBitfield(n), asked: NewBitfield(n), left: n, sum: sha1.New(),
	}, nil
}

// Size returns the length of the dictionary, bytes. Peers that claim another one cannot help with this fetch.
func (f *MetadataFetch) Size() int64 { return f.size }

// Progress returns how many pieces are here, and how many there are.
func (f *MetadataFetch) Progress() (have, pieces int) { return f.have.Len() - f.left, f.have.Len() }

// Resume takes up what the store has from before. A piece of zeros has never been written: no info dictionary has as
// many. It returns done as Add does.
func (f *MetadataFetch) Resume() (done bool, err error) {
	buffer := make([]byte, MetadataPiece)
	for i := range f.have.Len() {
		piece := buffer[:f.pieceLen(i)]
		if _, err := f.store.ReadAt(piece, int64(i)*MetadataPiece); err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("reading metadata: %w", err)
		}
		if bytes.Trim(piece, "\x00") == nil {
			continue
		}
		f.have.Set(i)
		f.left--
		if i == f.summed {
			f.sum.Write(piece)
			f.summed++
		}
		clear(buffer)
	}
	return f.finish()
}

func (f *MetadataFetch) pieceLen(piece int) int64 {
	return min(f.size-int64(piece)*MetadataPiece, MetadataPiece)
}

// Next returns the next piece to ask for, and what to send for it; ok is false if every piece is here or has been asked
// for.
func (f *MetadataFetch) Next() (piece int, request []byte, ok bool) {
	for i := range f.have.Len() {
		if !f.have.Has(i) && !f.asked.Has(i) {
			f.asked.Set(i)
			return i, MetadataMessage{Kind: MetadataRequest, Piece: i}.Marshal(), true
		}
	}
	return 0, nil, false
}

// Retry lets Next ask for a piece again: of a peer that rejected the request, or left.
func (f *MetadataFetch) Retry(piece int) { f.asked.Clear(piece) }

// Add takes a ut_metadata message. It reports done once the dictionary is complete and its SHA-1 is the info-hash.
// ErrMetadataHash drops everything received, because no piece can be told good from bad; the fetch can start over. An
// error that wraps ErrProtocol is the peer's, any other one the store's. Requests and rejections change nothing.
func (f *MetadataFetch) Add(m MetadataMessage) (done bool, err error) {
	if m.Kind != MetadataData {
		return false, nil
	}
	if m.Piece >= f.have.Len() || m.TotalSize != f.size {
		return false, protocolError("metadata piece %d of %d bytes, expected %d bytes", m.Piece, m.TotalSize, f.size)
	}
	if want := f.pieceLen(m.Piece); int64(len(m.Data)) != want {
		return false, protocolError("metadata piece %d has %d bytes instead of %d", m.Piece, len(m.Data), want)
	}
	if !f.asked.Has(m.Piece) || f.have.Has(m.Piece) {
		return false, nil // not asked for, or twice: of no use, and no harm
	}
	if _, err := f.store.WriteAt(m.Data, int64(m.Piece)*MetadataPiece); err != nil {
		return false, fmt.Errorf("storing metadata: %w", err)
	}
	f.have.Set(m.Piece)
	f.left--
	if m.Piece == f.summed {
		f.sum.Write(m.Data)
		f.summed++
	}
	return f.finish()
}

// finish hashes what has become hashable, and judges the sum when that is all. If it is wrong, it leaves the fetch empty.
func (f *MetadataFetch) finish() (done bool, err error) {
	var buffer []byte
	for ; f.summed < f.have.Len() && f.have.Has(f.summed); f.summed++ {
		if buffer == nil {
			buffer = make([]byte, MetadataPiece)
		}
		piece := buffer[:f.pieceLen(f.summed)]
		if n, err := f.store.ReadAt(piece, int64(f.summed)*MetadataPiece); n < len(piece) {
			return false, fmt.Errorf("reading metadata: %w", err)
		}
		f.sum.Write(piece)
	}
	if f.left > 0 {
		return false, nil
	}
	if swarm.InfoHash(f.sum.Sum(nil)) != f.hash {
		n := f.have.Len()
		f.have, f.asked, f.left, f.summed = NewBitfield(n), NewBitfield(n), n, 0
		f.sum.Reset()
		return false, ErrMetadataHash
	}
	return true, nil
}

// Info returns the whole dictionary, once it is here.
func (f *MetadataFetch) Info() ([]byte, error) {
	info := make([]byte, f.size)
	if n, err := f.store.ReadAt(info, 0); n < len(info) {
		return nil, fmt.Errorf("reading metadata: %w", err)
	}
	return info, nil
}

// MetadataMemory is a MetadataStore in memory, which grows with the pieces that have arrived. The zero value is empty.
type MetadataMemory struct {
	pieces map[int64][]byte // by offset
}

// WriteAt keeps a copy of one piece.
func (m *MetadataMemory) WriteAt(piece []byte, off int64) (int, error) {
	if m.pieces == nil {
		m.pieces = make(map[int64][]byte)
	}
	m.pieces[off] = bytes.Clone(piece)
	return len(piece), nil
}

// ReadAt reads from the beginning of a piece on, and ends where one is missing.
func (m *MetadataMemory) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		piece, ok := m.pieces[off+int64(n)]
		if !ok {
			return n, io.EOF
		}
		n += copy(p[n:], piece)
	}
	return n, nil
}
