//go:build netlab && linux

package netlab

import (
	"strings"
	"testing"
	"time"
)

// newWorld makes a world that ends with the test. Without one the test has nothing to do, and has said why.
func newWorld(t *testing.T, c Config) (w *World, made bool) {
	t.Helper()
	if err := Available(); err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
		return nil, false
	}
	w, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w, true
}

// TestStockClientsAreFelt measures what clients that know nothing of the household do to it:
//
//	                      10 Mbit/s up, 500 ms of buffer ─▶
//	lan ─┐                   ◀─ 50 Mbit/s down, the same     ┌─ server   the household's flow
//	     ├─ router ───────────── isp ════ 10 ms ════ net ─────┤
//	nas ─┘                                                   └─ peer1 … peer4   leechers
//	 └─ Transmission or libtorrent, seeding
func TestStockClientsAreFelt(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w, made := newWorld(t, Home())
	if !made {
		return
	}
	h, err := NewHouse(ctx, w, Short())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the silent house: ping p50 %v, p95 %v, max %v", h.Silent.P50, h.Silent.P95, h.Silent.Max)
	if off := h.Silent.P50 - 20*time.Millisecond; off < -2*time.Millisecond || off > 2*time.Millisecond {
		t.Errorf("the silent house's ping is %v, want 20 ms within 2 ms", h.Silent.P50)
	}
	alone, err := h.Alone(ctx, Bulk{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("an upload alone: %.2f Mbit/s, ping p95 %v", alone.Speed/MBit, alone.Ping.P95)
	if alone.Speed < 0.9*float64(w.Line().Up) {
		t.Errorf("an upload alone gets %.2f Mbit/s, want 90 %% of the line", alone.Speed/MBit)
	}

	var table []Figures
	for _, trial := range Stock(Silence(), Competing(Bulk{})) {
		figures, err := trial.do(ctx, h)
		if err != nil {
			t.Fatal(err)
		}
		table = append(table, figures...)
		if silent := figures[0]; silent.Subject == "Transmission, TCP" && silent.AddedPing <= 100*time.Millisecond {
			t.Errorf("Transmission over TCP adds %v to the ping: the line's buffer is not there", silent.AddedPing)
		}
		if figures[0].Used < 0.5 {
			t.Errorf("%s uses %.0f %% of a silent house's line: it does not seed as it could", figures[0].Subject, 100*figures[0].Used)
		}
	}
	show(t, h, table)
}

// show prints figures, and what they were measured on.
func show(t *testing.T, h *House, table []Figures) {
	t.Helper()
	var text strings.Builder
	if err := WriteTable(&text, table); err != nil {
		t.Fatal(err)
	}
	busy, err := h.Busy()
	if err != nil {
		t.Fatal(err)
	}
	l := h.Line()
	t.Logf("line %d/%d Mbit/s, buffers %v, silent ping p95 %v; cubic; the machine's cores were %.0f %% busy\n%s",
		l.Up/MBit, l.Down/MBit, l.Buffer, h.Silent.P95, 100*busy, text.String())
}

// TestWhereTheBufferIs: the kernel keeps a host's own TCP connections from filling the queue of its own interface (TCP
// small queues), so what is seen of a subject on the router depends on where the line's buffer is:
//
//	router [buffer] ── isp ════ net      a router that is its own modem, or shapes what it sends
//	router ── isp [buffer] ════ net      a router before a modem: most homes
//	 └─ Transmission over TCP
func TestWhereTheBufferIs(t *testing.T) {
	for _, beyond := range []bool{false, true} {
		c := Home()
		c.BufferBeyondRouter = beyond
		w, made := newWorld(t, c)
		if !made {
			return
		}
		h, err := NewHouse(t.Context(), w, Short())
		if err != nil {
			t.Fatal(err)
		}
		trial := Trial{Subject: func() Subject { return &Transmission{} }, Position: OnRouter, Transport: TCP, Scenarios: []Scenario{Silence()}}
		figures, err := trial.do(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		show(t, h, figures)
		if beyond && figures[0].AddedPing < 100*time.Millisecond {
			t.Errorf("the buffer is beyond the router, and Transmission over TCP adds only %v to the ping", figures[0].AddedPing)
		}
	}
}
