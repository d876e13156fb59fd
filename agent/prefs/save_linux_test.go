package prefs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ebb/agent/prefs"
)

// kept is a saved file, and a check that it is still there, whole, and alone in its directory.
func kept(t *testing.T) (path string, check func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "ebb.toml")
	old := with(func(p *prefs.Preferences) { p.Background.Storage = prefs.StorageOf(1 << 30) })
	if err := prefs.Save(path, old); err != nil {
		t.Fatal(err)
	}
	return path, func() {
		t.Helper()
		if p, err := prefs.Load(path); err != nil || !p.Equal(old) {
			t.Errorf("the old file is gone: %v, %+v", err, p)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
			t.Errorf("left behind: %v, %v", entries, err)
		}
	}
}

func TestSaveReplacesTheFileAndKeepsItPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ebb.toml")
	if err := os.WriteFile(path, []byte("# the owner's notes, readable by all\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := with(func(p *prefs.Preferences) { p.Background.Storage = prefs.StorageOf(20 << 30) })
	if err := prefs.Save(path, p); err != nil {
		t.Fatal(err)
	}
	again, err := prefs.Load(path)
	if err != nil || !again.Equal(p) {
		t.Errorf("got %+v, %v", again, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestSaveFollowsASymbolicLink(t *testing.T) {
	path, _ := kept(t)
	link := filepath.Join(t.TempDir(), "link.toml")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	p := with(func(p *prefs.Preferences) { p.Background.Storage = prefs.StorageOf(7) })
	if err := prefs.Save(link, p); err != nil {
		t.Fatal(err)
	}
	if again, err := prefs.Load(path); err != nil || !again.Equal(p) {
		t.Errorf("got %+v, %v", again, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info.Mode(), err)
	}
}

func TestSaveRefusesPreferencesThatCouldNotBeLoaded(t *testing.T) {
	path, check := kept(t)
	err := prefs.Save(path, with(func(p *prefs.Preferences) { p.Web.Address = "nowhere" }))
	if err == nil || !strings.Contains(err.Error(), `web.address = "nowhere"`) {
		t.Errorf("got %v", err)
	}
	long := with(func(p *prefs.Preferences) { p.Foreground.Directory = "/" + strings.Repeat("x", 1<<20) })
	if err := prefs.Save(path, long); err == nil {
		t.Error("saved what is too long to load")
	}
	check()
}

func TestSaveIntoAnUnwritableDirectoryLeavesTheOldFile(t *testing.T) {
	path, check := kept(t)
	if err := os.Chmod(filepath.Dir(path), 0o555); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		// Root may write anywhere. Without its file system user ID this one thread may not; the thread ends with the
		// goroutine, because it stays locked to it.
		runtime.LockOSThread()
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			failed <- nil
			return
		}
		failed <- prefs.Save(path, prefs.Default())
	}()
	if err := <-failed; !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	check()
}

func TestSaveWithoutItsDirectoryFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "ebb.toml")
	if err := prefs.Save(path, prefs.Default()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestSaveOverADirectoryFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ebb.toml")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := prefs.Save(path, prefs.Default()); err == nil {
		t.Error("saved")
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// saveChild tells a child of the test program where to save.
const saveChild = "EBB_TEST_SAVE"

func TestSaveOnAFullDiskLeavesTheOldFile(t *testing.T) {
	path, check := kept(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), program)
	child.Env = append(os.Environ(), saveChild+"="+path)
	if output, err := child.CombinedOutput(); err != nil {
		t.Errorf("the child: %v\n%s", err, output)
	}
	check()
}

// saveOnFullDisk saves in a process that may not make files longer than 100 bytes, so that the write stops midway as it
// does on a full disk. It returns the process's exit code.
func saveOnFullDisk(path string) int {
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 100, Max: 100}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
		return 1
	}
	if err := prefs.Save(path, prefs.Default()); !errors.Is(err, syscall.EFBIG) {
		fmt.Println("want a write that fails, got", err)
		return 1
	}
	return 0
}

func TestLoadTellsAMissingFileFromABadOne(t *testing.T) {
	dir := t.TempDir()
	if _, err := prefs.Load(filepath.Join(dir, "none.toml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	bad := filepath.Join(dir, "bad.toml")
	if err := os.WriteFile(bad, []byte("[web]\nadress = 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := prefs.Load(bad)
	var problems prefs.Problems
	want := "preferences " + bad + `: line 2: unknown key "web.adress" (did you mean "address"?)`
	if !errors.As(err, &problems) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe} {
		if _, err := prefs.Load(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
}
