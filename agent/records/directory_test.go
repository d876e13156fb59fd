package records

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDownloadsCanBeReachedByThoseWhomTheirModeLetsIn(t *testing.T) {
	for mask, want := range map[int]struct{ home, downloads fs.FileMode }{
		0o002: {0o711, 0o775},
		0o022: {0o711, 0o755},
		0o027: {0o710, 0o750},
		0o077: {0o700, 0o700},
	} {
		path := filepath.Join(t.TempDir(), "state")
		before := unix.Umask(mask)
		s, err := OpenDirectory(path)
		if err != nil {
			t.Fatal(err)
		}
		downloads := s.Downloads()
		unix.Umask(before)
		if got := modeOf(t, path); got != want.home {
			t.Errorf("umask %04o: the state directory has %04o, want %04o", mask, got, want.home)
		}
		if got := modeOf(t, downloads); got != want.downloads {
			t.Errorf("umask %04o: the downloads have %04o, want %04o", mask, got, want.downloads)
		}
		if err := os.Chmod(path, 0o700); err != nil { // what the owner decides stays
			t.Fatal(err)
		}
		if s.Downloads(); modeOf(t, path) != 0o700 {
			t.Errorf("umask %04o: the state directory was opened again", mask)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func modeOf(t *testing.T, path string) fs.FileMode {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Mode().Perm()
}
