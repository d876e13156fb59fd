package line

import (
	"fmt"
	"log/slog"
	"math"
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

// records is a MetaStore that keeps everything.
type records map[string]string

func (r records) PutMeta(bucket, key string, value []byte) error {
	r[bucket+"/"+key] = string(value)
	return nil
}

func (r records) Meta(bucket, key string) ([]byte, bool) {
	text, ok := r[bucket+"/"+key]
	return []byte(text), ok
}

// machine is a router with two ways to the internet, as its kernel tells of it.
type machine struct {
	*testing.T
	dir string
	senses
	now      time.Time
	sent     int // bytes, by both interfaces
	received int
}

func newMachine(t *testing.T, store MetaStore) *machine {
	m := &machine{T: t, dir: t.TempDir(), now: noon}
	m.cfg = &GovernorConfig{
		Platform:    platform.Files{Proc: filepath.Join(m.dir, "proc"), Sys: filepath.Join(m.dir, "sys"), Etc: filepath.Join(m.dir, "etc")},
		Foreground:  func() govern.Rates { return govern.Rates{Up: 7, Down: 11} },
		MemoryShort: func() bool { return false },
		Unavailable: func() error { return nil },
		Store:       store,
		Log:         slog.New(slog.DiscardHandler),
	}
	m.file("proc/sys/net/ipv4/ip_forward", "1")
	m.route("wan")
	t.Cleanup(m.close)
	return m
}

func (m *machine) file(path, text string) {
	m.Helper()
	path = filepath.Join(m.dir, path)
	must(m, os.MkdirAll(filepath.Dir(path), 0o700))
	must(m, os.WriteFile(path, []byte(text+"\n"), 0o600))
}

// route leads to the internet by another interface.
func (m *machine) route(name string) {
	m.file("proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"+
		name+"\t00000000\t016433C6\t0003\t0\t0\t0\t00000000\t0\t0\t0")
}

// carry lets time pass while so many bytes per second go both ways, and returns what is sensed at the end.
func (m *machine) carry(d time.Duration, up, down int, p prefs.Preferences) (around govern.Surroundings) {
	m.Helper()
	for range int(d / govern.Tick) {
		m.now = m.now.Add(govern.Tick)
		m.sent, m.received = m.sent+up/4, m.received+down/4
		for i, name := range []string{"wan", "wwan"} {
			m.file("sys/class/net/"+name+"/ifindex", fmt.Sprint(i+2))
			m.file("sys/class/net/"+name+"/statistics/tx_bytes", fmt.Sprint(m.sent))
			m.file("sys/class/net/"+name+"/statistics/rx_bytes", fmt.Sprint(m.received))
		}
		around = m.sense(m.now, p)
	}
	return around
}

func TestEachWayToTheInternetIsLearnedByItself(t *testing.T) {
	store, p := records{}, prefs.Default()
	m := newMachine(t, store)
	const fast = 4 * commonDown
	around := m.carry(30*time.Second, fast, 2*fast, p)
	if around.Interface != "wan" || !around.Seen || around.WAN != (govern.Rates{Up: fast, Down: 2 * fast}) || !around.Facts.Forwarding ||
		around.Foreground != (govern.Rates{Up: 7, Down: 11}) {
		t.Errorf("sensed: %+v", around)
	}
	known := govern.Rates{Up: fast, Down: 2 * fast}
	if around.Learned != known {
		t.Errorf("learned: %+v", around.Learned)
	}
	m.route("wwan")
	if around = m.carry(time.Second, 8, 8, p); around.Interface != "wwan" || around.Learned != (govern.Rates{Up: commonUp, Down: commonDown}) {
		t.Errorf("by another way: %+v", around)
	}
	if store["line/wan"] == "" {
		t.Errorf("kept: %q", store)
	}
	m.route("wan")
	if around = m.carry(time.Second, 8, 8, p); around.Learned != known {
		t.Errorf("by the first way again: %+v", around)
	}
	p.Network.WANInterface = "wwan"
	if around = m.carry(time.Second, 8, 8, p); around.Interface != "" {
		t.Errorf("by a way that the owner named, and that leads nowhere: %+v", around)
	}
}

func TestWhatTheOwnerSaysOfTheLineComesFirst(t *testing.T) {
	p, shaper := prefs.Default(), platform.SQM{Upload: 1000, Download: 9000}
	if got := told(p, platform.SQM{}); got != (govern.Rates{}) {
		t.Errorf("nobody says: %+v", got)
	}
	if got := told(p, shaper); got != (govern.Rates{Up: 1000, Down: 9000}) {
		t.Errorf("the shaper says: %+v", got)
	}
	p.Network.LineUp = prefs.FixedRate(2000)
	if got := told(p, shaper); got != (govern.Rates{Up: 2000, Down: 9000}) {
		t.Errorf("the owner says, of one way: %+v", got)
	}

	p.Background.Upload, p.Background.Download = prefs.FixedRate(10*commonUp), prefs.UnlimitedRate()
	if got := believed(p, &learned{}); got != (govern.Rates{Up: 12.5 * commonUp, Down: fastLine}) {
		t.Errorf("the line carries what its owner lends: %+v", got)
	}
	if got := allotment(p); got != (govern.Allotment{Up: 10 * commonUp, Down: math.MaxInt64, Monthly: govern.Uncapped}) {
		t.Errorf("lent: %+v", got)
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
