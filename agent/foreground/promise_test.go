package foreground

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ebb/agent/foreground/files"
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

// promised returns a promise for the files, which are found below dir.
func promised(t *testing.T, dir string, unchecked, unplaced int64, list ...files.File) *promise {
	t.Helper()
	s := &Session{}
	p, _, err := s.newPromise(files.Place{Directory: dir, Files: list}, unchecked, unplaced)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.asking.wait)
	return p
}

// now returns what remains, measured now.
func (p *promise) now() int64 {
	p.mu.Lock()
	p.due = time.Time{}
	p.mu.Unlock()
	return p.remaining()
}

func TestRemainingFollowsTheBlocksOnDisk(t *testing.T) {
	const mib = 1 << 20
	dir := t.TempDir()
	p := promised(t, dir, 4*mib, 0, files.File{Path: "t/a", Length: 3 * mib}, files.File{Path: "t/b", Length: mib})
	expect := func(what string, want int64) {
		t.Helper()
		if got := p.now(); got != want {
			t.Errorf("%s: %d bytes remain, not %d", what, got, want)
		}
	}
	expect("without files", 4*mib)
	put(t, dir, "t/a", 2*mib)
	if err := os.Truncate(filepath.Join(dir, "t/a"), 3*mib); err != nil {
		t.Fatal(err)
	}
	expect("with two thirds of the first", 2*mib)
	p.unplaced.Store(mib)
	expect("while pieces of it are to be placed", mib)
	p.unplaced.Store(9 * mib)
	expect("with more pieces than room is needed", 0)
	p.unplaced.Store(0)
	p.unchecked.Store(mib / 2)
	expect("with most of it hash-checked", mib+mib/2)

	// What cannot be measured is as it was.
	put(t, dir, "t/b/in-the-way", 1)
	expect("with a directory in the place of a file", mib+mib/2)
	if err := os.RemoveAll(filepath.Join(dir, "t")); err != nil {
		t.Fatal(err)
	}
	expect("without a disk", mib+mib/2)
}

func TestMeasuringTakesTwoPercentOfTheTime(t *testing.T) {
	dir := t.TempDir()
	var list []files.File
	for range 3000 {
		list = append(list, files.File{Path: "t/none", Length: 1})
	}
	put(t, dir, "t/some", 1)
	list = append(list, files.File{Path: "t/some", Length: 1})
	p := promised(t, dir, 3001, 0, list...)
	before := p.remaining()
	began := time.Now()
	p.measure()
	ended := time.Now()
	if rest := p.due.Sub(ended); rest < 40*ended.Sub(began) {
		t.Errorf("after measuring for %v it rests for %v", ended.Sub(began), rest)
	}
	p.due = time.Now().Add(time.Hour)
	put(t, dir, "t/none", 1)
	if got := p.remaining(); got != before {
		t.Errorf("measured again too early: %d bytes, not %d", got, before)
	}
	if got := p.now(); got >= before {
		t.Errorf("not measured again when due: %d bytes", got)
	}
}

func TestSlowDiskHoldsUpNobody(t *testing.T) {
	dir := t.TempDir()
	p := promised(t, dir, 10, 0, files.File{Path: "a", Length: 10})
	put(t, dir, "a", 10)
	p.measuring = true // by somebody whose disk does not answer
	if got := p.now(); got != 10 {
		t.Errorf("%d bytes remain, not the 10 of the last measurement", got)
	}
	p.measuring = false
	p.asking.wait() // the session has closed
	if got := p.now(); got != 10 {
		t.Errorf("after the session: %d bytes remain, not the 10 of the last measurement", got)
	}
}

func TestRemainingIsForAnyGoroutine(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a", 5<<10)
	p := promised(t, dir, 10<<10, 0, files.File{Path: "a", Length: 5 << 10}, files.File{Path: "b", Length: 5 << 10})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 200 {
				if got := p.now(); got != 5<<10 {
					t.Errorf("%d bytes remain", got)
				}
			}
		})
	}
	for n := range int64(200) { // the keeper
		p.unchecked.Store(10<<10 + n)
	}
	p.asking.wait()
	all.Wait()
}
