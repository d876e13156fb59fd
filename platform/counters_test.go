package platform

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	gopsutil "github.com/shirou/gopsutil/v3/net"
	"pgregory.net/rapid"
)

func TestCountersAreReadAgainAndAgain(t *testing.T) {
	f := tree(t, map[string]string{
		netFile("wan", "ifindex"): "7\n", netFile("wan", "statistics/rx_bytes"): "100\n", netFile("wan", "statistics/tx_bytes"): "18446744073709551615\n",
	})
	c := f.Counters("wan")
	defer c.Close()
	if got, err := c.Read(); err != nil || got != (Traffic{7, 100, math.MaxUint64}) {
		t.Errorf("got %+v, %v", got, err)
	}
	write(t, filepath.Join(f.Sys, "class/net/wan/statistics/rx_bytes"), "123456\n")
	if got, err := c.Read(); err != nil || got != (Traffic{7, 123456, math.MaxUint64}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCountersOfAnInterfaceThatGoesAndReturns(t *testing.T) {
	f := tree(t, nil)
	c := f.Counters("ppp0")
	defer c.Close()
	if got, err := c.Read(); err == nil {
		t.Errorf("not there yet: got %+v", got)
	}
	dir := filepath.Join(f.Sys, "class/net/ppp0")
	appear := func(index, received string) {
		write(t, dir+"/ifindex", index)
		write(t, dir+"/statistics/rx_bytes", received)
		write(t, dir+"/statistics/tx_bytes", "5\n")
	}
	appear("7\n", "1000\n")
	if got, err := c.Read(); err != nil || got != (Traffic{7, 1000, 5}) {
		t.Errorf("got %+v, %v", got, err)
	}
	// The kernel answers ENODEV from files of an interface that has gone. Here, an empty file is what cannot be read.
	if err := os.Truncate(dir+"/statistics/rx_bytes", 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := c.Read(); err == nil {
			t.Errorf("gone: got %+v", got)
		}
	}
	appear("9\n", "10\n")
	if got, err := c.Read(); err != nil || got != (Traffic{9, 10, 5}) {
		t.Errorf("back: got %+v, %v", got, err)
	}
	c.Close()
	if got, err := c.Read(); err != nil || got != (Traffic{9, 10, 5}) {
		t.Errorf("after Close: got %+v, %v", got, err)
	}
}

func TestCountersThatAreNoCountsAreErrors(t *testing.T) {
	for _, text := range []string{"", "\n", "-1\n", "12 13\n", "18446744073709551616\n", "9999999999999999999999999999999999999999\n", "x\n"} {
		f := tree(t, map[string]string{
			netFile("wan", "ifindex"): "7\n", netFile("wan", "statistics/rx_bytes"): "100\n", netFile("wan", "statistics/tx_bytes"): text,
		})
		c := f.Counters("wan")
		if got, err := c.Read(); err == nil {
			t.Errorf("%q: got %+v", text, got)
		}
		if c.received != nil || c.sent != nil {
			t.Errorf("%q: files stay open", text)
		}
	}
}

func TestCountersOfThisMachineAgreeWithGopsutil(t *testing.T) {
	c := System.Counters("lo")
	defer c.Close()
	before, err := c.Read()
	if err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	all, err := gopsutil.IOCounters(true)
	if err != nil {
		t.Fatal(err)
	}
	after, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if one.Name == "lo" && (one.BytesRecv < before.Received || one.BytesRecv > after.Received || one.BytesSent < before.Sent || one.BytesSent > after.Sent) {
			t.Errorf("%d and %d are not within %+v and %+v", one.BytesRecv, one.BytesSent, before, after)
		}
	}
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const quarter = 250 * time.Millisecond

func TestMeter(t *testing.T) {
	const limit = 125_000_000 // 1 Gbit/s
	type reading struct {
		at             time.Duration
		received, sent uint64
		index          int
	}
	for name, c := range map[string]struct {
		readings []reading
		want     Flow // of the last reading
		ok       bool
	}{
		"the first":               {readings: []reading{{0, 1000, 1000, 1}}},
		"the second":              {readings: []reading{{0, 1000, 5000, 1}, {quarter, 3000, 6000, 1}}, want: Flow{2000, 1000, quarter, 8000, 4000}, ok: true},
		"nothing":                 {readings: []reading{{0, 1000, 5000, 1}, {quarter, 1000, 5000, 1}}, want: Flow{Over: quarter}, ok: true},
		"from zero":               {readings: []reading{{0, 0, 0, 1}, {quarter, 10, 0, 1}}, want: Flow{10, 0, quarter, 40, 0}, ok: true},
		"at the same time":        {readings: []reading{{0, 0, 0, 1}, {0, 10, 10, 1}}},
		"a moment later":          {readings: []reading{{0, 0, 0, 1}, {time.Millisecond, 10, 10, 1}}},
		"after a moment":          {readings: []reading{{0, 0, 0, 1}, {time.Millisecond, 10, 10, 1}, {quarter, 20, 20, 1}}, want: Flow{20, 20, quarter, 80, 80}, ok: true},
		"the clock goes back":     {readings: []reading{{time.Hour, 0, 0, 1}, {0, 10, 10, 1}}},
		"after it went back":      {readings: []reading{{time.Hour, 0, 0, 1}, {0, 10, 10, 1}, {quarter, 20, 20, 1}}, want: Flow{10, 10, quarter, 40, 40}, ok: true},
		"the clock leaps":         {readings: []reading{{0, 0, 0, 1}, {time.Hour, 10, 10, 1}}},
		"after a gap":             {readings: []reading{{0, 0, 0, 1}, {time.Hour, 10, 10, 1}, {time.Hour + quarter, 20, 30, 1}}, want: Flow{10, 20, quarter, 40, 80}, ok: true},
		"a wrap at 32 bits":       {readings: []reading{{0, 1<<32 - 1000, 7, 1}, {quarter, 1000, 7, 1}}, want: Flow{2000, 0, quarter, 8000, 0}, ok: true},
		"a wrap at the very end":  {readings: []reading{{0, 1<<32 - 1, 7, 1}, {quarter, 0, 7, 1}}, want: Flow{1, 0, quarter, 4, 0}, ok: true},
		"64 bits do not wrap":     {readings: []reading{{0, 1 << 33, 7, 1}, {quarter, 1000, 7, 1}}},
		"a wrap of what is sent":  {readings: []reading{{0, 7, 1<<32 - 10, 1}, {quarter, 7, 10, 1}}, want: Flow{0, 20, quarter, 0, 80}, ok: true},
		"a reset":                 {readings: []reading{{0, 5_000_000, 7, 1}, {quarter, 1000, 7, 1}}},
		"a reset of what is sent": {readings: []reading{{0, 7, 3 << 30, 1}, {quarter, 7, 0, 1}}},
		"after a reset":           {readings: []reading{{0, 5_000_000, 7, 1}, {quarter, 1000, 7, 1}, {2 * quarter, 2000, 8, 1}}, want: Flow{1000, 1, quarter, 4000, 4}, ok: true},
		"another interface":       {readings: []reading{{0, 1000, 1000, 1}, {quarter, 2000, 2000, 2}}},
		"another, at once":        {readings: []reading{{0, 1000, 1000, 1}, {time.Millisecond, 2000, 2000, 2}, {quarter, 3000, 2000, 2}}, want: Flow{1000, 0, quarter - time.Millisecond, 1000 / (quarter - time.Millisecond).Seconds(), 0}, ok: true},
		"a leap forward":          {readings: []reading{{0, 1000, 1000, 1}, {quarter, 1 << 40, 2000, 1}}},
		"a lump from the driver":  {readings: []reading{{0, 0, 0, 1}, {quarter, 2 * limit, 0, 1}}, want: Flow{2 * limit, 0, quarter, limit, 0}, ok: true},
		"no lump is as large":     {readings: []reading{{0, 0, 0, 1}, {quarter, 2*limit + limit/4 + 1, 0, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := Meter{Limit: limit}
			var got Flow
			var ok bool
			for _, r := range c.readings {
				got, ok = m.Add(noon.Add(r.at), Traffic{r.index, r.received, r.sent})
			}
			if got != c.want || ok != c.ok {
				t.Errorf("got %+v, %v; want %+v, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

func TestMeterWithoutALimitBelievesTenGigabits(t *testing.T) {
	for received, want := range map[uint64]bool{1_250_000_000: true, 10_000_000_000: false} {
		var m Meter
		m.Add(noon, Traffic{})
		if flow, ok := m.Add(noon.Add(time.Second), Traffic{Received: received}); ok != want {
			t.Errorf("%d: got %+v, %v", received, flow, ok)
		}
	}
}

func TestMeterTakesNo64BitCounterForOneThatWraps(t *testing.T) {
	m := Meter{Limit: 100_000_000_000 / 8} // that carries 4 GiB in less than a second
	m.Add(noon, Traffic{Received: 1<<32 + 10})
	if flow, ok := m.Add(noon.Add(time.Second), Traffic{Received: 1<<32 + 5}); ok {
		t.Errorf("got %+v", flow)
	}
}

// Whatever the counters and the clock do, a rate is what the link can carry; and an honest history is measured exactly.
func TestMeterNeverTellsAnAbsurdRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Meter{Limit: rapid.Int64Range(0, 1<<40).Draw(t, "limit")}
		limit := float64(m.Limit)
		if limit == 0 {
			limit = meterFastest
		}
		at := noon
		for range rapid.IntRange(1, 30).Draw(t, "readings") {
			at = at.Add(time.Duration(rapid.OneOf(rapid.Int64Range(-5e9, 20e9), rapid.Int64()).Draw(t, "ns")))
			flow, ok := m.Add(at, Traffic{
				Index:    rapid.IntRange(1, 2).Draw(t, "index"),
				Received: rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 1<<33)).Draw(t, "received"),
				Sent:     rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 1<<33)).Draw(t, "sent"),
			})
			if !ok && flow != (Flow{}) {
				t.Fatalf("%+v, but not ok", flow)
			}
			if ok && (!(flow.Down >= 0 && flow.Down <= limit) || !(flow.Up >= 0 && flow.Up <= limit) || flow.Over < meterShortest || flow.Over > meterLongest) {
				t.Fatalf("%+v at a limit of %g", flow, limit)
			}
		}
	})
}

func TestMeterMeasuresWhatPassed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Meter
		var sum, honest uint64
		at := noon
		now := Traffic{Received: rapid.Uint64Range(0, 1<<32-1).Draw(t, "start")}
		m.Add(at, now)
		for range rapid.IntRange(1, 30).Draw(t, "readings") {
			at = at.Add(quarter)
			bytes := rapid.Uint64Range(0, 10_000_000).Draw(t, "bytes")
			honest += bytes
			now.Received = (now.Received + bytes) % (1 << 32) // a driver of 32 bits
			flow, ok := m.Add(at, now)
			if !ok {
				t.Fatal("refused")
			}
			sum += flow.Received
		}
		if sum != honest {
			t.Fatalf("%d bytes, measured %d", honest, sum)
		}
	})
}

func BenchmarkCounters(b *testing.B) {
	c := System.Counters("lo")
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Read(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCountersByGopsutil(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gopsutil.IOCounters(true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMeter(b *testing.B) {
	m, at, now := Meter{}, noon, Traffic{}
	b.ReportAllocs()
	for b.Loop() {
		at, now.Received = at.Add(quarter), now.Received+1000
		m.Add(at, now)
	}
}
