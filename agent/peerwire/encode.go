package peerwire

import (
	"encoding/binary"
	"fmt"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// appendMessage appends m as it goes over the wire. Pieces and extension messages have ways of their own; see
// SendBlock, SendExtended and SendExtensionHandshake.
func appendMessage(b []byte, m Message) ([]byte, error) {
	switch m.Type {
	case Choke, Unchoke, Interested, NotInterested, HaveAll, HaveNone:
		return appendHeader(b, m.Type, 0), nil
	case Have, Suggest, AllowedFast:
		b = appendHeader(b, m.Type, 4)
		return binary.BigEndian.AppendUint32(b, m.Index), nil
	case Request, Cancel, Reject:
		b = appendHeader(b, m.Type, 12)
		b = binary.BigEndian.AppendUint32(b, m.Index)
		b = binary.BigEndian.AppendUint32(b, m.Begin)
		return binary.BigEndian.AppendUint32(b, m.Length), nil
	case HaveBitfield:
		b = appendHeader(b, m.Type, len(m.Bitfield))
		return append(b, m.Bitfield...), nil
	case DHTPort:
		b = appendHeader(b, m.Type, 2)
		return binary.BigEndian.AppendUint16(b, m.Port), nil
	}
	return b, fmt.Errorf("cannot send a message of type %v like this", m.Type)
}

// appendHeader appends the length prefix and the type of a message.
func appendHeader(b []byte, t MessageType, payload int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(1+payload))
	return append(b, byte(t))
}

// appendExtended appends an extension message (BEP 10) with the peer's number.
func appendExtended(b []byte, number pp.ExtensionNumber, payload []byte) []byte {
	b = appendHeader(b, Extended, 1+len(payload))
	b = append(b, byte(number))
	return append(b, payload...)
}

// appendPieceHeader appends a Piece message up to its block.
func appendPieceHeader(b []byte, index, begin, length uint32) []byte {
	b = appendHeader(b, Piece, 8+int(length))
	b = binary.BigEndian.AppendUint32(b, index)
	return binary.BigEndian.AppendUint32(b, begin)
}
