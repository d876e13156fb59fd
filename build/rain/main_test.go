package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMends makes the copies and runs in them the tests that came with the mends.
func TestMends(t *testing.T) {
	t.Chdir("../..") // the main module's root
	dir := filepath.Join("build", "out", "rain-test")
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := makeCopies(dir); err != nil {
		t.Fatal(err)
	}
	test := exec.Command("go", "test", "-count=1", "-modfile", filepath.Join(dir, "go.mod"),
		"github.com/zeebo/bencode", "github.com/cenkalti/rain/v2/internal/announcer", "github.com/cenkalti/rain/v2/internal/metainfo")
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", test.Args, err, out)
	}
	// What ebb makes of them.
	test = exec.Command("go", "test", "-count=1", "-modfile", filepath.Join(dir, "go.mod"), "-tags", "mended", "-run", "^TestMended", "./agent/foreground")
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", test.Args, err, out)
	}
}

func TestAMendThatFindsItsPlaceNoMoreIsAnError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.go")
	for text, ok := range map[string]bool{"a b c": true, "a c": false, "b b": false} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := (mend{"x.go", "b", "d"}).apply(dir); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}
