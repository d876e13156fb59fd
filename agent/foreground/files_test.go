package foreground_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cenkalti/rain/v2/torrent"

	"ebb/agent/foreground"
	"ebb/build/lab"
)

// descriptorsBelow returns how many descriptors this process has of what is below a directory.
func descriptorsBelow(t *testing.T, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join("/proc/self/fd", entry.Name()))
		if err == nil && strings.HasPrefix(target, dir+"/") {
			n++
		}
	}
	return n
}

func TestADownloadOfTenThousandFilesHasFewOfThemOpen(t *testing.T) {
	w := newWorld(t)
	const files = 10_000
	c := w.content("album", 5<<20, 64<<10, lab.InFiles(files))
	// It is on the disk already: a stock peer in this process would have all of its files open.
	if err := os.CopyFS(w.cfg.Directory, os.DirFS(c.Dir)); err != nil {
		t.Fatal(err)
	}
	s := w.open()
	w.add(c)
	most, tick := 0, time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		most = max(most, descriptorsBelow(t, w.cfg.Directory))
		if picture, _ := s.Torrent(c.Hash); picture.State == foreground.Seeding {
			break
		}
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			t.Fatalf("it is not complete: %+v", s.Torrents())
		}
	}
	w.complete(c)
	// 64 of the pool, and the directory; what reads and writes them holds no other.
	if most == 0 || most > 70 {
		t.Errorf("up to %d were open", most)
	}
}

// TestDownloadsOfTheVersionBeforeAreTakenOver begins with what rain alone has left: its database, and files under the
// names that it gives them.
func TestDownloadsOfTheVersionBeforeAreTakenOver(t *testing.T) {
	w := newWorld(t)
	c := w.odd()
	data, err := os.ReadFile(filepath.Join(c.Dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	before := torrent.DefaultConfig
	before.Database, before.DataDir, before.DataDirIncludesTorrentID = w.cfg.Database, w.cfg.Directory, false
	before.RPCEnabled, before.DHTEnabled, before.PEXEnabled = false, false, false
	before.Host, before.PortBegin, before.PortEnd, before.MaxOpenFiles = w.cfg.Host, w.cfg.PortBegin, w.cfg.PortEnd, 0
	rain, err := torrent.NewSession(before)
	if err != nil {
		t.Fatal(err)
	}
	old, err := rain.AddTorrent(bytes.NewReader(c.Torrent), &torrent.AddTorrentOptions{ID: c.Hash.String(), Stopped: true})
	if err != nil {
		t.Fatal(err)
	}
	written, err := old.Files()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for n, at := 0, int64(0); n < len(c.Info.Files); n++ {
		f := c.Info.Files[n]
		if f.Attr == "" && !strings.HasPrefix(f.Path[len(f.Path)-1], "_____") {
			path := filepath.Join(w.cfg.Directory, written[len(names)].Path())
			names = append(names, written[len(names)].Path())
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, data[at:at+f.Length], 0o644); err != nil {
				t.Fatal(err)
			}
		}
		at += f.Length
	}
	if err := old.Start(); err != nil {
		t.Fatal(err)
	}
	for old.Stats().Status != torrent.Seeding {
		if w.ctx.Err() != nil {
			t.Fatal(old.Stats())
		}
	}
	if err := rain.Close(); err != nil {
		t.Fatal(err)
	}

	for range 2 {
		s := w.open()
		if picture := w.awaitState(c.Hash, foreground.Seeding); !picture.Complete() || picture.Downloaded != 0 {
			t.Errorf("%+v", picture)
		}
		details, err := s.Details(w.ctx, c.Hash)
		if err != nil || len(details.Files) != len(names) {
			t.Fatalf("%+v, %v", details, err)
		}
		for n, f := range details.Files {
			if f.Path != names[n] {
				t.Errorf("%q is called %q now", names[n], f.Path)
			}
			if long := strings.Repeat("ä", 200) + ".bin"; strings.HasSuffix(names[n], ".bin") && f.Name != "odd/deep/er/"+long {
				t.Errorf("%q is shown as %q", f.Path, f.Name)
			} else if names[n] == "odd/short" && f.Name != "" {
				t.Errorf("%q is shown as %q", f.Path, f.Name)
			}
		}
		if n := w.filesBelow(); n != len(names) {
			t.Errorf("there are %d files, not %d", n, len(names))
		}
		w.close()
	}
	s := w.open()
	if err := s.Remove(c.Hash, true); err != nil || w.has("odd") {
		t.Errorf("removed: %v; something is left: %t", err, w.has("odd"))
	}
}

// filesBelow returns how many files the download directory has, at any depth.
func (w *world) filesBelow() (n int) {
	w.Helper()
	err := filepath.WalkDir(w.cfg.Directory, func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return n
}
