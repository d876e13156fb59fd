package platform

import (
	"os"
	"path/filepath"
	"testing"
)

func TestConfinementIsReadFromTheProcess(t *testing.T) {
	proc := t.TempDir()
	if err := os.Mkdir(filepath.Join(proc, "self"), 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Confinement{
		"Name:\tebb\nCapEff:\t0000000000002400\nNoNewPrivs:\t1\n": {NoNewPrivileges: true, Capabilities: 0x2400},
		"CapEff:\t0000000000000000\nNoNewPrivs:\t0\n":             {},
	} {
		if err := os.WriteFile(filepath.Join(proc, "self/status"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := (Files{Proc: proc}).Confinement(); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if err := os.WriteFile(filepath.Join(proc, "self/status"), []byte("CapEff:\tx\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (Files{Proc: proc}).Confinement(); err == nil {
		t.Error("capabilities that are no number are taken")
	}
}
