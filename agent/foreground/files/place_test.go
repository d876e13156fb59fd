package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// put writes a file of n bytes below dir.
func put(t *testing.T, dir, path string, n int) {
	t.Helper()
	path = filepath.Join(dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, n), 0o644); err != nil {
		t.Fatal(err)
	}
}

// exists reports whether there is something at the path.
func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestPlacesThatLeadElsewhereAreRefused(t *testing.T) {
	for _, test := range []struct {
		paths []string
		want  string // "" means refused
	}{
		{[]string{"film.mkv"}, "film.mkv"},
		{[]string{"album/1", "album/more/2"}, "album"},
		{[]string{"album/1", "other/2"}, ""},
		{[]string{"../album/1"}, ""},
		{[]string{"album/1", "album/../../2"}, ""},
		{[]string{"/etc/passwd"}, ""},
		{[]string{".."}, ""},
		{[]string{"."}, ""},
		{[]string{""}, ""},
		{nil, ""},
	} {
		p := Place{Directory: "/downloads"}
		for _, path := range test.paths {
			p.Files = append(p.Files, File{Path: path})
		}
		if err := p.check(); (err == nil) != (test.want != "") || err == nil && p.Top() != test.want {
			t.Errorf("%q: below %q, %v; not %q", test.paths, p.Top(), err, test.want)
		}
	}
}

func TestNothingButWhatWasDownloadedMayBeOverwritten(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "same", 1000)
	put(t, dir, "empty", 0)
	put(t, dir, "longer", 1001)
	put(t, dir, "shorter", 999)
	put(t, dir, "directory/x", 1)
	for path, want := range map[string]bool{"none": true, "same": true, "empty": true, "longer": false, "shorter": false, "directory": false} {
		_, err := Place{Directory: dir, Files: []File{{path, 1000}}}.Survey()
		if (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
		if err != nil && !errors.Is(err, ErrInTheWay) {
			t.Errorf("%s: %v is not ErrInTheWay", path, err)
		}
	}
}

func TestSurveyCountsWhatHasNoRoomYet(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "t/full", 1<<20)
	put(t, dir, "t/sparse", 0)
	if err := os.Truncate(filepath.Join(dir, "t/sparse"), 1<<20); err != nil {
		t.Fatal(err)
	}
	got, err := Place{Directory: dir, Files: []File{{"t/full", 1 << 20}, {"t/sparse", 1 << 20}, {"t/absent", 1 << 20}}}.Survey()
	if err != nil {
		t.Fatal(err)
	}
	if want := (Found{Present: 2, Absent: 1 << 20, Unallocated: 1 << 20}); got != want {
		t.Errorf("survey is %+v, not %+v", got, want)
	}
	if _, err := (Place{Directory: dir, Files: []File{{"t/full/x", 1}}}).Survey(); err == nil {
		t.Error("a file in place of a directory is no error")
	}
}

func TestMissingTrustsWhicheverCountIsLower(t *testing.T) {
	for _, test := range []struct {
		Found
		unchecked, want int64
	}{
		{Found{Absent: 100}, 100, 100},
		{Found{Present: 1, Unallocated: 100}, 100, 100},
		{Found{Present: 1, Unallocated: 60}, 100, 60}, // there, but not hashed yet
		{Found{Present: 1, Unallocated: 60}, 0, 0},    // complete, on a file system that compresses
		{Found{Present: 1, Unallocated: 60}, -5, 0},
		{Found{Present: 1, Absent: 40, Unallocated: 60}, 10, 50},
	} {
		if got := test.Missing(test.unchecked); got != test.want {
			t.Errorf("%+v with %d unchecked is missing %d, not %d", test.Found, test.unchecked, got, test.want)
		}
	}
}

func TestDeletingTouchesNothingElse(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	put(t, dir, "album/1", 10)
	put(t, dir, "album/deep/er/2", 10)
	put(t, dir, "album/cover.jpg", 10) // the owner's own
	put(t, dir, "other/1", 10)
	put(t, elsewhere, "precious", 10)
	if err := os.Symlink(elsewhere, filepath.Join(dir, "album", "link")); err != nil {
		t.Fatal(err)
	}
	err := Place{Directory: dir, Files: []File{{"album/1", 10}, {"album/deep/er/2", 10}, {"album/never-written", 10}, {"album/link/precious", 10}}}.Delete()
	if err == nil {
		t.Error("that a file lies behind a link to elsewhere is no error")
	}
	for path, want := range map[string]bool{
		"album/1": false, "album/deep": false, "album/cover.jpg": true, "other/1": true, "album": true,
	} {
		if got := exists(t, filepath.Join(dir, path)); got != want {
			t.Errorf("%s exists: %t", path, got)
		}
	}
	if !exists(t, filepath.Join(elsewhere, "precious")) {
		t.Error("a file outside of the download directory was deleted")
	}

	if err := (Place{Directory: dir, Files: []File{{"other/1", 10}}}).Delete(); err != nil {
		t.Error(err)
	}
	if exists(t, filepath.Join(dir, "other")) {
		t.Error("an empty directory is left")
	}
	if !exists(t, dir) {
		t.Error("the download directory itself is gone")
	}
}
