package peerwire

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"math"

	"ebb/agent/swarm"
)

// Limits on torrents that ebb takes part in.
const (
	// MinPieceLength is the smallest length of a piece. Some old torrents have pieces shorter than a block. Bytes.
	MinPieceLength = 1 << 10
	// MaxPieceLength is the largest length of a piece. Bytes.
	MaxPieceLength = 64 << 20
	// MaxFiles is the largest number of files in a torrent: a list of more would take tens of megabytes of memory.
	MaxFiles = 1 << 18
)

// ErrInfo is wrapped by every error about an info dictionary that is not usable.
var ErrInfo = errors.New("bad torrent")

// Info is a checked info dictionary (BEP 3): its numbers agree with each other, and no file name in it can lead out of
// the directory it is put in.
type Info struct {
	Hash        swarm.InfoHash
	Name        string // without slashes, else of any bytes and length; the info-hash if the torrent names none
	PieceLength int64  // of all pieces but the last, bytes
	Length      int64  // of all files together, bytes; more than 0
	// Private is BEP 27's flag. Anything but an absent one or the integer 0 counts as set: to share a private torrent
	// is worse than to miss a public one.
	Private bool
	// Files is in the torrent's order. A torrent of a single file has one entry, whose path is Name. ParsePieces leaves it
	// nil.
	Files []File
	// MultiFile says that the paths of Files are below a directory called Name.
	MultiFile bool

	pieces []byte // SHA-1 of each piece, 20 bytes each
}

// NumPieces returns the number of pieces: 1 to MaxPieces.
func (i *Info) NumPieces() int { return len(i.pieces) / sha1.Size }

// PieceLen returns the length of piece n in bytes, or 0 if there is no such piece.
func (i *Info) PieceLen(n int) int64 {
	if n < 0 || n >= i.NumPieces() {
		return 0
	}
	return min(i.PieceLength, i.Length-int64(n)*i.PieceLength)
}

// PieceHash returns the SHA-1 of piece n, or zeros if there is no such piece.
func (i *Info) PieceHash(n int) (sum [sha1.Size]byte) {
	if n >= 0 && n < i.NumPieces() {
		copy(sum[:], i.pieces[n*sha1.Size:])
	}
	return sum
}

// ParseInfo checks a raw info dictionary of a v1 or hybrid torrent. The result does not share the memory of raw. Errors
// wrap ErrInfo and say what is wrong.
func ParseInfo(raw []byte) (*Info, error) {
	v, err := parseBencode(raw, torrentNesting)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInfo, err)
	}
	var f [8]value
	err = v.pick(f[:], "name", "name.utf-8", "piece length", "pieces", "length", "files", "private", "meta version")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInfo, err)
	}
	name, nameUTF8, pieceLength, pieces, length, files, private, version := f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
	if pieces == nil && version != nil {
		return nil, errOnlyV2
	}

	info := &Info{Hash: sha1.Sum(raw), Private: isPrivate(private)}
	if info.Name, err = parseName(name, nameUTF8); err != nil {
		return nil, err
	}
	if err := info.parsePieceLength(pieceLength); err != nil {
		return nil, err
	}
	if info.Name == "" {
		info.Name = info.Hash.String()
	}
	if err := info.parseFiles(length, files); err != nil {
		return nil, err
	}
	return info, info.parsePieces(pieces)
}

var errOnlyV2 = infoError("it is for BitTorrent v2 only (BEP 52); v1 and hybrid torrents work")

func (i *Info) parsePieceLength(v value) error {
	var ok bool
	if i.PieceLength, ok = v.integer(); !ok || i.PieceLength < MinPieceLength || i.PieceLength > MaxPieceLength {
		return infoError("the piece length is %s, not %d to %d bytes", show(v), MinPieceLength, MaxPieceLength)
	}
	return nil
}

// isPrivate reads the flag of BEP 27.
func isPrivate(v value) bool {
	if v == nil {
		return false
	}
	n, ok := v.integer()
	return !ok || n != 0
}

// parsePieces takes the piece hashes, whose number must be what the lengths ask for.
func (i *Info) parsePieces(v value) error {
	if i.Length == 0 {
		return infoError("it has no content")
	}
	pieces, ok := v.text()
	if !ok || len(pieces)%sha1.Size != 0 {
		return infoError("the piece hashes are missing or cut off")
	}
	want := i.Length / i.PieceLength
	if i.Length%i.PieceLength != 0 {
		want++
	}
	if want > MaxPieces {
		return infoError("it has %d pieces; at most %d are supported", want, MaxPieces)
	}
	if have := len(pieces) / sha1.Size; int64(have) != want {
		return infoError("it has %d piece hashes for %d pieces", have, want)
	}
	i.pieces = bytes.Clone(pieces)
	return nil
}

// addLength adds a file's length to the total, which must not overflow.
func (i *Info) addLength(v value) (int64, error) {
	n, ok := v.integer()
	if !ok || n < 0 {
		return 0, infoError("a file has the length %s", show(v))
	}
	if n > math.MaxInt64-i.Length {
		return 0, infoError("its files are longer than any disk")
	}
	i.Length += n
	return n, nil
}

func infoError(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInfo}, args...)...)
}

// show quotes a short value in an error message.
func show(v value) string {
	switch {
	case v == nil:
		return "missing"
	case len(v) > 40:
		return fmt.Sprintf("%q…", []byte(v[:40]))
	}
	if n, ok := v.integer(); ok {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%q", []byte(v))
}
