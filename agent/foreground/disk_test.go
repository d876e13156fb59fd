package foreground

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"ebb/agent/swarm"
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

func TestTopLevelRefusesPathsThatLeadElsewhere(t *testing.T) {
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
		var files []file
		for _, path := range test.paths {
			files = append(files, file{path: path})
		}
		got, err := topLevel(files)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("topLevel(%q) is %q, %v; not %q", test.paths, got, err, test.want)
		}
		if err != nil && !errors.Is(err, ErrBadSource) {
			t.Errorf("topLevel(%q): %v is not ErrBadSource", test.paths, err)
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
		_, err := survey(dir, []file{{path, 1000}})
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
	got, err := survey(dir, []file{{"t/full", 1 << 20}, {"t/sparse", 1 << 20}, {"t/absent", 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (found{present: 2, absent: 1 << 20, unallocated: 1 << 20}); got != want {
		t.Errorf("survey is %+v, not %+v", got, want)
	}
	if _, err := survey(dir, []file{{"t/full/x", 1}}); err == nil {
		t.Error("a file in place of a directory is no error")
	}
}

func TestMissingTrustsWhicheverCountIsLower(t *testing.T) {
	for _, test := range []struct {
		found
		unchecked, want int64
	}{
		{found{absent: 100}, 100, 100},
		{found{present: 1, unallocated: 100}, 100, 100},
		{found{present: 1, unallocated: 60}, 100, 60}, // there, but not hashed yet
		{found{present: 1, unallocated: 60}, 0, 0},    // complete, on a file system that compresses
		{found{present: 1, unallocated: 60}, -5, 0},
		{found{present: 1, absent: 40, unallocated: 60}, 10, 50},
	} {
		if got := test.missing(test.unchecked); got != test.want {
			t.Errorf("%+v with %d unchecked is missing %d, not %d", test.found, test.unchecked, got, test.want)
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
	err := deleteFiles(dir, []file{{"album/1", 10}, {"album/deep/er/2", 10}, {"album/never-written", 10}, {"album/link/precious", 10}})
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

	if err := deleteFiles(dir, []file{{"other/1", 10}}); err != nil {
		t.Error(err)
	}
	if exists(t, filepath.Join(dir, "other")) {
		t.Error("an empty directory is left")
	}
	if !exists(t, dir) {
		t.Error("the download directory itself is gone")
	}
}

func TestStateSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.state")
	s, err := loadState(path)
	if err != nil || s.clean || len(s.stopped) != 0 {
		t.Fatalf("without a file: %+v, %v", s, err)
	}
	a, b := swarm.InfoHash{1}, swarm.InfoHash{2}
	s.stopped[a], s.stopped[b], s.adopted[b], s.holed[a] = true, true, true, true
	for _, clean := range []bool{true, false} {
		s.clean = clean
		if err := s.save(path); err != nil {
			t.Fatal(err)
		}
		if got, err := loadState(path); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("saved %+v, loaded %+v, %v", s, got, err)
		}
	}
	if !s.forget(a) || s.forget(a) || s.stopped[a] || s.holed[a] || !s.stopped[b] || !s.adopted[b] {
		t.Errorf("after forgetting the first: %+v", s)
	}
	for _, text := range []string{"clean\nstopped 12\n", "nonsense", "lost " + a.String(), "stopped " + string(make([]byte, 40))} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := loadState(path); err == nil {
			t.Errorf("%q is taken for %+v", text, s)
		}
	}
}
