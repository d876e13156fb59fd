//go:build linux

package netlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Campaign measures what subjects do to a household, several times, each time in a new world: first the household
// alone, then each subject in turn.
type Campaign struct {
	World     Config
	Durations Durations
	Runs      int // 1 or more
	Trials    []Trial
	// Places has room for as many values as there may be worlds at a time, in all campaigns that share it; nil: one. A
	// world keeps a quarter of a core busy.
	Places chan struct{}
	// Told hears of each figure when it is there, and how busy the machine was; nil: nobody does. Runs beside each
	// other call it at the same time.
	Told func(text string)
}

// Trial is a subject at work, and what happens in the house meanwhile, one after the other.
type Trial struct {
	Subject   func() Subject // each run has its own
	Position  Position
	Transport Transport
	Scenarios []Scenario
	Warm      time.Duration // in place of the campaign's, if not 0
}

// Measure returns the medians, in the order of trials and of their scenarios.
func (c Campaign) Measure(ctx context.Context) ([]Figures, error) {
	runs := make([][]Figures, c.Runs) // by trial and scenario
	errs := make([]error, c.Runs)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	places := c.Places
	if places == nil {
		places = make(chan struct{}, 1)
	}
	for run := range c.Runs {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			if ctx.Err() != nil {
				return
			}
			if runs[run], errs[run] = c.once(ctx, run); errs[run] != nil {
				cancel() // the others would be in vain
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	medians := make([]Figures, len(runs[0]))
	for i := range medians {
		var same []Figures
		for _, figures := range runs {
			same = append(same, figures[i])
		}
		medians[i] = Median(same)
	}
	return medians, nil
}

// once is one run.
func (c Campaign) once(ctx context.Context, run int) (found []Figures, err error) {
	w, err := New(c.World)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	h, err := NewHouse(ctx, w, c.Durations)
	if err != nil {
		return nil, err
	}
	for _, t := range c.Trials {
		for _, s := range t.Scenarios {
			if s.flow == nil {
				continue
			}
			if _, err := h.Alone(ctx, s.flow); err != nil {
				return nil, err
			}
		}
	}
	for _, t := range c.Trials {
		figures, err := t.do(ctx, h)
		if err != nil {
			return nil, err
		}
		for _, f := range figures {
			c.tell("run %d: %s", run+1, f)
		}
		found = append(found, figures...)
	}
	busy, err := h.Busy()
	c.tell("run %d: silent ping p95 %v; the machine's cores were %.0f %% busy", run+1, h.Silent.P95.Round(10*time.Microsecond), 100*busy)
	return found, err
}

func (c Campaign) tell(format string, args ...any) {
	if c.Told != nil {
		c.Told(fmt.Sprintf(format, args...))
	}
}

// do has the subject at work while the scenarios happen.
func (t Trial) do(ctx context.Context, h *House) (figures []Figures, err error) {
	seeding, err := h.Seed(ctx, t.Subject(), t.Position, t.Transport)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, seeding.Stop()) }()
	if err := h.Settle(ctx, cmp.Or(t.Warm, h.d.Warm)); err != nil {
		return nil, err
	}
	for _, s := range t.Scenarios {
		f, err := s.run(h, ctx, seeding)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %s: %w", seeding, t.Position, s.Name, err)
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// Promised are the scenarios that have figures promised.
func Promised() []Scenario {
	return []Scenario{Silence(), Competing(Bulk{}), Competing(Bulk{Download: true})}
}

// Others are the rest of them.
func Others() []Scenario {
	return []Scenario{Competing(VideoCall()), Competing(Web{Seed: 1}), Halving(), WANChange()}
}

// stockWarm is enough for clients that do not come up gently.
const stockWarm = 10 * time.Second

// Stock are the clients that everybody has, behind the router, with peers that speak one transport or the other.
func Stock(scenarios ...Scenario) (trials []Trial) {
	for _, subject := range []func() Subject{func() Subject { return &Transmission{} }, func() Subject { return &Libtorrent{} }} {
		for _, transport := range []Transport{UTP, TCP} {
			trials = append(trials, Trial{Subject: subject, Position: BehindIt, Transport: transport, Scenarios: scenarios, Warm: stockWarm})
		}
	}
	return trials
}
