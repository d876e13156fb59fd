package line

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ebb/agent/prefs"
	"ebb/platform"
	"ebb/quota/line/govern"
)

func TestShortageOfProcessorsIsToldAfterThatOfMemory(t *testing.T) {
	short := false
	s := senses{cfg: &GovernorConfig{MemoryShort: func() bool { return short }}}
	for _, c := range []struct {
		pressure map[string]string
		short    bool
		want     string
	}{
		{nil, false, ""},
		{map[string]string{"memory": "90.00", "cpu": "79.00"}, false, ""}, // memory is judged by who watches it
		{map[string]string{"cpu": "90.00"}, false, "processor time"},
		{map[string]string{"cpu": "90.00"}, true, "memory"},
	} {
		dir := t.TempDir()
		must(t, os.Mkdir(filepath.Join(dir, "pressure"), 0o700))
		for of, share := range c.pressure {
			text := "some avg10=" + share + " avg60=0 avg300=0 total=1\n"
			must(t, os.WriteFile(filepath.Join(dir, "pressure", of), []byte(text), 0o600))
		}
		s.cfg.Platform, short = platform.Files{Proc: dir}, c.short
		if got := s.shortage(); got != c.want {
			t.Errorf("%v, short of memory %v: the machine is short of %q, want %q", c.pressure, c.short, got, c.want)
		}
	}
}

// BenchmarkSense is what a look at all that surrounds the background costs, four times a second. What changes slowly is
// looked at as often as it is in time: each loop is a quarter of a second later.
func BenchmarkSense(b *testing.B) {
	p := prefs.Default()
	g := NewGovernor(GovernorConfig{
		Bandwidth:   NewBandwidth(0, 0),
		Platform:    platform.System,
		Preferences: func() prefs.Preferences { return p },
		Foreground:  func() govern.Rates { return govern.Rates{} },
		MemoryShort: func() bool { return false },
		Store:       &memory{},
		Log:         slog.New(slog.DiscardHandler),
	})
	s := g.senses
	defer s.close()
	b.ReportAllocs()
	for b.Loop() {
		g.surroundings(time.Now())
		for _, due := range []*time.Time{&s.nextFacts, &s.nextShaper, &s.nextPressure, &s.nextDemand, &s.nextKeep} {
			*due = due.Add(-govern.Tick)
		}
	}
	if s.counters == nil {
		b.Log("NOT COVERED HERE: there is no way to the internet, and so there are no counters to read")
	}
}
