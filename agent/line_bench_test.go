package agent

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkSense is what a look at all that surrounds the background costs, four times a second. What changes slowly is
// looked at as often as it is in time: each loop is a quarter of a second later.
func BenchmarkSense(b *testing.B) {
	dir := b.TempDir()
	config := filepath.Join(dir, "ebb.toml")
	text := "[background]\nstorage = \"1GiB\"\n[network]\npeer_address = \"127.0.0.1:0\"\ndht = false\n[web]\naddress = \"127.0.0.1:0\"\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	a, err := New(Options{ConfigPath: config, StateDir: filepath.Join(dir, "state"), Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	defer a.close()
	b.ReportAllocs()
	const every = 250 * time.Millisecond
	for b.Loop() {
		a.senses.Sense()
		s := a.senses
		for _, due := range []*time.Time{&s.nextFacts, &s.nextShaper, &s.nextPressure, &s.nextDemand, &s.nextKeep} {
			*due = due.Add(-every)
		}
	}
	if a.senses.counters == nil {
		b.Log("NOT COVERED HERE: there is no way to the internet, and so there are no counters to read")
	}
}
