package foreground_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"ebb/build/lab"
)

// shelf is a directory of pieces, in files called by their index.
type shelf struct {
	dir string

	mu     sync.Mutex
	placed []uint32
	broken map[uint32]func() (io.ReadCloser, error) // instead of opening
	after  func(indexes []uint32) error             // instead of deleting, if it returns an error
}

// shelve puts pieces of c on a shelf.
func (w *world) shelve(c *lab.Content, indexes ...uint32) *shelf {
	w.Helper()
	s := &shelf{dir: w.TempDir(), broken: make(map[uint32]func() (io.ReadCloser, error))}
	if len(indexes) == 0 {
		return s
	}
	data := original(w.T, c)
	for _, index := range indexes {
		if err := os.WriteFile(s.path(index), pieceOf(c, data, index), 0o600); err != nil {
			w.Fatal(err)
		}
	}
	return s
}

// original returns all bytes of c.
func original(t *testing.T, c *lab.Content) []byte {
	t.Helper()
	var data []byte
	for _, f := range c.Info.UpvertedFiles() {
		part, err := os.ReadFile(filepath.Join(append([]string{c.Dir, c.Name}, f.Path...)...))
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, part...)
	}
	return data
}

func pieceOf(c *lab.Content, data []byte, index uint32) []byte {
	begin := int64(index) * c.Info.PieceLength
	return data[begin:min(begin+c.Info.PieceLength, int64(len(data)))]
}

// all returns the indexes of all pieces of c.
func all(c *lab.Content) (indexes []uint32) {
	for n := range c.Info.NumPieces() {
		indexes = append(indexes, uint32(n))
	}
	return indexes
}

func (s *shelf) path(index uint32) string { return filepath.Join(s.dir, fmt.Sprint(index)) }

func (s *shelf) Indexes() []uint32 {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		panic(err)
	}
	var indexes []uint32
	for _, entry := range entries {
		index, err := strconv.ParseUint(entry.Name(), 10, 32)
		if err != nil {
			panic(err)
		}
		indexes = append(indexes, uint32(index))
	}
	slices.Sort(indexes)
	return indexes
}

func (s *shelf) Open(index uint32) (io.ReadCloser, error) {
	if open := s.broken[index]; open != nil {
		return open()
	}
	return os.Open(s.path(index))
}

func (s *shelf) Placed(indexes []uint32) error {
	if s.after != nil {
		if err := s.after(indexes); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.placed = append(s.placed, indexes...)
	for _, index := range indexes {
		if err := os.Remove(s.path(index)); err != nil {
			return err
		}
	}
	return nil
}
