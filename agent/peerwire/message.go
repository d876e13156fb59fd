package peerwire

import (
	"errors"
	"fmt"
	"sync"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// Limits on what a peer may send, checked before memory is set aside.
const (
	// BlockSize is how much of a piece one request asks for. Every client asks for 16 KiB, and most refuse to serve
	// more. Bytes.
	BlockSize = 16 << 10
	// MaxMessage is the longest message that is read at all, be it to skip one of an unknown type. Bytes.
	MaxMessage = 1 << 20
	// MaxRequest is the longest block that a peer may request; BEP 3 names 128 KiB as the point where clients close the
	// connection. Bytes.
	MaxRequest = 128 << 10
	// MaxExtended is the longest payload of an extension message (BEP 10) that is kept; the largest legitimate one, an
	// ebb_list, has 64 KiB. Bytes.
	MaxExtended = 128 << 10
	// MaxPieces is the largest number of pieces in a torrent; it bounds bitfields (128 KiB) and lists of piece hashes
	// (20 MiB).
	MaxPieces = 1 << 20
)

// ErrProtocol is wrapped by every error that says a peer broke the protocol.
var ErrProtocol = errors.New("peer broke the protocol")

// MessageType says what a Message is. Values below 256 are the identifiers on the wire.
type MessageType uint16

// The types of messages, by the BEP that defines them. All others are skipped.
const (
	// BEP 3.
	Choke         = MessageType(pp.Choke)
	Unchoke       = MessageType(pp.Unchoke)
	Interested    = MessageType(pp.Interested)
	NotInterested = MessageType(pp.NotInterested)
	Have          = MessageType(pp.Have)     // Index
	HaveBitfield  = MessageType(pp.Bitfield) // Bitfield
	Request       = MessageType(pp.Request)  // Index, Begin, Length
	Piece         = MessageType(pp.Piece)    // Index, Begin, Block
	Cancel        = MessageType(pp.Cancel)   // Index, Begin, Length

	// BEP 5.
	DHTPort = MessageType(pp.Port) // Port

	// BEP 6, only between two peers that both speak it.
	Suggest     = MessageType(pp.Suggest) // Index
	HaveAll     = MessageType(pp.HaveAll)
	HaveNone    = MessageType(pp.HaveNone)
	Reject      = MessageType(pp.Reject)      // Index, Begin, Length
	AllowedFast = MessageType(pp.AllowedFast) // Index

	// BEP 10: an extension message other than the handshake, with Name and Payload.
	Extended = MessageType(pp.Extended)
	// ExtensionHandshake is an Extended message with number 0; it carries Extensions, and is never on the wire under
	// this value.
	ExtensionHandshake = 0x100 | Extended
)

func (t MessageType) String() string {
	if t == ExtensionHandshake {
		return "ExtensionHandshake"
	}
	return pp.MessageType(t).String()
}

// Message is one message of a peer, or to one. Type says which of the other fields it uses.
type Message struct {
	Type   MessageType
	Index  uint32 // piece
	Begin  uint32 // offset in the piece, bytes
	Length uint32 // of a block, bytes

	// Bitfield is the unchecked payload of a HaveBitfield; see ParseBitfield.
	Bitfield []byte
	// Block is the data of a Piece message, at most BlockSize bytes. It is only valid until Recycle.
	Block []byte
	// Port is where the peer's DHT node listens (UDP).
	Port uint16
	// Name is that of an extension of ours; Payload is unchecked.
	Name    string
	Payload []byte
	// Extensions is what an ExtensionHandshake said.
	Extensions *Extensions

	buffer *blockBuffer
}

// Recycle gives the memory of Block back for use by other connections. It does nothing for messages without a Block, or
// the second time; but of several copies of a Message, only one may be released.
func (m *Message) Recycle() {
	if m.buffer != nil {
		blockBuffers.Put(m.buffer)
		m.buffer, m.Block = nil, nil
	}
}

// pieceHeader is the length of a Piece message without its block: length prefix, type, index, begin.
const pieceHeader = 13

// blockBuffer holds a block on its way in, or a Piece message on its way out.
type blockBuffer [pieceHeader + BlockSize]byte

// blockBuffers is shared by all connections, so that memory is bounded by the blocks that are moving at one moment, and
// not by the number of connections.
var blockBuffers = sync.Pool{New: func() any { return new(blockBuffer) }}

func protocolError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrProtocol}, args...)...)
}
