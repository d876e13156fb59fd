package netlab

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"
)

// Figures are what a scenario finds out. What a scenario has no figure for is Unknown, or NaN.
type Figures struct {
	Scenario string
	Subject  string
	Position Position
	Ebb      bool // the subject is ebb, and promises hold

	// AddedPing is the p95 of the household's round trips, less what it is in the same scenario without the subject.
	AddedPing time.Duration
	// Used is the share of the line's upload, as it was then, that the subject had: 0 to 1.
	Used float64
	// Share is what the household's flow got of the speed that it has alone, 0 to 1 and a little above.
	Share float64
	// Yield is from the flow's first packets to the beginning of the first second in which the subject had less than
	// yielded of the line's upload. When the line's rate drops: to the first second in which no round trip was longer
	// than calmPing over the silent house's.
	Yield time.Duration
	// Recover is from the flow's end, or the change of the line, to the beginning of the first second in which the
	// subject had recovered of the rate that it had before.
	Recover time.Duration
	// Lost is the share of packets that a call lost, 0 to 1.
	Lost float64
}

const (
	yielded   = 0.05
	recovered = 0.80
	calmPing  = 30 * time.Millisecond
)

const (
	// Unknown: the scenario does not tell.
	Unknown time.Duration = math.MinInt64
	// Never: it did not happen while the scenario lasted.
	Never time.Duration = math.MaxInt64
)

func newFigures(scenario string, s *Seeding) Figures {
	_, ebb := s.Subject.(*Ebb)
	return Figures{Scenario: scenario, Subject: s.String(), Position: s.Position, Ebb: ebb, AddedPing: Unknown, Used: math.NaN(),
		Share: math.NaN(), Yield: Unknown, Recover: Unknown, Lost: math.NaN()}
}

// Median takes each figure's median over several runs of one scenario: the upper one of two. At least one run.
func Median(runs []Figures) Figures {
	m := runs[0]
	m.AddedPing = middle(runs, func(f Figures) time.Duration { return f.AddedPing })
	m.Used = middle(runs, func(f Figures) float64 { return f.Used })
	m.Share = middle(runs, func(f Figures) float64 { return f.Share })
	m.Yield = middle(runs, func(f Figures) time.Duration { return f.Yield })
	m.Recover = middle(runs, func(f Figures) time.Duration { return f.Recover })
	m.Lost = middle(runs, func(f Figures) float64 { return f.Lost })
	return m
}

func middle[T time.Duration | float64](runs []Figures, of func(Figures) T) T {
	values := make([]T, len(runs))
	for i, f := range runs {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// WriteTable prints figures, a line each.
func WriteTable(out io.Writer, all []Figures) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "subject\tposition\tscenario\tadded ping p95\tline used\tflow's share\tyields after\tback after\tlost")
	for _, f := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", f.Subject, f.Position, f.Scenario,
			milliseconds(f.AddedPing), percent(f.Used), percent(f.Share), seconds(f.Yield), seconds(f.Recover), percent(f.Lost))
	}
	return t.Flush()
}

// String is the line of the table, with words for its columns.
func (f Figures) String() string {
	return fmt.Sprintf("%s, %s, %s: added ping %s, line used %s, flow's share %s, yields after %s, back after %s, lost %s", f.Subject, f.Position, f.Scenario,
		milliseconds(f.AddedPing), percent(f.Used), percent(f.Share), seconds(f.Yield), seconds(f.Recover), percent(f.Lost))
}

func milliseconds(d time.Duration) string {
	if d == Unknown || d == Never {
		return "–"
	}
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

func seconds(d time.Duration) string {
	switch d {
	case Unknown:
		return "–"
	case Never:
		return "never"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func percent(x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*x)
}
