package netlab

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestMedianTakesEachFigureByItself(t *testing.T) {
	runs := []Figures{
		{Scenario: "s", Share: 0.9, Yield: 3 * time.Second, Recover: Never, AddedPing: Unknown, Used: 0.1, Lost: math.NaN()},
		{Scenario: "s", Share: 0.7, Yield: time.Second, Recover: time.Second, AddedPing: Unknown, Used: 0.3, Lost: math.NaN()},
		{Scenario: "s", Share: 0.8, Yield: Never, Recover: Never, AddedPing: Unknown, Used: 0.2, Lost: math.NaN()},
	}
	m := Median(runs)
	if m.Scenario != "s" || m.Share != 0.8 || m.Yield != 3*time.Second || m.Recover != Never || m.AddedPing != Unknown || m.Used != 0.2 || !math.IsNaN(m.Lost) {
		t.Errorf("%+v", m)
	}
	if runs[0].Share != 0.9 {
		t.Error("the runs were changed")
	}
}

func TestTableSaysWhatIsNotKnown(t *testing.T) {
	var b strings.Builder
	err := WriteTable(&b, []Figures{
		{Subject: "a", Position: BehindIt, Scenario: "x", AddedPing: 99700 * time.Microsecond, Used: 0.998, Share: math.NaN(), Yield: Unknown, Recover: Never, Lost: 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines:\n%s", len(lines), b.String())
	}
	got := strings.Join(strings.Fields(lines[1]), " ")
	if want := "a behind it x 99.7 ms 99.8 % – – never 0.0 %"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
