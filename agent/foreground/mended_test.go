//go:build mended

// These need rain as ebb is linked with it: build/rain runs them.

package foreground_test

import (
	"bytes"
	"crypto/sha1"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"ebb/agent/foreground"
	"ebb/agent/swarm"
)

// TestMendedNamesThatBecomeEqualAreToldApart completes a torrent whose files are there, under the names that they get.
func TestMendedNamesThatBecomeEqualAreToldApart(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("長い名前", 22)
	names := []string{"\xcf\xe5\xf1\xed\xff.mp3", "\xcd\xee\xf7\xfc.mp3", "same", "same", long + " 1.mkv", long + " 2.mkv"}
	stored := []string{"%CF%E5%F1%ED%FF.mp3", "%CD%EE%F7%FC.mp3", "same", "same (2)", long[:249] + ".mkv", long[:246] + " (2).mkv"}
	info := metainfo.Info{Name: "Album", PieceLength: 32 << 10}
	var all []byte
	for n, name := range names {
		data := bytes.Repeat([]byte{byte(n + 1)}, 20_000)
		all = append(all, data...)
		info.Files = append(info.Files, metainfo.FileInfo{Path: []string{name}, Length: int64(len(data))})
		path := filepath.Join(w.cfg.Directory, "Album", stored[n])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for begin := 0; begin < len(all); begin += 32 << 10 {
		sum := sha1.Sum(all[begin:min(begin+32<<10, len(all))])
		info.Pieces = append(info.Pieces, sum[:]...)
	}
	raw := bencode.MustMarshal(info)
	s := w.open()
	h, err := s.AddTorrent(w.ctx, dict{"info": bencode.Bytes(raw)}.encode(t), true)
	if err != nil || h != swarm.HashInfo(raw) {
		t.Fatal(err)
	}
	if got := w.awaitState(h, foreground.Seeding); !got.Complete() {
		t.Errorf("%+v", got)
	}
	details, err := s.Details(w.ctx, h)
	if err != nil || len(details.Files) != len(names) {
		t.Fatalf("%+v, %v", details, err)
	}
	for n, f := range details.Files {
		if f.Path != "Album/"+stored[n] {
			t.Errorf("file %d is %q, not %q", n, f.Path, stored[n])
		}
	}
}
