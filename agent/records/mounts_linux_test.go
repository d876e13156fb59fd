package records

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// usb is a mount point that file systems can be mounted on.
type usb struct {
	t     *testing.T
	point string
}

func (u usb) mount(source, kind string, flags uintptr) bool {
	u.t.Helper()
	err := unix.Mount(source, u.point, kind, flags, "")
	if errors.Is(err, unix.EPERM) {
		u.t.Logf("NOT COVERED HERE: mounting on %s: %v", u.point, err)
		return false
	}
	if err != nil {
		u.t.Fatal(err)
	}
	u.t.Cleanup(func() { _ = unix.Unmount(u.point, unix.MNT_DETACH) }) // unless it is done
	return true
}

func (u usb) unmount() {
	u.t.Helper()
	if err := unix.Unmount(u.point, unix.MNT_DETACH); err != nil {
		u.t.Fatal(err)
	}
}

func (u usb) make(below string) string {
	u.t.Helper()
	path := filepath.Join(u.point, below)
	if err := os.MkdirAll(path, 0o700); err != nil {
		u.t.Fatal(err)
	}
	return path
}

func present(t *testing.T, m *Mounts, dir string) {
	t.Helper()
	if err := m.Present(dir); err != nil {
		t.Error(err)
	}
}

func absent(t *testing.T, m *Mounts, dir, words string) {
	t.Helper()
	if err := m.Present(dir); !errors.Is(err, ErrAway) || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want to be told %q", err, words)
	}
}

func TestADirectoryIsAwayWhileItsDiskIsNotMounted(t *testing.T) {
	u := usb{t, filepath.Join(t.TempDir(), "usb")}
	elsewhere := usb{t, filepath.Join(t.TempDir(), "elsewhere")}
	u.make("")
	elsewhere.make("")
	if !u.mount("ebb", "tmpfs", 0) {
		return
	}
	memory := filepath.Join(t.TempDir(), "mounts")
	downloads, itself := u.make("down loads \xff"), u.point
	m := OpenMounts(memory)
	present(t, m, downloads)
	present(t, m, itself)
	elsewhere.mount(u.point, "", unix.MS_BIND)
	u.unmount()
	for _, m := range []*Mounts{m, OpenMounts(memory)} { // in this process, and in a later one
		for _, dir := range []string{downloads, itself} {
			absent(t, m, dir, "not mounted at "+u.point)
		}
		u.make("down loads \xff") // as somebody may have made it before
		absent(t, m, downloads, memory)
		if err := os.Remove(downloads); err != nil {
			t.Fatal(err)
		}
	}
	u.mount("another", "tmpfs", 0)
	absent(t, OpenMounts(memory), downloads, "make that directory")
	present(t, OpenMounts(memory), itself) // what else could the owner mean
	u.unmount()
	u.mount(elsewhere.point, "", unix.MS_BIND)
	present(t, m, downloads)
	present(t, OpenMounts(memory), downloads)
	u.unmount()
	u.mount("another", "tmpfs", 0)
	u.make("down loads \xff")
	present(t, m, downloads) // the owner has made it there
}

func TestWhatIsOnTheRootFileSystemIsNotRemembered(t *testing.T) {
	memory := filepath.Join(t.TempDir(), "mounts")
	m := OpenMounts(memory)
	present(t, m, "/a directory that is not there")
	if _, err := os.Stat(memory); !os.IsNotExist(err) {
		t.Errorf("a memory of it: %v", err)
	}
}

func TestADamagedMemoryIsNone(t *testing.T) {
	memory := filepath.Join(t.TempDir(), "mounts")
	for _, text := range []string{"\x00\xff", "\"/a\" \"/b", strings.Repeat("x", 1<<20), strings.Repeat("\"/x\" \"/\" \"\"\n", 10000)} {
		if err := os.WriteFile(memory, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		m := OpenMounts(memory)
		if len(m.known) > mostMounts {
			t.Errorf("%d lines are taken", len(m.known))
		}
		present(t, m, t.TempDir())
	}
}
