//go:build netlab && linux

package netlab

import (
	"cmp"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestEbbIsNotFelt lets everything happen in the house, once for each position, and holds ebb to what it promises:
//
//	                       10 Mbit/s up, 500 ms of buffer ─▶
//	lan ─┐         ╱── wan0 ──╲  ◀─ 50 Mbit/s down, the same   ┌─ server   the household's flows
//	     ├─ router             isp ════ 10 ms ════ net ────────┤
//	nas ─┘    │    ╲── wan1 ──╱                                └─ peer1 … peer4   leechers
//	 └─ ebb   └─ or ebb
func TestEbbIsNotFelt(t *testing.T) {
	t.Parallel()
	measure(t, Campaign{World: Home(), Durations: Full(), Trials: []Trial{
		{Subject: ebb(t, 1), Position: OnRouter, Transport: TCP, Scenarios: append(Promised(), Others()...)},
		{Subject: ebb(t, 1), Position: BehindIt, Transport: TCP, Scenarios: append(Promised(), Others()...)},
	}})
}

// TestEbbBeforeAModem has the buffer where most homes have it. The router's counters show what it sends to the modem,
// not what the line carries:
//
//	lan ─┐                                  ┌─ server
//	     ├─ router ── isp [buffer] ════ net ─┤
//	nas ─┘    └─ ebb                        └─ peer1 … peer4
func TestEbbBeforeAModem(t *testing.T) {
	t.Parallel()
	c := Home()
	c.BufferBeyondRouter = true
	measure(t, Campaign{World: c, Durations: Full(), Trials: []Trial{{Subject: ebb(t, 1), Position: OnRouter, Transport: TCP, Scenarios: Promised()}}})
}

// TestEbbFindsOutTheLine tells ebb nothing of the line, or what is ten times wrong. It has a minute more to find out.
func TestEbbFindsOutTheLine(t *testing.T) {
	t.Parallel()
	d := Full()
	d.Warm += time.Minute
	c := Campaign{World: Home(), Durations: d}
	for _, told := range []float64{0, 10} {
		for _, p := range []Position{OnRouter, BehindIt} {
			c.Trials = append(c.Trials, Trial{Subject: ebb(t, told), Position: p, Transport: TCP, Scenarios: Promised()[:2]})
		}
	}
	measure(t, c)
}

// coverFor is how long cells are measured: as many as it takes.
const coverFor = 12 * time.Minute

// TestEbbOnOtherLines lets ebb have other lines for itself: cells in which every pair of values occurs, drawn by the seed
// in the environment, for as long as there is time.
func TestEbbOnOtherLines(t *testing.T) {
	t.Parallel()
	if err := Available(); err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("SEED"), "1"), 10, 64)
	if err != nil {
		t.Fatalf("SEED: %v", err)
	}
	cells := Covering(seed)
	began, done := time.Now(), 0
	for _, cell := range cells {
		d := Full()
		if d.Warm += 10 * time.Second; cell.Told != 1 {
			d.Warm += time.Minute
		}
		if time.Since(began)+d.Quiet+d.Warm+d.Busy > coverFor {
			continue // a shorter one may fit
		}
		figures, err := Campaign{World: cell.world(), Durations: d, Runs: 1, Trials: []Trial{
			{Subject: ebb(t, cell.Told), Position: cell.position(), Transport: TCP, Scenarios: []Scenario{Silence()}},
		}}.Measure(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", cell, err)
		}
		done++
		f := figures[0]
		t.Logf("%s: %s of the line used, the ping rises by %v", cell, percent(f.Used), f.AddedPing.Round(100*time.Microsecond))
		for _, missed := range f.missed(cell.promised(), Noisy) {
			t.Errorf("%s: %s", cell, missed)
		}
	}
	t.Logf("SEED=%d: %d of %d cells", seed, done, len(cells))
}

// measure runs a campaign once, and fails if a figure is missed by more than machines are noisy.
func measure(t *testing.T, c Campaign) {
	t.Helper()
	if err := Available(); err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	c.Runs, c.Told = 1, func(text string) { t.Log(text) }
	figures, err := c.Measure(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := WriteTable(&text, figures); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + text.String())
	for _, f := range figures {
		for _, missed := range f.Missed(Noisy) {
			t.Error(missed)
		}
	}
}

// ebb makes subjects that know so much of the line. What they say of themselves is logged.
func ebb(t *testing.T, told float64) func() Subject {
	t.Helper()
	binary, err := BuildEbb(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return func() Subject { return &Ebb{Binary: binary, Told: told, Log: t.Logf} }
}
