package swarm

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
)

// InfoHash names a torrent, and so its swarm: the SHA-1 of its info dictionary (BEP 3). The zero InfoHash names none.
type InfoHash [sha1.Size]byte

// HashInfo is the info-hash of an info dictionary, given as it is encoded.
func HashInfo(info []byte) InfoHash { return sha1.Sum(info) }

// ParseInfoHash reads 40 hexadecimal digits, of either case.
func ParseInfoHash(text string) (InfoHash, error) {
	if text == "" {
		return InfoHash{}, errors.New("info-hash: there is none")
	}
	var h InfoHash
	err := h.UnmarshalText([]byte(text))
	return h, err
}

// String returns the hash as 40 hexadecimal digits, in lower case.
func (h InfoHash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h names no swarm.
func (h InfoHash) IsZero() bool { return h == InfoHash{} }

// Compare orders info-hashes by their bytes: -1, 0 or +1.
func (h InfoHash) Compare(o InfoHash) int { return bytes.Compare(h[:], o[:]) }

// MarshalText implements encoding.TextMarshaler: as String.
func (h InfoHash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: as ParseInfoHash, but the empty text is the zero InfoHash. After an
// error h is as it was.
func (h *InfoHash) UnmarshalText(text []byte) error {
	var read InfoHash
	if err := unmarshalHex(read[:], text); err != nil {
		return fmt.Errorf("info-hash: %w", err)
	}
	*h = read
	return nil
}
