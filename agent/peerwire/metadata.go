package peerwire

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"math"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/bencode"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

const (
	// MaxMetadata is the longest info dictionary that is fetched from peers: enough for 400,000 pieces, and still
	// little for a small router. Bytes.
	MaxMetadata = 8 << 20
	// metadataPiece is the unit of ut_metadata (BEP 9), bytes.
	metadataPiece = 16 << 10
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
	begin := int64(piece) * metadataPiece
	if begin < 0 || begin >= int64(len(info)) {
		return MetadataMessage{Kind: MetadataReject, Piece: piece}.Marshal()
	}
	end := min(begin+metadataPiece, int64(len(info)))
	return MetadataMessage{
		Kind:      MetadataData,
		Piece:     piece,
		TotalSize: int64(len(info)),
		Data:      info[begin:end],
	}.Marshal()
}

// ErrMetadataHash says that a whole info dictionary arrived and does not have the info-hash that it was fetched for.
var ErrMetadataHash = errors.New("metadata does not match the info-hash")

// MetadataFetch puts an info dictionary together from ut_metadata pieces (BEP 9). It does no I/O and is for one
// goroutine. Memory grows with the pieces that have arrived.
type MetadataFetch struct {
	hash   swarm.InfoHash
	size   int64
	pieces [][]byte // nil: not here yet
	asked  []bool
	left   int // pieces not here yet
}

// NewMetadataFetch starts a fetch of the info dictionary of hash, whose length a peer's extension handshake gave as
// size: 1 byte to MaxMetadata.
func NewMetadataFetch(hash swarm.InfoHash, size int64) (*MetadataFetch, error) {
	if size <= 0 || size > MaxMetadata {
		return nil, protocolError("metadata size of %d bytes", size)
	}
	n := int((size + metadataPiece - 1) / metadataPiece)
	return &MetadataFetch{
		hash:   hash,
		size:   size,
		pieces: make([][]byte, n),
		asked:  make([]bool, n),
		left:   n,
	}, nil
}

// Size returns the length of the dictionary, bytes. Peers that claim another one cannot help with this fetch.
func (f *MetadataFetch) Size() int64 { return f.size }

// Next returns the payload of the next request to send, or nil if every piece is here or has been asked for.
func (f *MetadataFetch) Next() []byte {
	for i := range f.pieces {
		if f.pieces[i] == nil && !f.asked[i] {
			f.asked[i] = true
			return MetadataMessage{Kind: MetadataRequest, Piece: i}.Marshal()
		}
	}
	return nil
}

// Retry lets Next ask again for all pieces that are not here: for a peer that rejected a request, or left.
func (f *MetadataFetch) Retry() { clear(f.asked) }

// Add takes the payload of a ut_metadata message. It returns the whole raw info dictionary once it is complete and its
// SHA-1 is the info-hash; until then nil. ErrMetadataHash drops everything received, because no piece can be told good
// from bad; the fetch can start over. Any other error is a peer that broke the protocol. Requests and rejections change
// nothing.
func (f *MetadataFetch) Add(payload []byte) (info []byte, err error) {
	m, err := ParseMetadataMessage(payload)
	if err != nil || m.Kind != MetadataData {
		return nil, err
	}
	if m.Piece >= len(f.pieces) || m.TotalSize != f.size {
		return nil, protocolError("metadata piece %d of %d bytes, expected %d bytes", m.Piece, m.TotalSize, f.size)
	}
	want := min(f.size-int64(m.Piece)*metadataPiece, metadataPiece)
	if int64(len(m.Data)) != want {
		return nil, protocolError("metadata piece %d has %d bytes instead of %d", m.Piece, len(m.Data), want)
	}
	if !f.asked[m.Piece] || f.pieces[m.Piece] != nil {
		return nil, nil // not asked for, or twice: of no use, and no harm
	}
	f.pieces[m.Piece] = append([]byte(nil), m.Data...)
	if f.left--; f.left > 0 {
		return nil, nil
	}
	return f.assemble()
}

// assemble joins and checks the complete pieces. It leaves the fetch empty.
func (f *MetadataFetch) assemble() ([]byte, error) {
	info := make([]byte, 0, f.size)
	for i, piece := range f.pieces {
		info = append(info, piece...)
		f.pieces[i] = nil
	}
	f.left = len(f.pieces)
	clear(f.asked)
	if sha1.Sum(info) != f.hash {
		return nil, ErrMetadataHash
	}
	return info, nil
}
