package line

import (
	"testing"
	"time"

	"ebb/platform"

	"pgregory.net/rapid"
)

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
		want     flow // of the last reading
		ok       bool
	}{
		"the first":               {readings: []reading{{0, 1000, 1000, 1}}},
		"the second":              {readings: []reading{{0, 1000, 5000, 1}, {quarter, 3000, 6000, 1}}, want: flow{2000, 1000, quarter, 8000, 4000}, ok: true},
		"nothing":                 {readings: []reading{{0, 1000, 5000, 1}, {quarter, 1000, 5000, 1}}, want: flow{over: quarter}, ok: true},
		"from zero":               {readings: []reading{{0, 0, 0, 1}, {quarter, 10, 0, 1}}, want: flow{10, 0, quarter, 40, 0}, ok: true},
		"at the same time":        {readings: []reading{{0, 0, 0, 1}, {0, 10, 10, 1}}},
		"a moment later":          {readings: []reading{{0, 0, 0, 1}, {time.Millisecond, 10, 10, 1}}},
		"after a moment":          {readings: []reading{{0, 0, 0, 1}, {time.Millisecond, 10, 10, 1}, {quarter, 20, 20, 1}}, want: flow{20, 20, quarter, 80, 80}, ok: true},
		"the clock goes back":     {readings: []reading{{time.Hour, 0, 0, 1}, {0, 10, 10, 1}}},
		"after it went back":      {readings: []reading{{time.Hour, 0, 0, 1}, {0, 10, 10, 1}, {quarter, 20, 20, 1}}, want: flow{10, 10, quarter, 40, 40}, ok: true},
		"the clock leaps":         {readings: []reading{{0, 0, 0, 1}, {time.Hour, 10, 10, 1}}},
		"after a gap":             {readings: []reading{{0, 0, 0, 1}, {time.Hour, 10, 10, 1}, {time.Hour + quarter, 20, 30, 1}}, want: flow{10, 20, quarter, 40, 80}, ok: true},
		"a wrap at 32 bits":       {readings: []reading{{0, 1<<32 - 1000, 7, 1}, {quarter, 1000, 7, 1}}, want: flow{2000, 0, quarter, 8000, 0}, ok: true},
		"a wrap at the very end":  {readings: []reading{{0, 1<<32 - 1, 7, 1}, {quarter, 0, 7, 1}}, want: flow{1, 0, quarter, 4, 0}, ok: true},
		"64 bits do not wrap":     {readings: []reading{{0, 1 << 33, 7, 1}, {quarter, 1000, 7, 1}}},
		"a wrap of what is sent":  {readings: []reading{{0, 7, 1<<32 - 10, 1}, {quarter, 7, 10, 1}}, want: flow{0, 20, quarter, 0, 80}, ok: true},
		"a reset":                 {readings: []reading{{0, 5_000_000, 7, 1}, {quarter, 1000, 7, 1}}},
		"a reset of what is sent": {readings: []reading{{0, 7, 3 << 30, 1}, {quarter, 7, 0, 1}}},
		"after a reset":           {readings: []reading{{0, 5_000_000, 7, 1}, {quarter, 1000, 7, 1}, {2 * quarter, 2000, 8, 1}}, want: flow{1000, 1, quarter, 4000, 4}, ok: true},
		"another interface":       {readings: []reading{{0, 1000, 1000, 1}, {quarter, 2000, 2000, 2}}},
		"another, at once":        {readings: []reading{{0, 1000, 1000, 1}, {time.Millisecond, 2000, 2000, 2}, {quarter, 3000, 2000, 2}}, want: flow{1000, 0, quarter - time.Millisecond, 1000 / (quarter - time.Millisecond).Seconds(), 0}, ok: true},
		"a leap forward":          {readings: []reading{{0, 1000, 1000, 1}, {quarter, 1 << 40, 2000, 1}}},
		"a lump from the driver":  {readings: []reading{{0, 0, 0, 1}, {quarter, 2 * limit, 0, 1}}, want: flow{2 * limit, 0, quarter, limit, 0}, ok: true},
		"no lump is as large":     {readings: []reading{{0, 0, 0, 1}, {quarter, 2*limit + limit/4 + 1, 0, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := meter{limit: limit}
			var got flow
			var ok bool
			for _, r := range c.readings {
				got, ok = m.add(noon.Add(r.at), platform.Traffic{Index: r.index, Received: r.received, Sent: r.sent})
			}
			if got != c.want || ok != c.ok {
				t.Errorf("got %+v, %v; want %+v, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

func TestMeterWithoutALimitBelievesTenGigabits(t *testing.T) {
	for received, want := range map[uint64]bool{1_250_000_000: true, 10_000_000_000: false} {
		var m meter
		m.add(noon, platform.Traffic{})
		if flow, ok := m.add(noon.Add(time.Second), platform.Traffic{Received: received}); ok != want {
			t.Errorf("%d: got %+v, %v", received, flow, ok)
		}
	}
}

func TestMeterTakesNo64BitCounterForOneThatWraps(t *testing.T) {
	m := meter{limit: 100_000_000_000 / 8} // that carries 4 GiB in less than a second
	m.add(noon, platform.Traffic{Received: 1<<32 + 10})
	if flow, ok := m.add(noon.Add(time.Second), platform.Traffic{Received: 1<<32 + 5}); ok {
		t.Errorf("got %+v", flow)
	}
}

// Whatever the counters and the clock do, a rate is what the link can carry; and an honest history is measured exactly.
func TestMeterNeverTellsAnAbsurdRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := meter{limit: rapid.Int64Range(0, 1<<40).Draw(t, "limit")}
		limit := float64(m.limit)
		if limit == 0 {
			limit = meterFastest
		}
		at := noon
		for range rapid.IntRange(1, 30).Draw(t, "readings") {
			at = at.Add(time.Duration(rapid.OneOf(rapid.Int64Range(-5e9, 20e9), rapid.Int64()).Draw(t, "ns")))
			got, ok := m.add(at, platform.Traffic{
				Index:    rapid.IntRange(1, 2).Draw(t, "index"),
				Received: rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 1<<33)).Draw(t, "received"),
				Sent:     rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 1<<33)).Draw(t, "sent"),
			})
			if !ok && got != (flow{}) {
				t.Fatalf("%+v, but not ok", got)
			}
			if ok && (!(got.down >= 0 && got.down <= limit) || !(got.up >= 0 && got.up <= limit) || got.over < meterShortest || got.over > meterLongest) {
				t.Fatalf("%+v at a limit of %g", got, limit)
			}
		}
	})
}

func TestMeterMeasuresWhatPassed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m meter
		var sum, honest uint64
		at := noon
		now := platform.Traffic{Received: rapid.Uint64Range(0, 1<<32-1).Draw(t, "start")}
		m.add(at, now)
		for range rapid.IntRange(1, 30).Draw(t, "readings") {
			at = at.Add(quarter)
			bytes := rapid.Uint64Range(0, 10_000_000).Draw(t, "bytes")
			honest += bytes
			now.Received = (now.Received + bytes) % (1 << 32) // a driver of 32 bits
			flow, ok := m.add(at, now)
			if !ok {
				t.Fatal("refused")
			}
			sum += flow.received
		}
		if sum != honest {
			t.Fatalf("%d bytes, measured %d", honest, sum)
		}
	})
}

func BenchmarkMeter(b *testing.B) {
	m, at, now := meter{}, noon, platform.Traffic{}
	b.ReportAllocs()
	for b.Loop() {
		at, now.Received = at.Add(quarter), now.Received+1000
		m.add(at, now)
	}
}
