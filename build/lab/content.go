package lab

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
)

// Content is made-up data and its torrent. The same name, size and options give
// the same bytes in every world; trackers do not enter the info-hash.
type Content struct {
	Name string
	Hash swarm.InfoHash
	Info metainfo.Info
	// Dir holds the data: a file or a directory called Name.
	Dir string
	// Torrent is the .torrent file.
	Torrent []byte

	trackers []string
}

// ContentOption changes what [World.Content] makes.
type ContentOption func(*Content)

// Private marks the torrent as private (BEP 27).
func Private() ContentOption {
	return func(c *Content) {
		private := true
		c.Info.Private = &private
	}
}

// InFiles spreads the data over a directory with n files of about the same
// size, every other one in a directory further down.
func InFiles(n int) ContentOption {
	return func(c *Content) {
		size := c.Info.Length
		c.Info.Length = 0
		for i := range int64(n) {
			path := []string{fmt.Sprintf("%03d.bin", i)}
			if i%2 == 1 {
				path = []string{"more", path[0]}
			}
			c.Info.Files = append(c.Info.Files, metainfo.FileInfo{
				Path:   path,
				Length: size*(i+1)/int64(n) - size*i/int64(n),
			})
		}
	}
}

// Trackers replaces the world's HTTP tracker in the torrent.
func Trackers(urls ...string) ContentOption {
	return func(c *Content) { c.trackers = urls }
}

// Content makes size bytes of data in pieces of pieceLength bytes, and its torrent.
func (w *World) Content(name string, size, pieceLength int64, options ...ContentOption) (*Content, error) {
	if size < 1 || pieceLength < 1 {
		return nil, fmt.Errorf("content %q: %d bytes in pieces of %d are impossible", name, size, pieceLength)
	}
	c := &Content{
		Name:     name,
		Info:     metainfo.Info{Name: name, Length: size, PieceLength: pieceLength},
		Dir:      filepath.Join(w.dir, "content"),
		trackers: []string{w.TrackerURL()},
	}
	for _, option := range options {
		option(c)
	}
	if err := c.generate(); err != nil {
		return nil, fmt.Errorf("content %q: %w", name, err)
	}
	info, err := bencode.Marshal(c.Info)
	if err != nil {
		return nil, fmt.Errorf("content %q: %w", name, err)
	}
	c.Hash = swarm.HashInfo(info)
	file := metainfo.MetaInfo{InfoBytes: info}
	if len(c.trackers) > 0 {
		file.Announce = c.trackers[0]
	}
	for _, url := range c.trackers {
		file.AnnounceList = append(file.AnnounceList, []string{url})
	}
	var torrent bytes.Buffer
	if err := file.Write(&torrent); err != nil {
		return nil, fmt.Errorf("content %q: %w", name, err)
	}
	c.Torrent = torrent.Bytes()
	return c, nil
}

// Magnet returns the magnet link.
func (c *Content) Magnet() string {
	link := metainfo.Magnet{InfoHash: metainfo.Hash(c.Hash), DisplayName: c.Name, Trackers: c.trackers}
	return link.String()
}

// Size returns the length of the data in bytes.
func (c *Content) Size() int64 { return c.Info.TotalLength() }

// files returns the paths of the data relative to Dir, with their lengths, in the torrent's order.
func (c *Content) files() []contentFile {
	var files []contentFile
	for _, f := range c.Info.UpvertedFiles() {
		files = append(files, contentFile{filepath.Join(append([]string{c.Name}, f.Path...)...), f.Length})
	}
	return files
}

type contentFile struct {
	path   string
	length int64
}

// generate writes the data and fills in the piece hashes.
func (c *Content) generate() error {
	source := rand.NewChaCha8(sha256.Sum256([]byte(c.Name)))
	pieces := &pieceHasher{left: c.Info.PieceLength, length: c.Info.PieceLength}
	for _, f := range c.files() {
		path := filepath.Join(c.Dir, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		_, err = io.CopyN(io.MultiWriter(file, pieces), source, f.length)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	c.Info.Pieces = pieces.finish()
	return nil
}

// pieceHasher cuts what is written to it into pieces and hashes each.
type pieceHasher struct {
	length, left int64 // of a whole piece, and to the end of the current one
	piece        []byte
	sums         []byte
}

func (h *pieceHasher) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(int64(len(rest)), h.left)
		h.piece = append(h.piece, rest[:n]...)
		rest = rest[n:]
		if h.left -= n; h.left == 0 {
			h.sum()
		}
	}
	return len(p), nil
}

func (h *pieceHasher) sum() {
	sum := sha1.Sum(h.piece)
	h.sums = append(h.sums, sum[:]...)
	h.piece, h.left = h.piece[:0], h.length
}

func (h *pieceHasher) finish() []byte {
	if len(h.piece) > 0 {
		h.sum()
	}
	return h.sums
}

// Verify compares a copy of the data below dir with the original, byte by byte.
func (c *Content) Verify(dir string) error {
	for _, f := range c.files() {
		if err := sameBytes(filepath.Join(c.Dir, f.path), filepath.Join(dir, f.path)); err != nil {
			return fmt.Errorf("%s differs from the original: %w", strings.TrimPrefix(f.path, c.Name+"/"), err)
		}
	}
	return nil
}

// sameBytes returns an error unless both files hold the same.
func sameBytes(original, copied string) (err error) {
	a, err := os.Open(original)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := os.Open(copied)
	if err != nil {
		return err
	}
	defer b.Close()

	left, right := make([]byte, 1<<20), make([]byte, 1<<20)
	for offset := int64(0); ; {
		n, errA := io.ReadFull(a, left)
		m, errB := io.ReadFull(b, right)
		if !bytes.Equal(left[:n], right[:m]) {
			return fmt.Errorf("in the %d bytes from %d", max(n, m), offset)
		}
		offset += int64(n)
		endA, endB := ended(errA), ended(errB)
		switch {
		case endA && endB:
			return nil
		case errA != nil && !endA:
			return errA
		case errB != nil && !endB:
			return errB
		}
	}
}

func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
