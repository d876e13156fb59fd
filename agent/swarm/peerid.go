package swarm

import (
	"encoding/hex"
	"fmt"
)

// PeerID is a peer's 20-byte ID (BEP 3, BEP 20). The zero PeerID says that it is not known.
type PeerID [20]byte

// String returns the ID as 40 hexadecimal digits.
func (id PeerID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler: as String.
func (id PeerID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The empty text is the zero PeerID. After an error id is as it was.
func (id *PeerID) UnmarshalText(text []byte) error {
	var read PeerID
	if err := unmarshalHex(read[:], text); err != nil {
		return fmt.Errorf("peer ID: %w", err)
	}
	*id = read
	return nil
}

// unmarshalHex reads as many bytes as there are in to, or none.
func unmarshalHex(to, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if len(text) != hex.EncodedLen(len(to)) {
		return fmt.Errorf("%d hexadecimal digits expected, not %d", hex.EncodedLen(len(to)), len(text))
	}
	_, err := hex.Decode(to, text)
	return err
}
