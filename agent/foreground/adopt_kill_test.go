package foreground_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ebb/agent/foreground"
	"ebb/build/lab"
)

// adopterEnv names the environment variable that makes the test program adopt a download until it is killed. It holds
// the path of an adopterConfig.
const adopterEnv = "EBB_FOREGROUND_ADOPTER"

type adopterConfig struct {
	victimConfig
	Torrent []byte
	Shelf   string // the directory of pieces
}

// runAdopter adopts a download, and writes a line at each step.
func runAdopter(path string) int {
	err := func() error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var v adopterConfig
		if err := json.Unmarshal(text, &v); err != nil {
			return err
		}
		s, err := foreground.Open(foreground.Config{
			Directory: v.Directory, Database: v.Database, Host: v.Host, PortBegin: v.PortBegin, PortEnd: v.PortEnd, Ledger: newLedger(1 << 40),
		})
		if err != nil {
			return err
		}
		_, err = s.Adopt(context.Background(), v.Torrent, true, noisy{&shelf{dir: v.Shelf}})
		if err != nil {
			return err
		}
		fmt.Println("adopted")
		return s.Run(context.Background())
	}()
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// noisy tells what is done to its pieces.
type noisy struct{ *shelf }

func (n noisy) Open(index uint32) (io.ReadCloser, error) {
	fmt.Println("open", index)
	return n.shelf.Open(index)
}

func (n noisy) Placed(indexes []uint32) error {
	fmt.Println("placed", indexes)
	err := n.shelf.Placed(indexes)
	fmt.Println("deleted", indexes)
	return err
}

// killAdopter has another process adopt c, and kills it some time after as many steps.
func (w *world) killAdopter(c *lab.Content, s *shelf, steps int, after time.Duration) {
	w.Helper()
	text, err := json.Marshal(adopterConfig{
		victimConfig: victimConfig{Directory: w.cfg.Directory, Database: w.cfg.Database, Host: w.cfg.Host, PortBegin: w.cfg.PortBegin, PortEnd: w.cfg.PortEnd},
		Torrent:      c.Torrent, Shelf: s.dir,
	})
	if err != nil {
		w.Fatal(err)
	}
	path := filepath.Join(w.TempDir(), "adopter.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		w.Fatal(err)
	}
	var output bytes.Buffer
	adopter := exec.CommandContext(w.ctx, os.Args[0])
	adopter.Env = append(os.Environ(), adopterEnv+"="+path)
	adopter.Stderr = &output
	told, err := adopter.StdoutPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := adopter.Start(); err != nil {
		w.Fatal(err)
	}
	lines := bufio.NewScanner(told)
	for range steps {
		if !lines.Scan() {
			w.Fatalf("it has ended by itself: %v: %s", adopter.Wait(), output.String())
		}
		if lines.Text() == "adopted" {
			break
		}
	}
	<-time.After(after) // any moment will do
	if err := adopter.Process.Kill(); err != nil {
		w.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, told)
	_ = adopter.Wait() // it was killed
}

// nothingLost checks that each piece is on the shelf or in the download's file, which is a single one, and returns how
// many are on the shelf.
func (w *world) nothingLost(c *lab.Content, s *shelf) int {
	w.Helper()
	held := s.Indexes()
	left := make(map[uint32]bool)
	for _, index := range held {
		left[index] = true
	}
	f, err := os.Open(filepath.Join(w.cfg.Directory, c.Name))
	if err != nil && (!os.IsNotExist(err) || len(held) < c.Info.NumPieces()) {
		w.Fatal(err)
	}
	defer f.Close()
	for _, index := range all(c) {
		if left[index] {
			continue
		}
		piece := make([]byte, min(c.Info.PieceLength, c.Size()-int64(index)*c.Info.PieceLength))
		if _, err := f.ReadAt(piece, int64(index)*c.Info.PieceLength); err != nil {
			w.Fatal(err)
		}
		if sum := sha1.Sum(piece); !bytes.Equal(sum[:], c.Info.Pieces[index*20:index*20+20]) {
			w.Fatalf("piece %d is lost", index)
		}
	}
	return len(held)
}

func TestKillDuringAdoptLosesNothing(t *testing.T) {
	w := newWorld(t)
	// A hundred pieces of 512 KiB: six batches, each of 16 pieces and 18 steps.
	c := w.content("film.bin", 50<<20+5, 512<<10)
	s := w.shelve(c, all(c)...)
	kills, under := 0, 0
	for ; under < 22 && kills < 60; kills++ {
		steps := 1 + rand.IntN(19)
		if kills%8 == 7 {
			steps = 0 // anywhere from the start of the process on
		}
		w.killAdopter(c, s, steps, rand.N(15*time.Millisecond))
		left := w.nothingLost(c, s)
		if left == 0 { // the next round begins anew
			w.open()
			w.adopt(c, s)
			w.awaitSeeding(c)
			if err := w.session.Remove(c.Hash, true); err != nil {
				t.Fatal(err)
			}
			w.close()
			s = w.shelve(c, all(c)...)
			continue
		}
		under++
	}
	if under < 22 {
		t.Errorf("of %d kills %d came while pieces were being placed: bad times for this test", kills, under)
	}
	w.open()
	if n := w.session.RainTorrents(); n != 0 {
		t.Errorf("rain has %d torrents before the last piece is placed", n)
	}
	w.adopt(c, s)
	w.complete(c)
	if got := w.awaitSeeding(c); got != 0 || len(s.Indexes()) != 0 {
		t.Errorf("%d bytes were downloaded, %v are left", got, s.Indexes())
	}
}

// TestKillAsTheDownloadIsAddedLosesNothing kills around the end, when rain takes over.
func TestKillAsTheDownloadIsAddedLosesNothing(t *testing.T) {
	w := newWorld(t)
	for n := range 8 {
		c := w.content(fmt.Sprint("film", n), 3<<20, 1<<20)
		s := w.shelve(c, all(c)...)
		w.killAdopter(c, s, 5, rand.N(20*time.Millisecond)) // 3 pieces, placed, deleted
		if left := w.nothingLost(c, s); left != 0 {
			t.Fatalf("%d are left after they were deleted", left)
		}
		w.open()
		w.adopt(c, s)
		w.complete(c)
		if got := w.awaitSeeding(c); got != 0 {
			t.Errorf("%d bytes were downloaded", got)
		}
		if list := w.session.Torrents(); len(list) != 1 || w.session.RainTorrents() != 1 {
			t.Errorf("there are %d downloads, and rain has %d", len(list), w.session.RainTorrents())
		}
		if err := w.session.Remove(c.Hash, true); err != nil {
			t.Fatal(err)
		}
		w.close()
	}
}
