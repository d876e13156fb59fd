package foreground

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/swarm"

	"github.com/cenkalti/rain/v2/torrent"
)

// releases is a Ledger that counts releases.
type releases int

func (*releases) Reserve(swarm.InfoHash, func() int64) error { return nil }
func (r *releases) Withdraw(swarm.InfoHash)                  { *r++ }

func TestTroubleWithTheDiskMakesADownloadWaitAndOtherTroubleMakesItFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var released releases
		running := func() *download {
			released = 0
			s := &Session{cfg: Config{Ledger: &released}.withDefaults()}
			return &download{session: s, examined: true, reserved: true, promise: new(promise)}
		}
		for errno, want := range map[syscall.Errno]State{
			syscall.ENOSPC: Waiting, syscall.EDQUOT: Waiting,
			syscall.EIO: Away, syscall.ENOENT: Away, syscall.EROFS: Away, syscall.ESTALE: Away,
		} {
			d := running()
			d.broken(&fs.PathError{Op: "write", Path: "film", Err: errno})
			if d.failure != "" || !strings.Contains(d.lacks, errno.Error()) || d.reserved || released != 1 {
				t.Errorf("%v: failure %q, lacks %q, reserved %t, released %d times", errno, d.failure, d.lacks, d.reserved, released)
			}
			if state := d.state(torrent.Stopped, true); state != want {
				t.Errorf("%v: the state is %s", errno, state)
			}
			if d.due() {
				t.Errorf("%v: it tries again at once", errno)
			}
			<-time.After(retryInterval)
			if !d.due() {
				t.Errorf("%v: after %v it does not try again", errno, retryInterval)
			}
		}
		d := running()
		d.broken(errors.New("a piece too long"))
		if d.failure == "" || d.waits != "" || d.state(torrent.Stopped, true) != Failed {
			t.Errorf("another error: failure %q, waits %q", d.failure, d.waits)
		}
		d.asked, d.wanted = true, true
		if !d.hear() || d.failure != "" {
			t.Errorf("after the owner has started it again: failure %q", d.failure)
		}
	})
}

func TestPromiseIsKeptUntilTheDownloadIsComplete(t *testing.T) {
	var released releases
	d := &download{session: &Session{cfg: Config{Ledger: &released}.withDefaults()}, rain: new(torrent.Torrent), reserved: true}
	d.promise = new(promise)
	d.promise.unchecked.Store(1000)
	promise := d.promise
	for _, status := range []torrent.Status{torrent.Allocating, torrent.Verifying, torrent.Downloading} {
		stats := torrent.Stats{Status: status}
		stats.Bytes.Total, stats.Bytes.Completed = 1000, 400
		d.observe(stats)
	}
	if got := promise.unchecked.Load(); got != 600 || released != 0 {
		t.Errorf("with 400 of 1000 bytes hash-checked, %d are not, and the room was given back %d times", got, released)
	}
	for range 2 {
		d.observe(torrent.Stats{Status: torrent.Seeding})
	}
	if d.promise != nil || !d.reserved || released != 1 {
		t.Errorf("complete: promise %v, reserved %t, given back %d times", d.promise, d.reserved, released)
	}
}

func TestTroubleWithTheDiskDoesNotLoseAMagnet(t *testing.T) {
	var released releases
	d := &download{session: &Session{cfg: Config{Ledger: &released}.withDefaults()}, rain: new(torrent.Torrent), running: true}
	d.observe(torrent.Stats{Status: torrent.Stopped, Error: fmt.Errorf("cannot write resume info: %w", syscall.EIO)})
	if d.rain == nil || d.waits != Away {
		t.Errorf("it waits for %q; removed: %t", d.waits, d.rain == nil)
	}
}

func TestCompletedCountsHeldPiecesWhileRainDoesNot(t *testing.T) {
	stats := func(completed int64, have uint32) (s torrent.Stats) {
		s.Bytes.Total, s.PieceLength, s.Pieces.Total = 950, 100, 10
		s.Bytes.Completed, s.Pieces.Have = completed, have
		return s
	}
	for _, test := range []struct {
		stats torrent.Stats
		want  int64
	}{
		{stats(450, 5), 450},
		{stats(0, 0), 0},
		{stats(0, 5), 500},
		{stats(0, 9), 900}, // or 850 with the last one
		{stats(0, 10), 950},
		{torrent.Stats{}, 0},
	} {
		if got := completed(test.stats); got != test.want {
			t.Errorf("with %d of 10 pieces %d bytes are complete, not %d", test.stats.Pieces.Have, got, test.want)
		}
	}
}

func TestEveryStateHasAReason(t *testing.T) {
	for _, state := range []State{Metadata, Checking, Downloading, Seeding, Stopped} {
		if why := (Torrent{State: state}).Why(); why == "" || why == string(state) {
			t.Errorf("%s: %q", state, why)
		}
		if why := (Torrent{State: state, Error: "slow disk"}).Why(); why != "slow disk" {
			t.Errorf("%s with an error: %q", state, why)
		}
	}
}

func TestNamesAreShownWithoutTricks(t *testing.T) {
	for name, want := range map[string]string{
		"Über film (2020).mkv": "Über film (2020).mkv",
		"a\x1b[31mb\nc":        "a[31mb c",
		"photo\u202egpj.exe":   "photogpj.exe",
		"\xff":                 "",
	} {
		if got := displayName(name); got != want {
			t.Errorf("%q is shown as %q, not %q", name, got, want)
		}
	}
}
