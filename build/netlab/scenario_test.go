//go:build netlab && linux

package netlab

import (
	"math"
	"testing"
	"time"
)

// TestScenariosTell runs every scenario once, with a subject whose manners are known:
//
//	                 up 10, down 50 Mbit/s, 500 ms of buffer each
//	lan ─┐        ╱── wan0 ── cust0 ──╲              ┌─ server
//	     ├─ router                     isp ════ net ─┤
//	nas ─┘    │   ╲── wan1 ── cust1 ──╱              └─ peer1 … peer4
//	          └─ Transmission over uTP, seeding
//
// It asks whether the figures are there and make sense, not whether they are good.
func TestScenariosTell(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w, made := newWorld(t, Home())
	if !made {
		return
	}
	d := Short()
	d.Flow = 10 * time.Second
	h, err := NewHouse(ctx, w, d)
	if err != nil {
		t.Fatal(err)
	}
	flows := []Flow{Bulk{}, Bulk{Download: true}, VideoCall(), Web{Seed: 1}}
	for _, f := range flows {
		o, err := h.Alone(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s alone: speed %.4g, ping p95 %v, lost %.1f %%", f.Name(), o.Speed, o.Ping.P95, 100*o.Lost)
	}
	seeding, err := h.Seed(ctx, &Transmission{}, OnRouter, UTP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := seeding.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := h.Settle(ctx, h.d.Warm); err != nil {
		t.Fatal(err)
	}
	var table []Figures
	add := func(f Figures, err error) Figures {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		table = append(table, f)
		return f
	}
	silent := add(h.SilentHouse(ctx, seeding))
	if silent.Used < 0.5 || silent.Used > 1.05 || silent.AddedPing < 0 {
		t.Errorf("silent house: %+v", silent)
	}
	for _, flow := range flows {
		f := add(h.Compete(ctx, seeding, flow))
		if math.IsNaN(f.Share) || f.Share <= 0 || f.Share > 1.5 || f.Yield == Unknown || f.Recover == Unknown {
			t.Errorf("%s: %+v", flow.Name(), f)
		}
	}
	halves := add(h.LineHalves(ctx, seeding))
	if halves.Used < 0.5 || halves.Used > 1.05 || halves.AddedPing <= 0 {
		t.Errorf("line halves: %+v", halves)
	}
	if w.Line() != HomeLine() {
		t.Errorf("the line has not recovered: %+v", w.Line())
	}
	was := w.WAN()
	changes := add(h.WANChanges(ctx, seeding))
	if w.WAN() == was || changes.Recover == Unknown || changes.Recover == Never {
		t.Errorf("%s after %s: %+v", w.WAN(), was, changes)
	}
	show(t, h, table)
}
