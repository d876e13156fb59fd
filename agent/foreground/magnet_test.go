package foreground_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ebb/agent/foreground"

	"github.com/cenkalti/rain/v2/torrent"
)

func TestMagnetIsLookedForAgainAfterARestart(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 2<<20, 16<<10)
	s := w.open()
	peer := w.NextAddr().String() + ":1"
	if _, err := s.AddURI(w.ctx, c.Magnet()+"&dn=A+film&tr=http%3A%2F%2Ftracker.invalid%2Fannounce&x.pe="+peer, true); err != nil {
		t.Fatal(err)
	}
	before, _ := s.Torrent(c.Hash)
	if s.RainTorrents() != 0 {
		t.Error("rain has a magnet")
	}
	w.close()
	w.seed(c)
	s = w.open()
	after, _ := s.Torrent(c.Hash)
	if after.Name != before.Name || !slices.Equal(after.Trackers, before.Trackers) || !after.AddedAt.Equal(before.AddedAt) || after.State != foreground.Metadata {
		t.Errorf("before %+v, after %+v", before, after)
	}
	w.complete(c)
	if err := s.Remove(c.Hash, true); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(w.cfg.Database + ".links"); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestStoppedMagnetAsksNobody(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	w.seed(c)
	s := w.open()
	if _, err := s.AddURI(w.ctx, c.Magnet(), false); err != nil {
		t.Fatal(err)
	}
	if picture := w.awaitState(c.Hash, foreground.Stopped); picture.MetadataKnown || w.door.Knows(c.Hash) {
		t.Errorf("stopped, and yet at the door: %+v", picture)
	}
	if err := s.Start(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.complete(c)
}

// A former version gave magnets to rain.
func TestMagnetOfAFormerVersionIsTakenOver(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	w.seed(c)
	if err := os.MkdirAll(filepath.Dir(w.cfg.Database), 0o755); err != nil {
		t.Fatal(err)
	}
	cfg := torrent.DefaultConfig
	cfg.Database, cfg.DataDir, cfg.RPCEnabled, cfg.DHTEnabled, cfg.MaxOpenFiles = w.cfg.Database, t.TempDir(), false, false, 0
	cfg.Host, cfg.PortBegin, cfg.PortEnd = w.cfg.Host, w.cfg.PortBegin, w.cfg.PortEnd
	former, err := torrent.NewSession(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := former.AddURI(c.Magnet(), &torrent.AddTorrentOptions{ID: c.Hash.String(), Stopped: true, StopAfterMetadata: true}); err != nil {
		t.Fatal(err)
	}
	if err := former.Close(); err != nil {
		t.Fatal(err)
	}
	s := w.open()
	if picture, _ := s.Torrent(c.Hash); !slices.Equal(picture.Trackers, []string{w.TrackerURL()}) || picture.State != foreground.Metadata {
		t.Errorf("taken over: %+v", picture)
	}
	w.complete(c)
}

// A former version gave the trackers to rain, too, which would announce there besides us.
func TestTrackersOfAFormerVersionAreTakenOver(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	w.seed(c)
	cfg := torrent.DefaultConfig
	cfg.Database, cfg.DataDir, cfg.RPCEnabled, cfg.DHTEnabled, cfg.MaxOpenFiles = w.cfg.Database, t.TempDir(), false, false, 0
	cfg.Host, cfg.PortBegin, cfg.PortEnd = w.cfg.Host, w.cfg.PortBegin, w.cfg.PortEnd
	former, err := torrent.NewSession(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := former.AddTorrent(bytes.NewReader(c.Torrent), &torrent.AddTorrentOptions{ID: c.Hash.String(), Stopped: true}); err != nil {
		t.Fatal(err)
	}
	if err := former.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and stay so
		s := w.open()
		if picture, _ := s.Torrent(c.Hash); !slices.Equal(picture.Trackers, []string{w.TrackerURL()}) || len(s.RainTrackers(c.Hash)) != 0 {
			t.Errorf("trackers %q, of which rain announces to %q", picture.Trackers, s.RainTrackers(c.Hash))
		}
		w.complete(c)
		w.close()
	}
}

func TestMetadataThatIsTooLargeIsSaid(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	raw := []byte(strings.Repeat("x", 5<<20))
	s := w.open()
	peer := liar(t, w.NextAddr(), c.Hash, raw)
	if _, err := s.AddURI(w.ctx, fmt.Sprintf("magnet:?xt=urn:btih:%s&x.pe=%s", c.Hash.String(), peer), true); err != nil {
		t.Fatal(err)
	}
	w.await(c.Hash, "said to be too large", func(t foreground.Torrent) bool {
		return t.Why() == "its metadata of 5.0 MiB is too large for this device: at most 4.0 MiB are taken here"
	})
	w.close() // or the peer would wait for us
}
