package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"ebb/build/netlab"
)

func init() { netlab.Helper() }

const (
	// lineRuns is how often each promise about the line is measured; the median counts.
	lineRuns = 5
	// otherRuns is the same for what is measured and not promised.
	otherRuns = 3
)

// line measures what a household on a slow line feels of ebb, and of other programs. It takes more than an hour.
func line(out io.Writer) error {
	if err := netlab.Available(); err != nil {
		fmt.Fprintf(out, "NOT MEASURED HERE: what a household feels: %v\n", err)
		return nil
	}
	dir, err := os.MkdirTemp("", "ebb-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	binary, err := netlab.BuildEbb(ctx, dir)
	if err != nil {
		return err
	}
	ebb := func(told float64, p netlab.Position, scenarios ...netlab.Scenario) netlab.Trial {
		return netlab.Trial{
			Subject:  func() netlab.Subject { return &netlab.Ebb{Binary: binary, Told: told} },
			Position: p, Transport: netlab.TCP, Scenarios: scenarios,
		}
	}
	promised, others := netlab.Promised(), netlab.Others()
	home, modem, patient := netlab.Home(), netlab.Home(), netlab.Full()
	modem.BufferBeyondRouter = true
	patient.Warm = 2 * time.Minute
	const on, behind = netlab.OnRouter, netlab.BehindIt
	type campaign struct {
		what string
		netlab.Campaign
		figures []netlab.Figures
		err     error
	}
	campaigns := []*campaign{
		{what: "what is promised, and what other programs do", Campaign: netlab.Campaign{World: home, Durations: netlab.Full(), Runs: lineRuns,
			Trials: append([]netlab.Trial{ebb(1, on, promised...), ebb(1, behind, promised...)}, netlab.Stock(promised...)...)}},
		{what: "the line's buffer is in a modem before the router", Campaign: netlab.Campaign{World: modem, Durations: netlab.Full(), Runs: otherRuns,
			Trials: []netlab.Trial{ebb(1, on, promised...)}}},
		{what: "what else happens in a house", Campaign: netlab.Campaign{World: home, Durations: netlab.Full(), Runs: otherRuns,
			Trials: []netlab.Trial{ebb(1, on, others...), ebb(1, behind, others...)}}},
		{what: "ebb is told nothing of the line, or ten times what it carries, and has had two minutes", Campaign: netlab.Campaign{World: home, Durations: patient, Runs: 1,
			Trials: []netlab.Trial{ebb(0, on, promised[:2]...), ebb(0, behind, promised[:2]...), ebb(10, on, promised[:2]...), ebb(10, behind, promised[:2]...)}}},
	}
	places := make(chan struct{}, runtime.NumCPU())
	var group sync.WaitGroup
	for _, c := range campaigns {
		c.Places, c.Told = places, func(text string) { fmt.Fprintf(os.Stderr, "%s: %s\n", c.what, text) }
		group.Go(func() { c.figures, c.err = c.Measure(ctx) })
	}
	group.Wait()
	var missed []error
	for _, c := range campaigns {
		if c.err != nil {
			return fmt.Errorf("%s: %w", c.what, c.err)
		}
		fmt.Fprintf(out, "\n%s (%d/%d Mbit/s, buffers of %v, 20 ms there and back; medians of %d)\n", c.what, c.World.Line.Up/netlab.MBit,
			c.World.Line.Down/netlab.MBit, c.World.Line.Buffer, c.Runs)
		if err := netlab.WriteTable(out, c.figures); err != nil {
			return err
		}
		for _, f := range c.figures {
			for _, text := range f.Missed(0) {
				missed = append(missed, fmt.Errorf("missed: %s", text))
			}
		}
	}
	return errors.Join(missed...)
}
