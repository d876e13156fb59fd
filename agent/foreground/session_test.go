package foreground_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"ebb/agent/foreground"
	"ebb/agent/swarm"
	"ebb/build/lab"
)

func TestTorrentIsDownloadedAfterItsSpaceIsReserved(t *testing.T) {
	w := newWorld(t)
	c := w.content("album", 3<<20, 64<<10, lab.InFiles(5))
	w.seed(c)
	w.open()
	w.add(c)
	picture := w.complete(c)
	if picture.Name != "album" || picture.Private || !picture.MetadataKnown || picture.Port == 0 ||
		!slices.Equal(picture.Trackers, []string{w.TrackerURL()}) || picture.Directory != w.cfg.Directory || picture.AddedAt.IsZero() {
		t.Errorf("the picture is %+v", picture)
	}
	calls := w.ledger.history()
	if len(calls) < 2 || calls[0] != "reserve 3145728" || calls[len(calls)-1] != "release" {
		t.Errorf("the ledger was asked %q", calls)
	}
	if told := w.told(); !slices.Equal(told, []string{"added: album: added", "complete: album: complete"}) {
		t.Errorf("the story is %q", told)
	}
}

func TestMagnetIsReservedAfterItsMetadata(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 2<<20, 64<<10)
	w.seed(c)
	s := w.open()
	if _, err := s.AddURI(w.ctx, c.Magnet(), true); err != nil {
		t.Fatal(err)
	}
	picture := w.complete(c)
	if picture.Name != "film.bin" || !slices.Equal(picture.Trackers, []string{w.TrackerURL()}) {
		t.Errorf("the picture is %+v", picture)
	}
	if calls := w.ledger.history(); calls[0] != "reserve 2097152" {
		t.Errorf("the ledger was asked %q", calls)
	}
}

func TestDownloadIsSharedWithOthers(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	seed := w.seed(c)
	w.open()
	w.add(c)
	picture := w.complete(c)
	if err := seed.Stop(); err != nil {
		t.Fatal(err)
	}
	leecher, err := w.Leech(w.ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := leecher.Wait(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.await(c.Hash, "uploaded", func(now foreground.Torrent) bool { return now.Uploaded >= c.Size() })
	if picture.Downloaded < c.Size() {
		t.Errorf("%d bytes downloaded, of %d", picture.Downloaded, c.Size())
	}
}

func TestPeersAreTakenFromOutside(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	seed := w.seed(c)
	untracked := w.content("film.bin", 1<<20, 64<<10, lab.Trackers())
	w.open()
	w.add(untracked)
	w.awaitState(c.Hash, foreground.Downloading)
	w.door.Found(c.Hash, []netip.AddrPort{seed.Addr(c)})
	w.complete(c)
}

func TestDownloadWaitsForSpaceAndIsTriedAgainWhenAsked(t *testing.T) {
	w := newWorld(t)
	w.ledger.setRoom(1<<20 - 1)
	c := w.content("film.bin", 1<<20, 64<<10)
	w.seed(c)
	s := w.open()
	w.add(c)
	picture := w.awaitState(c.Hash, foreground.Waiting)
	if picture.Error != errNoRoom.Error() || picture.Why() != errNoRoom.Error() || picture.Running() {
		t.Errorf("the picture is %+v", picture)
	}
	if w.has("film.bin") {
		t.Error("a file was created without space")
	}
	if told := w.told(); !slices.Contains(told, "waiting: film.bin: waits for space: the ledger's sentence") {
		t.Errorf("the story is %q", told)
	}
	w.ledger.setRoom(1 << 20)
	if err := s.Start(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.complete(c)
}

func TestStoppedDownloadStaysStoppedOverRestart(t *testing.T) {
	w := newWorld(t)
	a := w.content("a.bin", 1<<20, 64<<10)
	b := w.content("b.bin", 1<<20, 64<<10)
	w.seed(a, b)
	s := w.open()
	w.add(a)
	w.add(b)
	w.complete(a)
	w.complete(b)
	if err := s.Stop(a.Hash); err != nil {
		t.Fatal(err)
	}
	w.await(a.Hash, "stopped and complete", func(t foreground.Torrent) bool { return t.State == foreground.Stopped && t.Complete() && t.Peers == 0 })
	w.close()

	before := len(w.ledger.history())
	s = w.open()
	picture := w.complete(b)
	if picture.Downloaded != 1<<20 {
		t.Errorf("after the restart %d bytes were downloaded in all, not %d", picture.Downloaded, 1<<20)
	}
	if stopped, _ := s.Torrent(a.Hash); stopped.State != foreground.Stopped || !stopped.Complete() || stopped.Why() == "" {
		t.Errorf("after the restart the stopped one is %+v", stopped)
	}
	if calls := w.ledger.history()[before:]; len(calls) != 0 {
		t.Errorf("for complete downloads the ledger was asked %q", calls)
	}
	if err := s.Start(a.Hash); err != nil {
		t.Fatal(err)
	}
	w.complete(a)
}

func TestStopGivesSpaceBackAndStartTakesItAgain(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10) // nobody seeds it
	s := w.open()
	w.add(c)
	w.awaitState(c.Hash, foreground.Downloading)
	// Also while rain still says goodbye to the tracker.
	for range 3 {
		if err := s.Stop(c.Hash); err != nil {
			t.Fatal(err)
		}
		w.awaitState(c.Hash, foreground.Stopped)
		if err := s.Start(c.Hash); err != nil {
			t.Fatal(err)
		}
		w.awaitState(c.Hash, foreground.Downloading)
	}
	if err := s.Stop(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.await(c.Hash, "released", func(foreground.Torrent) bool {
		calls := w.ledger.history()
		return calls[len(calls)-1] == "release"
	})
}

func TestRemoveWithDataDeletesOnlyTheTorrentsOwnFiles(t *testing.T) {
	w := newWorld(t)
	c := w.content("album", 1<<20, 64<<10, lab.InFiles(4))
	w.seed(c)
	s := w.open()
	w.add(c)
	w.complete(c)
	w.put("album/cover.jpg", 10)
	w.put("mine", 10)
	if err := s.Remove(c.Hash, true); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"album/000.bin": false, "album/more": false, "album/cover.jpg": true, "mine": true,
	} {
		if got := w.has(path); got != want {
			t.Errorf("%s exists: %t", path, got)
		}
	}
	if list := s.Torrents(); len(list) != 0 {
		t.Errorf("downloads are left: %+v", list)
	}
	if err := s.Remove(c.Hash, true); !errors.Is(err, foreground.ErrUnknown) {
		t.Errorf("removing it again: %v", err)
	}
	if calls := w.ledger.history(); calls[len(calls)-1] != "release" {
		t.Errorf("the ledger was asked %q", calls)
	}
}

func TestRemovedDownloadIsFoundOnDiskWhenAddedAgain(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	seed := w.seed(c)
	s := w.open()
	w.add(c)
	w.complete(c)
	if err := s.Remove(c.Hash, false); err != nil {
		t.Fatal(err)
	}
	if err := seed.Stop(); err != nil {
		t.Fatal(err)
	}
	before := len(w.ledger.history())
	w.add(c)
	if picture := w.complete(c); picture.Downloaded != 0 {
		t.Errorf("%d bytes were downloaded again", picture.Downloaded)
	}
	if calls := w.ledger.history()[before:]; slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "reserve") }) {
		t.Errorf("for what is on disk the ledger was asked %q", calls)
	}
}

func TestTorrentsOfOneNameAreBothHad(t *testing.T) {
	w := newWorld(t)
	c := w.content("album", 1<<20, 64<<10)
	s := w.open()
	w.add(c)
	if h, err := s.AddTorrent(w.ctx, c.Torrent, true); !errors.Is(err, foreground.ErrExists) || h != c.Hash {
		t.Errorf("adding it again: %v", err)
	}
	if _, err := s.AddURI(w.ctx, c.Magnet(), true); !errors.Is(err, foreground.ErrExists) {
		t.Errorf("adding it again as a magnet link: %v", err)
	}
	if list := s.Torrents(); len(list) != 1 || s.RainTorrents() != 1 {
		t.Errorf("the downloads are %+v", list)
	}
	others := []*lab.Content{w.content("Album", 2<<20, 64<<10), w.content("ALBUM", 1<<20, 64<<10, lab.InFiles(2))}
	w.seed(c)
	for _, other := range others {
		w.seed(other)
		if _, err := s.AddURI(w.ctx, other.Magnet(), true); err != nil {
			t.Errorf("adding another %s: %v", other.Name, err)
		}
		w.awaitState(other.Hash, foreground.Seeding)
	}
	w.complete(c)
	for _, name := range []string{"album", "Album (2)", "ALBUM (3)/000.bin"} {
		if !w.has(name) {
			t.Errorf("there is no %s", name)
		}
	}
	w.close()
	s = w.open()
	for _, other := range append(others, c) {
		w.awaitState(other.Hash, foreground.Seeding)
		if err := s.Remove(other.Hash, true); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(w.cfg.Directory); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestFilesOfTheOwnersAreNotOverwritten(t *testing.T) {
	w := newWorld(t)
	c := w.content("thesis.doc", 1<<20, 64<<10)
	w.put("thesis.doc", 5000)
	w.seed(c)
	s := w.open()
	if _, err := s.AddTorrent(w.ctx, c.Torrent, true); !errors.Is(err, foreground.ErrInTheWay) || !strings.Contains(err.Error(), "thesis.doc") {
		t.Errorf("adding it as a torrent: %v", err)
	}
	if _, err := s.AddURI(w.ctx, c.Magnet(), true); err != nil {
		t.Fatal(err)
	}
	if picture := w.awaitState(c.Hash, foreground.Failed); !strings.Contains(picture.Error, "move it away") {
		t.Errorf("added as a magnet link: %+v", picture)
	}
	if fi, err := os.Stat(filepath.Join(w.cfg.Directory, "thesis.doc")); err != nil || fi.Size() != 5000 {
		t.Errorf("the owner's file is %v, %v", fi, err)
	}
	// Out of the way, it works at the next try.
	w.remove("thesis.doc")
	if err := s.Start(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.complete(c)

	// What the owner makes of a download is theirs, too.
	w.close()
	w.put("thesis.doc", 2<<20)
	w.open()
	if picture := w.awaitState(c.Hash, foreground.Failed); !strings.Contains(picture.Error, "move it away") {
		t.Errorf("with a changed file: %+v", picture)
	}
	if fi, err := os.Stat(filepath.Join(w.cfg.Directory, "thesis.doc")); err != nil || fi.Size() != 2<<20 {
		t.Errorf("the owner's file is %v, %v", fi, err)
	}
}

func TestVanishedFilesAreNotDownloadedAgainUnasked(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	w.seed(c)
	w.open()
	w.add(c)
	w.complete(c)
	w.close()
	w.remove("film.bin")
	s := w.open()
	if picture := w.awaitState(c.Hash, foreground.Away); !strings.Contains(picture.Why(), "gone") {
		t.Errorf("without its files: %+v", picture)
	}
	if w.has("film.bin") {
		t.Error("the file was created")
	}
	if err := s.Start(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.complete(c)

	// The same without a restart: rain still believes to have it.
	if err := s.Stop(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.await(c.Hash, "stopped", func(t foreground.Torrent) bool { return t.State == foreground.Stopped && t.Peers == 0 })
	w.remove("film.bin")
	if err := s.Start(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.await(c.Hash, "downloading again", func(t foreground.Torrent) bool { return t.State != foreground.Stopped && t.State != foreground.Seeding })
	w.complete(c)
}

func TestFilesThatVanishInAnUncleanStopAreNotDownloadedAgainUnasked(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 8<<20, 64<<10)
	w.seed(c)
	w.limit = 1 << 20
	w.open()
	w.add(c)
	w.await(c.Hash, "begun", func(t foreground.Torrent) bool { return t.Completed > 0 })
	w.close()
	w.remove("film.bin")
	if err := os.Remove(w.cfg.Database + ".state"); err != nil { // it says that the stop was orderly
		t.Fatal(err)
	}
	w.open()
	if picture := w.awaitState(c.Hash, foreground.Away); !strings.Contains(picture.Why(), "gone") {
		t.Errorf("without its files: %+v", picture)
	}
	if w.has("film.bin") {
		t.Error("the file was created")
	}
}

func TestAddedWithoutStartWaitsForTheOwner(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	w.seed(c)
	s := w.open()
	if _, err := s.AddTorrent(w.ctx, c.Torrent, false); err != nil {
		t.Fatal(err)
	}
	if picture := w.awaitState(c.Hash, foreground.Stopped); picture.Name != "film.bin" {
		t.Errorf("the picture is %+v", picture)
	}
	w.nothingAsked()
	if err := s.Start(c.Hash); err != nil {
		t.Fatal(err)
	}
	w.complete(c)
}

func (w *world) nothingAsked() {
	w.Helper()
	if calls := w.ledger.history(); len(calls) != 0 {
		w.Errorf("the ledger was asked %q", calls)
	}
}

func TestUnknownDownloads(t *testing.T) {
	w := newWorld(t)
	s := w.open()
	h := swarm.InfoHash{1}
	for name, err := range map[string]error{"start": s.Start(h), "stop": s.Stop(h), "remove": s.Remove(h, true)} {
		if !errors.Is(err, foreground.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := s.Torrent(h); ok {
		t.Error("there is a picture of it")
	}
}

func TestOpenSaysWhatToDo(t *testing.T) {
	w := newWorld(t)
	w.open()
	if _, err := foreground.Open(w.cfg); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second session: %v", err)
	}
	cfg := w.cfg
	cfg.Database = filepath.Join(t.TempDir(), "db")
	if err := os.WriteFile(cfg.Database, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := foreground.Open(cfg); err == nil || !strings.Contains(err.Error(), "move "+cfg.Database) {
		t.Errorf("a damaged database: %v", err)
	}
}

func TestDownloadsWaitForTheirDiskAndGoOnByThemselves(t *testing.T) {
	w := newWorld(t)
	old, fresh := w.content("old.bin", 1<<20, 64<<10), w.content("fresh.bin", 1<<20, 64<<10)
	w.seed(old)
	w.seed(fresh)
	w.open()
	w.add(old)
	w.complete(old)
	w.close()

	disk := w.cfg.Directory
	unplugged := disk + "-unplugged"
	if err := os.Rename(disk, unplugged); err != nil {
		t.Fatal(err)
	}
	var away atomic.Bool
	away.Store(true)
	w.cfg.Present = func(string) error {
		if away.Load() {
			return errors.New("mount it")
		}
		return nil
	}
	w.open()
	w.add(fresh)
	for _, c := range []*lab.Content{old, fresh} {
		if picture := w.awaitState(c.Hash, foreground.Away); !strings.Contains(picture.Why(), "mount it") {
			t.Errorf("without its disk: %+v", picture)
		}
	}
	if _, err := os.Stat(disk); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made where the disk should be: %v", err)
	}
	if err := os.Rename(unplugged, disk); err != nil {
		t.Fatal(err)
	}
	away.Store(false)
	w.complete(old)
	w.complete(fresh)
}

func TestADirectoryThatCannotBeUsedKeepsNobodyFromStarting(t *testing.T) {
	w := newWorld(t)
	w.put("file", 1)
	w.cfg.Directory = filepath.Join(w.cfg.Directory, "file")
	c := w.content("film.bin", 1<<20, 64<<10)
	w.open()
	w.add(c)
	if picture := w.awaitState(c.Hash, foreground.Away); !strings.Contains(picture.Why(), "file") {
		t.Errorf("a file for a directory: %+v", picture)
	}
}

func TestNothingChangesAfterClose(t *testing.T) {
	w := newWorld(t)
	a, b := w.content("a", 1<<20, 64<<10), w.content("b", 1<<20, 64<<10)
	s := w.open()
	w.add(a)
	w.close()
	_, added := s.AddTorrent(w.ctx, b.Torrent, true)
	for name, err := range map[string]error{"add": added, "stop": s.Stop(a.Hash), "remove": s.Remove(a.Hash, true)} {
		if !errors.Is(err, foreground.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	if list := w.open().Torrents(); len(list) != 1 || list[0].Hash != a.Hash {
		t.Errorf("the next session has %+v", list)
	}
}
