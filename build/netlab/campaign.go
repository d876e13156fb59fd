//go:build linux

package netlab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Campaign measures what subjects do to a household, several times, each time in a new world: first the household alone,
// then each subject in turn.
type Campaign struct {
	World     Config
	Durations Durations
	Runs      int // 1 or more
	Trials    []Trial
	// Told hears of each figure when it is there, and how busy the machine was; nil: nobody does.
	Told func(text string)
}

// Trial is a subject at work, and what happens in the house meanwhile, one after the other.
type Trial struct {
	Subject   func() Subject // each run has its own
	Position  Position
	Transport Transport
	Scenarios []Scenario
}

// Measure returns the medians, in the order of trials and of their scenarios.
func (c Campaign) Measure(ctx context.Context) ([]Figures, error) {
	var all [][]Figures // by trial and scenario: one of each run
	for run := range c.Runs {
		found, err := c.once(ctx, run)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = make([][]Figures, len(found))
		}
		for i, f := range found {
			all[i] = append(all[i], f)
		}
	}
	medians := make([]Figures, len(all))
	for i, runs := range all {
		medians[i] = Median(runs)
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
	if err := h.Settle(ctx); err != nil {
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

// Stock are the clients that everybody has, behind the router, with peers that speak one transport or the other.
func Stock(scenarios ...Scenario) (trials []Trial) {
	for _, subject := range []func() Subject{func() Subject { return &Transmission{} }, func() Subject { return &Libtorrent{} }} {
		for _, transport := range []Transport{UTP, TCP} {
			trials = append(trials, Trial{subject, BehindIt, transport, scenarios})
		}
	}
	return trials
}
