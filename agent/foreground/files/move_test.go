package files

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ebb/agent/swarm"
	"ebb/platform"
)

// elsewhere returns a directory on another file system than the other temporary ones, or on the same where there is
// none.
func elsewhere(t *testing.T, than string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ebb-move-*")
	if err != nil {
		t.Logf("NOT COVERED HERE: another file system: %v", err)
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	a, errA := platform.DiskUsage(dir)
	b, errB := platform.DiskUsage(than)
	if errA != nil || errB != nil || a.ID == b.ID {
		t.Logf("NOT COVERED HERE: another file system: %v, %v", errA, errB)
	}
	return dir
}

// moving is a download of some files, the first of them with a hole and the last not there.
type moving struct {
	*testing.T
	records, dir string
	store        *Store
	hash         swarm.InfoHash
	content      map[string][]byte
}

func newMoving(t *testing.T) *moving {
	t.Helper()
	m := &moving{T: t, records: t.TempDir(), dir: t.TempDir(), hash: swarm.InfoHash{9}}
	info := with(9, torrent("Show", "e1.mkv", "more/e2.mkv", "e3.mkv", "never.mkv"))
	first := append(make([]byte, 4*copyUnit), bytes.Repeat([]byte("data"), copyUnit)...)
	m.content = map[string][]byte{"Show/e1.mkv": first, "Show/more/e2.mkv": []byte("two"), "Show/e3.mkv": bytes.Repeat([]byte("x"), copyUnit+1)}
	for n, path := range []string{"Show/e1.mkv", "Show/more/e2.mkv", "Show/e3.mkv", "Show/never.mkv"} {
		info.Files[n].Length = int64(max(len(m.content[path]), 1))
		if data, ok := m.content[path]; ok {
			put(t, m.dir, path, 0)
			if err := os.WriteFile(filepath.Join(m.dir, path), data, 0o640); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(m.dir, path), 0o640); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.store = open(t, m.records)
	settle(t, m.store, info, m.dir, nil, false)
	return m
}

// at checks that all is in one directory, and nothing in the other.
func (m *moving) at(dir, top, notAt string) {
	m.Helper()
	for path, want := range m.content {
		path = filepath.Join(dir, strings.Replace(path, "Show", top, 1))
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			m.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
		if fi, err := os.Stat(path); err == nil && fi.Mode().Perm() != 0o640 {
			m.Errorf("%s has the mode %v", path, fi.Mode())
		}
	}
	if left, err := os.ReadDir(notAt); err != nil || len(left) > 0 {
		m.Errorf("in %s is left %v, %v", notAt, left, err)
	}
	if p, _ := open(m.T, m.records).Place(m.hash); p.Directory != dir || p.Top() != top || p.to != nil || p.from != nil {
		m.Errorf("written down is %+v", p)
	}
}

func (m *moving) plan(directory string) {
	m.Helper()
	if err := m.store.PlanMove(m.hash, directory); err != nil {
		m.Fatal(err)
	}
}

func TestFilesAreMovedWithinADiskAndToAnother(t *testing.T) {
	for name, other := range map[string]func(*testing.T, string) string{
		"within": func(t *testing.T, _ string) string { return t.TempDir() }, "to another": elsewhere,
	} {
		t.Run(name, func(t *testing.T) {
			m := newMoving(t)
			there := other(t, m.dir)
			m.plan(there)
			if to, moving := open(t, m.records).Moving(m.hash); !moving || to != there {
				t.Errorf("planned is %q, %t", to, moving)
			}
			var last, total int64
			p, err := m.store.Move(t.Context(), m.hash, func(n int64) { last = n })
			for _, f := range p.Files {
				total += f.Length
			}
			if err != nil || p.Directory != there || last != total {
				t.Errorf("moved to %s, %d of %d bytes: %v", p.Directory, last, total, err)
			}
			m.at(there, "Show", m.dir)
		})
	}
}

func TestAMoveThatEndsAnywhereGoesOnOrIsUndone(t *testing.T) {
	for name, other := range map[string]func(*testing.T, string) string{
		"within": func(t *testing.T, _ string) string { return t.TempDir() }, "to another": elsewhere,
	} {
		for stop := range 12 {
			for _, undo := range []bool{false, true} {
				m := newMoving(t)
				there := other(t, m.dir)
				m.plan(there)
				ctx, cancel := context.WithCancel(t.Context())
				steps := 0
				_, err := m.store.Move(ctx, m.hash, func(int64) {
					if steps++; steps > stop {
						cancel()
					}
				})
				cancel()
				if err == nil {
					continue // it has fewer steps
				}
				m.store = open(t, m.records) // as after a kill
				if undo {
					m.plan(m.dir)
					m.at(m.dir, "Show", there)
					continue
				}
				if _, err := m.store.Move(t.Context(), m.hash, func(int64) {}); err != nil {
					t.Errorf("%s, ended after %d steps: %v", name, stop, err)
				}
				m.at(there, "Show", m.dir)
			}
		}
	}
}

func TestAKillAfterTheSwitchLeavesNothingForLong(t *testing.T) {
	m := newMoving(t)
	there := elsewhere(t, m.dir)
	m.plan(there)
	p, _ := m.store.Place(m.hash)
	if err := p.transfer(t.Context(), *p.to, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	former := Place{Directory: p.Directory, Files: p.Files}
	p = *p.to
	p.from = &former
	if err := m.store.write(m.hash, p); err != nil {
		t.Fatal(err)
	}
	m.store = open(t, m.records)
	// The names in the former place are not another's before it is empty.
	if got := settle(t, m.store, with(1, torrent("show")), m.dir, nil, false); got[0] != "show (2)" {
		t.Errorf("another is called %q", got)
	}
	if err := m.store.Tidy(); err != nil {
		t.Fatal(err)
	}
	m.at(there, "Show", m.dir)
}

func TestAMoveOverwritesNothing(t *testing.T) {
	m := newMoving(t)
	there := t.TempDir()
	put(t, there, "Show/e3.mkv", 5)
	if err := m.store.PlanMove(m.hash, there); !errors.Is(err, ErrInTheWay) {
		t.Errorf("%v", err)
	}
	if _, moving := m.store.Moving(m.hash); moving {
		t.Error("it is planned")
	}
	// Another download's name is another name.
	there = t.TempDir()
	settle(t, m.store, with(1, torrent("show")), there, nil, false)
	m.plan(there)
	if _, err := m.store.Move(t.Context(), m.hash, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	m.at(there, "Show (2)", m.dir)
}

func TestNothingIsMovedWhileADiskIsMissing(t *testing.T) {
	m := newMoving(t)
	m.plan(t.TempDir())
	gone := m.dir + ".gone"
	if err := errors.Join(os.Rename(m.dir, gone), os.Mkdir(m.dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	if p, err := m.store.Move(t.Context(), m.hash, func(int64) {}); err == nil || p.Directory != m.dir {
		t.Errorf("moved to %s, %v", p.Directory, err)
	}
	if err := errors.Join(os.Remove(m.dir), os.Rename(gone, m.dir)); err != nil {
		t.Fatal(err)
	}
	to, _ := m.store.Moving(m.hash)
	if _, err := m.store.Move(t.Context(), m.hash, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	m.at(to, "Show", m.dir)
}
