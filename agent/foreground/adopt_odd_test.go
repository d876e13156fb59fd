package foreground_test

import (
	"bytes"
	"crypto/sha1"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"ebb/agent/swarm"
	"ebb/build/lab"
)

// odd makes a torrent whose files rain calls by other names than the torrent, or does not write at all.
func (w *world) odd() *lab.Content {
	w.Helper()
	long := strings.Repeat("ä", 200)
	files := []struct {
		path  []string
		data  int64
		attr  string
		bytes []byte
	}{
		{path: []string{"empty first"}},
		{path: []string{"short"}, data: 5},
		{path: []string{".pad", "32763"}, data: 32<<10 - 5, attr: "p"},
		{path: []string{"deep", "er", long + ".bin"}, data: 100_000},
		{path: []string{"deep", "_____padding_file_0_if you see this file, please update to BitComet"}, data: 31072},
		{path: []string{"not utf-8 \xff"}, data: 70_000},
		{path: []string{"empty"}},
		{path: []string{"more", "empty"}},
		{path: []string{".pad", "32763"}, data: 32<<10 - 5, attr: "p"},
		{path: []string{"last"}, data: 7},
	}
	c := &lab.Content{Name: "odd", Dir: w.TempDir()}
	c.Info = metainfo.Info{Name: c.Name, PieceLength: 32 << 10}
	var all bytes.Buffer
	for _, f := range files {
		data := make([]byte, f.data)
		info := metainfo.FileInfo{Path: f.path, Length: f.data}
		info.Attr = f.attr
		if f.attr == "" && !strings.HasPrefix(f.path[len(f.path)-1], "_____") {
			for n := range data {
				data[n] = byte(rand.Uint32())
			}
		}
		all.Write(data)
		c.Info.Files = append(c.Info.Files, info)
	}
	data := all.Bytes()
	for begin := 0; begin < len(data); begin += 32 << 10 {
		sum := sha1.Sum(data[begin:min(begin+32<<10, len(data))])
		c.Info.Pieces = append(c.Info.Pieces, sum[:]...)
	}
	info, err := bencode.Marshal(c.Info)
	if err != nil {
		w.Fatal(err)
	}
	c.Hash = swarm.HashInfo(info)
	c.Torrent = dict{"info": bencode.Bytes(info)}.encode(w.T)
	if err := os.WriteFile(filepath.Join(c.Dir, "data"), data, 0o600); err != nil {
		w.Fatal(err)
	}
	return c
}

func TestOddFilesArePlacedWhereRainLooks(t *testing.T) {
	w := newWorld(t)
	c := w.odd()
	data, err := os.ReadFile(filepath.Join(c.Dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	s := w.open()
	held := w.shelve(c)
	for _, index := range all(c) {
		if err := os.WriteFile(held.path(index), pieceOf(c, data, index), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.adopt(c, held)
	if got := w.awaitSeeding(c); got != 0 {
		t.Errorf("%d bytes were downloaded", got)
	}
	for path, want := range map[string]int64{"short": 5, "last": 7, "empty": 0, "empty first": 0, "more/empty": 0} {
		if fi, err := os.Stat(filepath.Join(w.cfg.Directory, "odd", path)); err != nil || fi.Size() != want {
			t.Errorf("%s: %v, %v", path, fi, err)
		}
	}
	if w.has("odd/.pad") {
		t.Error("padding was written")
	}

	loan, err := s.Lend(c.Hash)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, index := range all(c) {
		got = append(got, readPiece(t, loan, index, len(pieceOf(c, data, index)))...)
	}
	if !bytes.Equal(got, data) {
		t.Error("lent is something else than was adopted")
	}
	for _, index := range all(c) {
		if err := loan.GiveBack(index); err != nil {
			t.Error(err)
		}
	}
	if err := loan.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Remove(c.Hash, true); err != nil || w.has("odd") {
		t.Errorf("removed: %v; something is left: %t", err, w.has("odd"))
	}
}
