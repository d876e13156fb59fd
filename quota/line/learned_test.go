package line

import (
	"bytes"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// history feeds a learned, four times a second.
type history struct {
	learned
	now time.Time
}

// newHistory begins with a sample, so that the next one completes the first interval.
func newHistory() *history {
	h := &history{now: noon}
	h.add(h.now, 0, 0)
	return h
}

func (h *history) carry(d time.Duration, up, down float64) {
	for range int(d / quarter) {
		h.now = h.now.Add(quarter)
		h.add(h.now, up, down)
	}
}

func (h *history) expect(t *testing.T, what string, up, down float64) {
	t.Helper()
	gotUp, gotDown := h.rates()
	near := func(got int64, want float64) bool { return math.Abs(float64(got)-want) <= max(1, want/100) }
	if !near(gotUp, up) || !near(gotDown, down) {
		t.Errorf("%s: got %d up and %d down, want %.0f and %.0f", what, gotUp, gotDown, up, down)
	}
}

func TestLearnedIsWhatWasSustained(t *testing.T) {
	h := newHistory()
	h.expect(t, "at first", 0, 0)
	h.carry(time.Minute, 1000, 5000)
	h.expect(t, "after a minute", 1000, 5000)
	h.carry(3*time.Second, 9000, 90_000)
	h.carry(time.Minute, 1000, 5000)
	if up, down := h.rates(); up > 4000 || down > 40_000 {
		t.Errorf("after a burst of three seconds: %d, %d", up, down)
	}
	h.carry(30*time.Second, 9000, 40_000)
	h.expect(t, "after a transfer", 9000, 40_000)
	h.carry(time.Hour, 10, 10)
	h.expect(t, "in silence", 9000, 40_000)
}

func TestLearnedDoesNotBelieveOnePeriod(t *testing.T) {
	h := newHistory()
	h.carry(time.Minute, 1000, 1000)
	h.carry(learnStretch, 1e9, 1000)
	h.carry(time.Hour, 1000, 1000)
	h.expect(t, "after one period", 1000, 1000)
	h.carry(learnStretch, 1e9, 1000)
	h.expect(t, "after another one", 1e9, 1000)
}

func TestLearnedForgetsHalfInAWeek(t *testing.T) {
	h := newHistory()
	h.carry(learnDay, 8000, 100_000)
	for range 7 {
		h.carry(learnDay, 4000, 100_000)
	}
	h.expect(t, "after a week at half the rate", 6000, 100_000)
	for range 7 {
		h.carry(learnDay, 4000, 100_000)
	}
	h.expect(t, "after two weeks", 5000, 100_000)
	h.carry(time.Minute, 16_000, 100_000)
	h.expect(t, "a faster line is believed at once", 16_000, 100_000)
}

func TestLearnedKeepsTheRateOfALineThatNobodyUses(t *testing.T) {
	h := newHistory()
	h.carry(time.Minute, 8000, 100_000)
	for range 14 {
		h.carry(learnDay, 100, 20) // chatter
	}
	h.expect(t, "after a holiday", 8000, 100_000)
	h.carry(10*learnDay, 130, 20)
	if up, _ := h.rates(); up > 4000 {
		t.Errorf("a line that carries a sixtieth is slow, but still %d are believed", up)
	}
}

func TestLearnedBearsClocksThatJump(t *testing.T) {
	h := newHistory()
	h.carry(time.Minute, 8000, 8000)
	for _, jump := range []time.Duration{365 * 24 * time.Hour, -3 * 365 * 24 * time.Hour, 0, time.Minute} {
		h.now = h.now.Add(jump)
		h.add(h.now, 1e9, 1e9) // the mean over a gap says nothing
		h.carry(5*time.Second, 1000, 1000)
	}
	h.expect(t, "after jumps", 8000, 8000)
	if h.day > 10*time.Minute {
		t.Errorf("the day is %s old", h.day)
	}
}

func TestLearnedNeedsSamplesThatFollowEachOther(t *testing.T) {
	h := newHistory()
	for range 100 {
		h.now = h.now.Add(learnGap + time.Millisecond)
		h.add(h.now, 1e6, 1e6)
	}
	h.expect(t, "after stray samples", 0, 0)
}

func TestLearnedTakesTheBestOfADay(t *testing.T) {
	h := newHistory()
	h.carry(time.Hour, 8000, 8000)
	h.carry(learnDay-time.Hour, 1000, 1000)
	h.expect(t, "after a day with a busy hour", 8000, 8000)
}

func TestLearnedPeriodsHaveNoGaps(t *testing.T) {
	h := newHistory()
	for range 100 {
		h.carry(learnStretch-time.Second, 1e6, 1e6)
		h.now = h.now.Add(time.Minute)
		h.add(h.now, 1e6, 1e6)
	}
	h.expect(t, "after pieces of periods", 0, 0)
}

func TestLearnedIgnoresRatesThatAreNone(t *testing.T) {
	for _, rate := range []float64{math.NaN(), math.Inf(1), -1, 1e30} {
		h := newHistory()
		h.carry(time.Minute, 8000, 8000)
		h.carry(time.Minute, rate, 9000)
		h.carry(time.Minute, 9000, rate)
		h.expect(t, "after nonsense", 8000, 8000)
	}
}

func TestLearnedSurvivesARestart(t *testing.T) {
	before := newHistory()
	before.carry(learnDay/2, 8000, 100_000)
	before.carry(learnDay, 4000, 100_000)
	text, err := before.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	after := history{now: noon.Add(-time.Hour)}
	if err := after.UnmarshalText(text); err != nil {
		t.Fatal(err)
	}
	again, _ := after.MarshalText()
	if !bytes.Equal(text, again) {
		t.Errorf("%s became %s", text, again)
	}
	for range 2 {
		for _, h := range []*history{before, &after} {
			h.carry(learnDay, 4000, 90_000)
		}
	}
	up, down := before.rates()
	after.expect(t, "after the restart", float64(up), float64(down))
	if up >= 8000 || up <= 4000 {
		t.Errorf("%d: nothing was tested", up)
	}
}

func TestLearnedRefusesTextThatItDidNotWrite(t *testing.T) {
	h := newHistory()
	h.carry(time.Minute, 8000, 8000)
	for _, text := range []string{
		"", "1", "2 0 1 1 1 1 1 1", "1 0 1 1 1 1 1", "1 0 1 1 1 1 1 1 1", "1 0 x 1 1 1 1 1", "1 0 -1 1 1 1 1 1", "1 0 NaN 1 1 1 1 1",
		"1 0 1e300 1 1 1 1 1", "1 0 Inf 1 1 1 1 1", "1 0 5 1 2 1 1 1", "1 0 1 2 2 1 1 1", "1 0 0 0 0 1 1 2",
	} {
		if err := h.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	if err := h.UnmarshalText(append([]byte("1 0 1 1 1 1 1 1"), bytes.Repeat([]byte(" "), 1000)...)); err == nil {
		t.Error("a long text is accepted")
	}
	h.expect(t, "what was learned stays", 8000, 8000)
}

// Whatever it is fed, the rates are those of a line, and the text can be read again.
func TestLearnedStaysPlausible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l learned
		at := noon
		rate := rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 2e12), rapid.Just(math.NaN()))
		for range rapid.IntRange(1, 20).Draw(t, "stretches") {
			at = at.Add(time.Duration(rapid.Int64Range(-1e18, 1e18).Draw(t, "jump")))
			step := time.Duration(rapid.Int64Range(1, 3e9).Draw(t, "step"))
			up, down := rate.Draw(t, "up"), rate.Draw(t, "down")
			l.day = time.Duration(rapid.Int64Range(0, int64(learnDay)).Draw(t, "time of day"))
			for range rapid.IntRange(1, 100).Draw(t, "samples") {
				at = at.Add(step)
				l.add(at, up, down)
			}
		}
		for _, w := range []way{l.up, l.down} {
			if !plausible(w.rate) || !plausible(w.second) || w.second > w.best || w.second > w.rate {
				t.Fatalf("%+v", w)
			}
		}
		text, _ := l.MarshalText()
		var read learned
		if err := read.UnmarshalText(text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	})
}

func FuzzLearned(f *testing.F) {
	f.Add([]byte("1 3600 8000 8000 7000 1e5 0 0"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var l learned
		if l.UnmarshalText(text) != nil {
			return
		}
		if up, down := l.rates(); up < 0 || down < 0 || float64(max(up, down)) > learnFastest {
			t.Fatalf("%d, %d", up, down)
		}
		again, _ := l.MarshalText()
		if err := new(learned).UnmarshalText(again); err != nil {
			t.Fatalf("%q was read, but not %q: %v", text, again, err)
		}
	})
}

func BenchmarkLearned(b *testing.B) {
	var l learned
	at := noon
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(quarter)
		l.add(at, 1e6, 1e7)
	}
}
