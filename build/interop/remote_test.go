//go:build interop && linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// remoteLimit bounds one run of transmission-remote.
const remoteLimit = 20 * time.Second

// remote runs transmission-remote against an agent, and returns what it prints.
func remote(ctx context.Context, a *Agent, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, remoteLimit)
	defer cancel()
	at := strings.TrimSuffix(strings.TrimPrefix(a.url, "http://"), "/")
	cmd := exec.CommandContext(ctx, "transmission-remote", append([]string{at, "-n", "anybody:" + a.token}, args...)...)
	cmd.Env = []string{"HOME=" + a.dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("transmission-remote %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// TestTransmissionRemoteDrivesEbb has Debian's transmission-remote do with ebb what it does with Transmission: add,
// list, look closely, stop, start, verify, limit and remove.
func TestTransmissionRemoteDrivesEbb(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	tracker, err := StartOpentracker(ctx, w.place("opentracker"))
	started(t, tracker, err)
	files := w.place("content").Dir
	c, err := MakeContent(files, "Tide tables", 'T', 4*miB, []string{tracker.HTTP()}, File{"north/1900.txt", 5*miB + 1}, File{"south.txt", 3 * miB})
	if err != nil {
		t.Fatal(err)
	}
	if err := tracker.Serve(ctx, c.Hash, rendezvous(c.Hash)); err != nil {
		t.Fatal(err)
	}
	seed, err := StartTransmission(ctx, w.place("transmission"))
	started(t, seed, err)
	step(t, "transmission seeds", func() error {
		return errors.Join(seed.Seed(ctx, c, files, downloadLimit), known(ctx, tracker, c, seed.Addr()))
	})
	place := w.place("agent")
	ebb, err := StartAgent(ctx, builtEbb(t), place, AgentPreferences{Disk: place.Dir, Storage: "64MiB", Upload: "unlimited"})
	started(t, ebb, err)

	// says runs transmission-remote and looks for words in what it prints.
	says := func(args []string, words ...string) {
		t.Helper()
		out, err := remote(ctx, ebb, args...)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range words {
			if !strings.Contains(out, word) {
				t.Errorf("transmission-remote %s: no %q in it:\n%s", strings.Join(args, " "), word, out)
			}
		}
	}
	list := func(args ...string) []string { return args }

	torrent := filepath.Join(place.Dir, "tides.torrent")
	if err := os.WriteFile(torrent, c.Torrent, 0o600); err != nil {
		t.Fatal(err)
	}
	says(list("-w", ebb.Downloads(), "-a", torrent), "success")
	step(t, "what it added is downloaded", func() error { return ebb.Downloaded(ctx, c, downloadLimit) })
	says(list("-a", torrent), "success") // once more changes nothing
	says(list("-l"), "ID", "Tide tables", "100%", "Sum:")
	says(list("-t", "1", "-i"), "Name: Tide tables", c.Hash.String(), "Percent Done: 100%", "Location: "+ebb.Downloads())
	says(list("-t", c.Hash.String(), "-f"), "Tide tables (2 files)", "Tide tables/north/1900.txt", "Tide tables/south.txt", "100%")
	says(list("-t", "1", "-ip"), "Address")
	says(list("-t", "1", "-it"), "Tracker 0")
	says(list("-si"), "Daemon version: 4.0.0 (ebb ", "Download directory: "+ebb.Downloads())
	says(list("-st"), "CURRENT SESSION", "TOTAL")
	says(list("-u", "900"), "success")
	says(list("-si"), "Upload speed limit: 900 kB/s")
	says(list("-U"), "success")
	says(list("-t", "1", "-S"), "success")
	says(list("-t", "1", "-l"), "Stopped")
	says(list("-t", "1", "-v"), "success")
	says(list("-t", "all", "-s"), "success")
	step(t, "it is whole again after it was verified", func() error { return ebb.Downloaded(ctx, c, downloadLimit) })
	if out, err := remote(ctx, ebb, "-a", "/no/such.torrent"); err == nil && strings.Contains(out, "success") {
		t.Errorf("a file that does not exist was added:\n%s", out)
	}
	says(list("-t", "1", "--remove-and-delete"), "success")
	says(list("-l"), "Sum:")
	if left, err := os.ReadDir(ebb.Downloads()); err != nil || len(left) > 0 {
		t.Errorf("left in the downloads: %v, %v", left, err)
	}
	if _, err := ebb.Foreground(ctx, c.Hash); err == nil {
		t.Error("it is still there")
	}
	ebb.token = strings.Repeat("0", len(ebb.token))
	if out, err := remote(ctx, ebb, "-l"); err == nil {
		t.Errorf("with a wrong token:\n%s", out)
	}
}
