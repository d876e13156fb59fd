//go:build linux

package netlab

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestMissedPromisesAreNamed(t *testing.T) {
	upload := Competing(Bulk{}).Name
	kept := Figures{Subject: "ebb", Ebb: true, Position: OnRouter, Scenario: upload,
		AddedPing: 5 * time.Millisecond, Share: 0.981, Yield: time.Second, Recover: 15 * time.Second, Used: math.NaN(), Lost: math.NaN()}
	with := func(change func(*Figures)) Figures {
		f := kept
		change(&f)
		return f
	}
	for name, c := range map[string]struct {
		figures Figures
		by      float64
		missed  string // a part of the only one; "": none is
	}{
		"kept":                               {kept, 0, ""},
		"a ping that is too long":            {with(func(f *Figures) { f.AddedPing = 6 * time.Millisecond }), 0, "the ping rises by 6ms"},
		"the same, by less than noise":       {with(func(f *Figures) { f.AddedPing = 6 * time.Millisecond }), Noisy, ""},
		"by more than noise":                 {with(func(f *Figures) { f.AddedPing = 7 * time.Millisecond }), Noisy, "the ping rises by 7ms"},
		"a flow that suffers":                {with(func(f *Figures) { f.Share = 0.979 }), 0, "the flow loses 2.1 %"},
		"a flow that was not measured":       {with(func(f *Figures) { f.Share = math.NaN() }), Noisy, "the flow loses"},
		"never gives way":                    {with(func(f *Figures) { f.Yield = Never }), Noisy, "gives way after: never seen"},
		"coming back was not measured":       {with(func(f *Figures) { f.Recover = Unknown }), Noisy, "is back after: never seen"},
		"somebody else's":                    {with(func(f *Figures) { f.Ebb, f.AddedPing = false, time.Second }), 0, ""},
		"not promised":                       {with(func(f *Figures) { f.Scenario, f.AddedPing = Halving().Name, time.Second }), 0, ""},
		"an idle line":                       {Figures{Ebb: true, Position: BehindIt, Scenario: Silence().Name, Used: 0.79}, 0, "uses 79.0 % of the line"},
		"an idle line that was not measured": {Figures{Ebb: true, Position: BehindIt, Scenario: Silence().Name, Used: math.NaN()}, Noisy, "of the line"},
	} {
		got := c.figures.Missed(c.by)
		if c.missed == "" && len(got) > 0 || c.missed != "" && (len(got) != 1 || !strings.Contains(got[0], c.missed)) {
			t.Errorf("%s: %q, want %q", name, got, c.missed)
		}
	}
	for position, scenarios := range promises {
		for _, s := range Promised() {
			if _, ok := scenarios[s.Name]; !ok {
				t.Errorf("%s: nothing is promised of %s", position, s.Name)
			}
		}
	}
}
