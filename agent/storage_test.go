package agent_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ebb/agent"
	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/platform"
	"ebb/webui"
)

// onTmpfs makes an agent with a tmpfs of its own in a directory below its state; false, and a line in the log, where
// none can be mounted.
func onTmpfs(t *testing.T, w *lab.World, c lab.AgentConfig, below, size string) (*lab.Agent, bool) {
	t.Helper()
	x := &lab.Agent{}
	var err error
	x.Config, x.State, x.Addr, err = w.WriteConfig(c)
	must(t, err)
	if !tmpfs(t, filepath.Join(x.State, below), size) {
		return nil, false
	}
	must(t, x.Start(nil))
	t.Cleanup(func() { must(t, x.Stop()) })
	return x, true
}

// tmpfs mounts one until the test ends.
func tmpfs(t *testing.T, path, size string) bool {
	t.Helper()
	must(t, os.MkdirAll(path, 0o700))
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size="+size); err != nil {
		t.Logf("NOT COVERED HERE: mounting a tmpfs: %v", err)
		return false
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) { // the test itself has done it
			t.Error(err)
		}
	})
	return true
}

// allocated adds up what the fragments occupy.
func allocated(t *testing.T, x *lab.Agent) (bytes int64) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Join(x.State, "fragments"), func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has just gone
		}
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			bytes += platform.Allocated(fi)
		}
		return err
	}))
	return bytes
}

// TestSomebodyElseFillsTheDisk: the fragments ebb away before whoever else writes to the disk. The other writer is
// never told that the disk is full as long as it leaves ebb its two seconds.
func TestSomebodyElseFillsTheDisk(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", 40*mib, 256<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x, ok := onTmpfs(t, w, lab.AgentConfig{Storage: "48MiB", KeepFree: "12MiB"}, "", "64m")
	if !ok {
		return
	}
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	told(t, ctx, x, "complete", c)

	other := get[*os.File](t)(os.Create(filepath.Join(x.State, "a letter")))
	defer other.Close()
	step := make([]byte, 4*mib)
	for written := int64(0); written < 40*mib; written += int64(len(step)) {
		must(t, await(ctx, func() bool { return free(t, x.State) > 2*int64(len(step)) }))
		if _, err := other.Write(step); err != nil {
			t.Fatalf("after %d bytes the other program was told: %v", written, err)
		}
	}
	must(t, await(ctx, func() bool {
		s, err := x.Status(ctx)
		return err == nil && s.State == webui.StateYielding && s.Background.StorageUsed <= s.Background.StorageLimit && s.Background.Fragments > 0
	}))
	if got := allocated(t, x); got > 12*mib {
		t.Errorf("%d bytes of fragments lie on a disk of 64 MiB where others have 40, and 12 are to be free", got)
	}
	must(t, os.Remove(other.Name()), other.Close())
	must(t, await(ctx, func() bool { // and then, when a minute has shown that it stays so, fragments come again
		s, err := x.Status(ctx)
		return err == nil && s.State == webui.StateSharing && s.Background.StorageLimit == 48*mib
	}))
}

func free(t *testing.T, path string) int64 {
	t.Helper()
	return get[platform.FileSystem](t)(platform.DiskUsage(path)).Free
}

// TestAReadOnlyDiskPausesTheBackground, which goes on when the disk can be written again.
func TestAReadOnlyDiskPausesTheBackground(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", 4*mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x, ok := onTmpfs(t, w, lab.AgentConfig{Storage: "2MiB"}, "fragments", "64m")
	if !ok {
		return
	}
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	holds := func(n int) func() bool {
		return func() bool {
			s, err := x.BackgroundSwarm(ctx, c.Hash)
			return err == nil && s.Fragments == n
		}
	}
	must(t, await(ctx, holds(32)))
	fragments := filepath.Join(x.State, "fragments")
	must(t, await(ctx, func() bool { // a file that is open for writing, as one is while it is received, keeps it from being remounted
		return unix.Mount("", fragments, "", unix.MS_REMOUNT|unix.MS_RDONLY, "") == nil
	}))
	must(t, await(ctx, func() bool {
		s, err := x.Status(ctx)
		return err == nil && s.State == webui.StatePaused && s.Disk.ReadOnly && strings.Contains(s.Why, "read-only")
	}))
	allot(t, ctx, x, "4MiB") // there would be room for the rest
	must(t, unix.Mount("", fragments, "", unix.MS_REMOUNT, ""))
	must(t, await(ctx, holds(64)))
}

// TestADiskThatIsUnpluggedComesBack: the agent pauses and says so; when the same file system is there again it goes on,
// and when it is the disk of before, mounted anew, it asks to be started anew.
func TestADiskThatIsUnpluggedComesBack(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", 4*mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x, ok := onTmpfs(t, w, lab.AgentConfig{Storage: "16MiB"}, "", "64m")
	if !ok {
		return
	}
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	told(t, ctx, x, "complete", c)
	must(t, x.Stop())
	anew := filepath.Join(t.TempDir(), "anew")
	must(t, exec.Command("cp", "-a", x.State, anew).Run())
	kept := t.TempDir()
	must(t, unix.Mount(x.State, kept, "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount(kept, unix.MNT_DETACH)) })
	must(t, x.Start(nil))

	state := func(want webui.State, why string) func() bool {
		return func() bool {
			s, err := x.Status(ctx)
			return err == nil && s.State == want && strings.Contains(s.Why, why)
		}
	}
	unplug := func() {
		must(t, unix.Unmount(x.State, unix.MNT_DETACH), await(ctx, state(webui.StatePaused, "gone")))
		if entries := get[[]os.DirEntry](t)(os.ReadDir(x.State)); len(entries) > 0 {
			t.Errorf("written where the disk had been mounted: %v", entries)
		}
	}
	told(t, ctx, x, "started", &lab.Content{}) // it has written down its address
	unplug()
	must(t, unix.Mount(kept, x.State, "", unix.MS_BIND, ""), await(ctx, state(webui.StateSharing, "64 fragments")))
	unplug()
	must(t, unix.Mount(anew, x.State, "", unix.MS_BIND, ""))
	if err := x.Ended(ctx); !errors.Is(err, agent.ErrRestart) {
		t.Fatalf("the agent ended with %v, want to be started anew", err)
	}
	must(t, x.Start(nil))
	if s := get[webui.BackgroundSwarm](t)(x.BackgroundSwarm(ctx, c.Hash)); s.Fragments != s.Pieces {
		t.Errorf("%d of %d fragments were found again", s.Fragments, s.Pieces)
	}
}

func TestADiskThatIsNotThereAtStartIsNotReplaced(t *testing.T) {
	for below, words := range map[string]string{"": "state directory", "fragments": "fragments directory"} {
		w, ctx := newWorld(t)
		c := get[*lab.Content](t)(w.Content("Old Maps", 4*mib, 64<<10))
		get[*lab.Peer](t)(w.Seed(ctx, c))
		x, ok := onTmpfs(t, w, lab.AgentConfig{Storage: "16MiB"}, below, "64m")
		if !ok {
			return
		}
		get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
		told(t, ctx, x, "complete", c)
		must(t, x.Stop())
		disk, kept := filepath.Join(x.State, below), t.TempDir()
		must(t, unix.Mount(disk, kept, "", unix.MS_BIND, ""), unix.Unmount(disk, unix.MNT_DETACH))
		t.Cleanup(func() { must(t, unix.Unmount(kept, unix.MNT_DETACH)) })
		for range 2 {
			if err := x.Start(nil); !errors.Is(err, agent.ErrAway) || !strings.Contains(err.Error(), words) {
				t.Errorf("without the %s: %v", words, err)
			}
		}
		if entries := get[[]os.DirEntry](t)(os.ReadDir(disk)); len(entries) > 0 {
			t.Errorf("written where the %s was mounted: %v", words, entries)
		}
		must(t, unix.Mount(kept, disk, "", unix.MS_BIND, ""), x.Start(nil))
		if s := get[webui.BackgroundSwarm](t)(x.BackgroundSwarm(ctx, c.Hash)); s.Fragments != s.Pieces {
			t.Errorf("%d of %d fragments are held when the disk is back", s.Fragments, s.Pieces)
		}
	}
}

func TestAShareOfTheDiskIsAnAllotment(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", 16*mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x, ok := onTmpfs(t, w, lab.AgentConfig{Storage: "10%"}, "", "64m")
	if !ok {
		return
	}
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	const most = 64 * mib / 10
	must(t, await(ctx, func() bool {
		s, err := x.Status(ctx)
		return err == nil && s.Background.StorageUsed > most-64<<10
	}))
	if got := allocated(t, x); got > most {
		t.Errorf("%d bytes of fragments, 10 %% of the disk are %d", got, most)
	}
	// The owner gives the disk half the size.
	must(t, unix.Mount("", x.State, "", unix.MS_REMOUNT, "size=32m"))
	must(t, await(ctx, func() bool { return allocated(t, x) <= most/2 }))
}

// TestDownloadsOnAnotherDiskCostNoFragment: reclaiming would not make room there.
func TestDownloadsOnAnotherDiskCostNoFragment(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", 4*mib, 64<<10))
	big := get[*lab.Content](t)(w.Content("First Light", 12*mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c, big))
	downloads := t.TempDir()
	if !tmpfs(t, downloads, "8m") {
		return
	}
	x := &lab.Agent{}
	var err error
	x.Config, x.State, x.Addr, err = w.WriteConfig(lab.AgentConfig{Storage: "64MiB"})
	must(t, err)
	text := get[[]byte](t)(os.ReadFile(x.Config))
	must(t, os.WriteFile(x.Config, fmt.Appendf(text, "\n[foreground]\ndirectory = %q\n", downloads), 0o600))
	must(t, x.Start(nil))
	t.Cleanup(func() { must(t, x.Stop()) })
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	told(t, ctx, x, "complete", c)

	get[swarm.InfoHash](t)(x.AddForeground(ctx, webui.Source{File: big.Torrent}, true))
	var d webui.ForegroundTorrent
	must(t, await(ctx, func() bool {
		d = get[webui.ForegroundTorrent](t)(x.ForegroundTorrent(ctx, big.Hash))
		return strings.Contains(d.State, "space")
	}))
	if !strings.Contains(d.Why, "4") || !strings.Contains(d.Why, "MiB") {
		t.Errorf("it is not said that some 4 MiB are missing: %s", d.Why)
	}
	if s := get[webui.BackgroundSwarm](t)(x.BackgroundSwarm(ctx, c.Hash)); s.Fragments != s.Pieces {
		t.Errorf("%d of %d fragments are left though their disk has room", s.Fragments, s.Pieces)
	}
	must(t, unix.Mount("", downloads, "", unix.MS_REMOUNT, "size=16m"), x.StartForeground(ctx, big.Hash))
	must(t, await(ctx, func() bool { return big.Verify(downloads) == nil }))
}
