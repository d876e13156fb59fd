package swarm

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
)

// InfoHash names a torrent, and so its swarm: the SHA-1 of its info dictionary (BEP 3). The zero InfoHash names none.
type InfoHash [sha1.Size]byte

// HashInfo is the info-hash of an info dictionary, given as it is encoded.
func HashInfo(info []byte) InfoHash { return sha1.Sum(info) }

// ParseInfoHash reads 40 hexadecimal digits, of either case.
func ParseInfoHash(text string) (InfoHash, error) {
	var h InfoHash
	if err := h.UnmarshalText([]byte(text)); err != nil {
		return InfoHash{}, err
	}
	return h, nil
}

// String returns the hash as 40 hexadecimal digits, in lower case.
func (h InfoHash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h names no swarm.
func (h InfoHash) IsZero() bool { return h == InfoHash{} }

// Compare orders info-hashes by their bytes: -1, 0 or +1.
func (h InfoHash) Compare(o InfoHash) int { return bytes.Compare(h[:], o[:]) }

// MarshalText implements encoding.TextMarshaler: as String.
func (h InfoHash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: as ParseInfoHash. After an error h is as it was.
func (h *InfoHash) UnmarshalText(text []byte) error {
	var read InfoHash
	if hex.DecodedLen(len(text)) != len(read) || len(text)%2 != 0 {
		return fmt.Errorf("an info-hash has %d hexadecimal digits, not %d", hex.EncodedLen(len(read)), len(text))
	}
	if _, err := hex.Decode(read[:], text); err != nil {
		return fmt.Errorf("%q is no info-hash: %w", text, err)
	}
	*h = read
	return nil
}
