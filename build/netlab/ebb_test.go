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
		})
	}
	show(t, h, table)
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
