//go:build netlab && linux

package netlab

import (
	"context"
	"testing"
	"time"
)

// TestEbbIsNotFelt measures ebb as TestStockClientsAreFelt measures others, in both positions:
//
//	                      10 Mbit/s up, 500 ms of buffer ─▶
//	lan ─┐                   ◀─ 50 Mbit/s down, the same     ┌─ server   the household's flow
//	     ├─ router ───────────── isp ════ 10 ms ════ net ─────┤
//	nas ─┘    └─ ebb                                         └─ peer1 … peer4   leechers
//	 └─ or ebb
func TestEbbIsNotFelt(t *testing.T) {
	ctx := t.Context()
	w, made := newWorld(t, Home())
	if !made {
		return
	}
	binary, err := BuildEbb(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// Long enough for ebb to come up and back, which it does gently.
	h, err := NewHouse(ctx, w, Durations{Quiet: 5 * time.Second, Warm: 20 * time.Second, Busy: 10 * time.Second, Flow: 15 * time.Second, After: 25 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Alone(ctx, Bulk{}); err != nil {
		t.Fatal(err)
	}
	var table []Figures
	for _, position := range []Position{OnRouter, BehindIt} {
		t.Run(string(position), func(t *testing.T) {
			subject := &Ebb{Binary: binary, Told: true}
			stop := follow(t, ctx, subject)
			figures, err := felt(ctx, h, subject, position, TCP)
			stop()
			if err != nil {
				t.Fatal(err)
			}
			table = append(table, figures...)
			expectUnfelt(t, position, figures[0], figures[1])
		})
	}
	show(t, h, table)
}

// bound is what ebb promises in a position. What the start of a flow costs weighs twice as much in 15 s as in the 30 s
// that the promise of its share is about.
type bound struct {
	ping, yield, recover time.Duration
	used, lost           float64
}

var bounds = map[Position]bound{
	OnRouter: {ping: 10 * time.Millisecond, yield: time.Second, recover: 15 * time.Second, used: 0.85, lost: 2 * 0.02},
	BehindIt: {ping: 15 * time.Millisecond, yield: 3 * time.Second, recover: 20 * time.Second, used: 0.80, lost: 2 * 0.04},
}

// expectUnfelt fails if a figure is missed by more than a third: machines are noisy.
func expectUnfelt(t *testing.T, p Position, silent, upload Figures) {
	t.Helper()
	b := bounds[p]
	for what, measured := range map[string][2]time.Duration{
		"a silent house's ping": {silent.AddedPing, b.ping},
		"an upload's ping":      {upload.AddedPing, b.ping},
		"giving way":            {upload.Yield, b.yield},
		"coming back":           {upload.Recover, b.recover},
	} {
		if got, most := measured[0], measured[1]; got > most*4/3 {
			t.Errorf("%s: %v, promised are %v", what, got, most)
		}
	}
	if silent.Used < b.used*2/3 {
		t.Errorf("%.0f %% of a silent house's line are used, promised are %.0f %%", 100*silent.Used, 100*b.used)
	}
	if lost := 1 - upload.Share; lost > b.lost*4/3 {
		t.Errorf("an upload loses %.1f %% of its speed, promised are %.1f %%", 100*lost, 100*b.lost)
	}
}

// follow logs what ebb says of the line, once a second, until the returned function is called.
func follow(t *testing.T, ctx context.Context, s *Ebb) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if s.process == nil {
				continue
			}
			if st, err := s.Status(ctx); err == nil {
				t.Logf("%3.0f s  %-60.60s  line %.1f, others %.1f, ours %.1f of %.1f Mbit/s, queue %.0f ms", time.Since(began).Seconds(), st.Why,
					8e-6*float64(st.Link.LineUp), 8e-6*float64(st.Link.OthersUp), 8e-6*float64(st.Background.UploadRate), 8e-6*float64(st.Background.UploadLimit), st.Link.QueueDelayMS)
			}
		}
	}()
	return func() { cancel(); <-done }
}
