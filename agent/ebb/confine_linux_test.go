package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// inConfinement confines one thread, which ends with what is done in it, so that other tests are not confined.
func inConfinement(t *testing.T, writable []string, do func(err error)) {
	t.Helper()
	defer func(before func(trap, a, b, c, d, e, f uintptr) (uintptr, uintptr, syscall.Errno)) {
		allThreads = before
	}(allThreads)
	allThreads = syscall.RawSyscall6
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		do(confine(writable))
	}()
	<-done
}

func TestConfinedItOpensItsOwnFilesAndTheSystemsAlone(t *testing.T) {
	own, other := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(own, "a"), filepath.Join(own, "b"), filepath.Join(other, "c")} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	secret := filepath.Join(other, "secret")
	if err := os.WriteFile(secret, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	inConfinement(t, []string{own}, func(err error) {
		status, readErr := os.ReadFile("/proc/thread-self/status")
		if readErr != nil || !strings.Contains(string(status), "NoNewPrivs:\t1") {
			t.Errorf("new privileges are not ruled out (%v)", readErr)
		}
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "CapBnd:") && os.Geteuid() == 0 && !strings.HasSuffix(line, "000000000002240b\n") {
				t.Errorf("it could have %s", line)
			}
		}
		if err != nil {
			if !strings.Contains(err.Error(), "Landlock") {
				t.Error(err)
			}
			return // a kernel without it, which the error says
		}
		if err := os.WriteFile(filepath.Join(own, "a/x"), []byte("x"), 0o644); err != nil {
			t.Error(err)
		}
		if err := os.Rename(filepath.Join(own, "a/x"), filepath.Join(own, "b/y")); err != nil {
			t.Error(err)
		}
		if err := os.Truncate(filepath.Join(own, "b/y"), 0); err != nil {
			t.Error(err)
		}
		if err := os.Remove(filepath.Join(own, "b/y")); err != nil {
			t.Error(err)
		}
		if _, err := os.ReadFile("/etc/passwd"); err != nil {
			t.Error(err)
		}
		_, read := os.ReadFile(secret)
		_, list := os.ReadDir(other)
		_, root := os.ReadDir("/")
		for what, err := range map[string]error{
			"reading somebody's file":    read,
			"listing their directory":    list,
			"listing the root":           root,
			"writing to their directory": os.WriteFile(filepath.Join(other, "c/x"), nil, 0o644),
			"moving something there":     os.Rename(filepath.Join(own, "a"), filepath.Join(other, "c/a")),
			"deleting their file":        os.Remove(secret),
			"writing to the system's":    os.WriteFile("/etc/ebb-was-here", nil, 0o644),
			"running a program":          exec.Command("/bin/true").Run(),
		} {
			if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EXDEV) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestRuleForADiskIsTiedToWhereItIsMounted has a rule outlive that a disk is unplugged and mounted anew.
func TestRuleForADiskIsTiedToWhereItIsMounted(t *testing.T) {
	for path, want := range map[string]string{
		"/proc/self": "/proc/" + filepath.Base(self(t)), // mounted in the root, which would be everything
		"/sys/fs":    "/sys/fs", "/": "/",
	} {
		if got := anchor(path); got != want {
			t.Errorf("the rule for %s is tied to %s, not to %s", path, got, want)
		}
	}
	dir := t.TempDir()
	if got := anchor(dir); got != dir {
		t.Errorf("%s is tied to %s", dir, got)
	}
	if got := anchor(filepath.Join(dir, "absent/below")); got != filepath.Dir(dir) { // as if its disk were mounted at dir
		t.Errorf("what does not exist in %s is tied to %s", dir, got)
	}
	shm, err := os.MkdirTemp("/dev/shm", "ebb") // a disk, as it were, in /dev
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(shm)
	if got := anchor(shm); got != "/dev" {
		t.Errorf("what is in /dev/shm is tied to %s", got)
	}
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Readlink("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	return path
}
