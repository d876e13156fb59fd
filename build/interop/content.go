//go:build linux

package interop

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
)

// Content is what a torrent holds: pseudo-random files that are the same in every run, and the torrent itself.
type Content struct {
	Name    string
	Hash    swarm.InfoHash
	Length  int64  // bytes
	Torrent []byte // the .torrent file

	pieces []byte                       // their SHA-1 sums
	sums   map[string][sha256.Size]byte // by path below the directory that the content is downloaded into
}

// File is one file of a content to be made.
type File struct {
	Path   string // below Name; "" if the content is a single file called Name
	Length int64  // bytes
}

// MakeContent writes the files under dir and makes their torrent, public, with one tier per tracker (BEP 12): clients
// then announce to each tracker, or to the next one when the first is gone. The seed decides the bytes.
func MakeContent(dir, name string, seed byte, pieceLength int64, trackers []string, files ...File) (*Content, error) {
	c := &Content{Name: name, sums: make(map[string][sha256.Size]byte)}
	random := rand.NewChaCha8([32]byte{seed})
	for _, f := range files {
		path := filepath.Join(name, f.Path)
		sum, err := writeRandom(filepath.Join(dir, path), random, f.Length)
		if err != nil {
			return nil, fmt.Errorf("making content %s: %w", name, err)
		}
		c.sums[path] = sum
		c.Length += f.Length
	}
	info := metainfo.Info{PieceLength: pieceLength}
	if err := info.BuildFromFilePath(filepath.Join(dir, name)); err != nil {
		return nil, fmt.Errorf("making torrent %s: %w", name, err)
	}
	var m metainfo.MetaInfo
	var err error
	if m.InfoBytes, err = bencode.Marshal(info); err != nil {
		return nil, fmt.Errorf("making torrent %s: %w", name, err)
	}
	for i, url := range trackers {
		if i == 0 {
			m.Announce = url
		}
		m.AnnounceList = append(m.AnnounceList, []string{url})
	}
	if c.Torrent, err = bencode.Marshal(m); err != nil {
		return nil, fmt.Errorf("making torrent %s: %w", name, err)
	}
	c.Hash, c.pieces = swarm.HashInfo(m.InfoBytes), info.Pieces
	return c, nil
}

func writeRandom(path string, random io.Reader, length int64) (sum [sha256.Size]byte, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return sum, err
	}
	f, err := os.Create(path)
	if err != nil {
		return sum, err
	}
	hash := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, hash), random, length); err != nil {
		f.Close()
		return sum, err
	}
	return [sha256.Size]byte(hash.Sum(nil)), f.Close()
}

// WriteTorrent writes the .torrent file into dir and returns its path.
func (c *Content) WriteTorrent(dir string) (string, error) {
	path := filepath.Join(dir, c.Name+".torrent")
	return path, os.WriteFile(path, c.Torrent, 0o644)
}

// Check compares the copy that was downloaded into dir, byte for byte by SHA-256, with what was made.
func (c *Content) Check(dir string) error {
	for path, want := range c.sums {
		got, err := sumFile(filepath.Join(dir, path))
		if err != nil {
			return fmt.Errorf("checking content %s: %w", c.Name, err)
		}
		if got != want {
			return fmt.Errorf("checking content %s: %s has SHA-256 %x, want %x", c.Name, filepath.Join(dir, path), got, want)
		}
	}
	return nil
}

// Pieces is the number of pieces.
func (c *Content) Pieces() int { return len(c.pieces) / sha1.Size }

// CheckPiece compares a file with the SHA-1 of the piece.
func (c *Content) CheckPiece(index int, path string) error {
	if index < 0 || index >= c.Pieces() {
		return fmt.Errorf("%s has no piece %d", c.Name, index)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if got, want := sha1.Sum(data), c.pieces[index*sha1.Size:][:sha1.Size]; !bytes.Equal(got[:], want) {
		return fmt.Errorf("%s: SHA-1 %x is not that of piece %d of %s, %x", path, got, index, c.Name, want)
	}
	return nil
}

func sumFile(path string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return sum, err
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}
