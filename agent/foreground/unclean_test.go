package foreground_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ebb/agent/foreground"
	"ebb/agent/swarm"
	"ebb/platform"
)

// victimEnv names the environment variable that makes the test program a session which somebody is going to kill. It
// holds the path of its Config.
const victimEnv = "EBB_FOREGROUND_VICTIM"

// victimConfig is what the killed session must know.
type victimConfig struct {
	Directory, Database, Host string
	PeerPort                  uint16
	PortBegin, PortEnd        uint16
	DownloadLimit             int64
	Hash                      swarm.InfoHash
	Peer                      netip.AddrPort // to introduce again and again; see world.await
}

// runVictim runs a session until it is killed.
func runVictim(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var v victimConfig
	if err := json.Unmarshal(text, &v); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	house, err := openHouse(foreground.Config{
		Directory: v.Directory, Database: v.Database, Host: v.Host, PeerPort: v.PeerPort, PortBegin: v.PortBegin, PortEnd: v.PortEnd,
		Ledger: newLedger(1 << 40),
	}, v.DownloadLimit)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for range time.Tick(100 * time.Millisecond) { // until it is killed
		house.door.Found(v.Hash, []netip.AddrPort{v.Peer})
	}
	return 1
}

func TestAfterKillTheDownloadGoesOnWithoutFetchingAnythingAgain(t *testing.T) {
	const size, pieceLength, limit = 40 << 20, 64 << 10, 4 << 20
	w := newWorld(t)
	c := w.content("album", size, pieceLength)
	seed := w.seed(c)

	// An orderly stop first, so that rain has saved marks, which then fall behind.
	w.limit = limit
	w.open()
	w.add(c)
	w.await(c.Hash, "begun", func(t foreground.Torrent) bool { return t.Completed >= 2<<20 })
	w.close()
	saved, _ := w.session.Torrent(c.Hash)

	missing := w.kill(c.Hash, seed.Addr(c), func() bool { return seed.Uploaded() >= size*3/4 })
	w.limit = 0
	w.open()
	picture := w.complete(c)
	// What the killed session had fetched is not in the count: rain had not saved it.
	fetched := picture.Downloaded - saved.Downloaded
	if fetched > missing+1<<20 {
		t.Errorf("%d bytes were missing after the kill, %d were fetched", missing, fetched)
	}
	if missing > size/2 || missing < 1<<20 || saved.Completed > size/2 {
		t.Errorf("%d bytes were missing after the kill: it came at a bad time for this test", missing)
	}
}

func TestAfterKillACompleteDownloadIsNotHashedAgain(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	seed := w.seed(c)
	w.open()
	w.add(c)
	w.complete(c)
	w.close()
	peer := seed.Addr(c)
	if err := seed.Stop(); err != nil {
		t.Fatal(err)
	}
	w.kill(c.Hash, peer, func() bool { return w.announced(c.Hash) })

	forgotten, err := foreground.ForgetMarks(w.cfg.Database)
	if err != nil || len(forgotten) != 0 {
		t.Errorf("to be hashed: %v, %v", forgotten, err)
	}
	w.open()
	if picture := w.complete(c); picture.Downloaded != c.Size() {
		t.Errorf("%d bytes were downloaded in all", picture.Downloaded)
	}
}

// announced reports whether the session under test is known to the tracker.
func (w *world) announced(h swarm.InfoHash) bool {
	for peer := range w.Swarm(h) {
		if peer.Addr().String() == w.cfg.Host {
			return true
		}
	}
	return false
}

// kill runs the session in another process, and kills it when it is time. It returns how many bytes of its files have
// no blocks then.
func (w *world) kill(h swarm.InfoHash, peer netip.AddrPort, due func() bool) (missing int64) {
	w.Helper()
	text, err := json.Marshal(victimConfig{
		Directory: w.cfg.Directory, Database: w.cfg.Database, Host: w.cfg.Host, PortBegin: w.cfg.PortBegin, PortEnd: w.cfg.PortEnd,
		DownloadLimit: w.limit, PeerPort: w.cfg.PeerPort, Hash: h, Peer: peer,
	})
	if err != nil {
		w.Fatal(err)
	}
	path := filepath.Join(w.TempDir(), "victim.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.Fatal(err)
	}
	var output bytes.Buffer
	victim := exec.CommandContext(w.ctx, os.Args[0])
	victim.Env = append(os.Environ(), victimEnv+"="+path)
	victim.Stderr = &output
	if err := victim.Start(); err != nil {
		w.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- victim.Wait() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !due() {
		select {
		case <-tick.C:
		case err := <-ended:
			w.Fatalf("the session to kill has ended by itself: %v: %s", err, output.String())
		}
	}
	if err := victim.Process.Kill(); err != nil {
		w.Fatal(err)
	}
	<-ended
	err = filepath.WalkDir(w.cfg.Directory, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		fi, err := entry.Info()
		if err == nil {
			missing += max(fi.Size()-platform.Allocated(fi), 0)
		}
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return missing
}
