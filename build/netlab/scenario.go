//go:build linux

package netlab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Scenario is something that happens in the house. It takes a subject at work and leaves it at work, so several can
// follow each other.
type Scenario struct {
	Name string
	flow Flow // must have been measured alone before the subject was started; nil: there is none
	run  func(*House, context.Context, *Seeding) (Figures, error)
}

// Silence has nobody but the subject use the line.
func Silence() Scenario { return Scenario{Name: "silent house", run: (*House).SilentHouse} }

// Competing has a flow of the household start and end.
func Competing(f Flow) Scenario {
	return Scenario{f.Name(), f, func(h *House, ctx context.Context, s *Seeding) (Figures, error) { return h.Compete(ctx, s, f) }}
}

// Halving has the line become half as fast for a while.
func Halving() Scenario { return Scenario{Name: "line halves", run: (*House).LineHalves} }

// WANChange has another WAN interface take over, and the household upload through that one.
func WANChange() Scenario {
	return Scenario{"WAN changes, then upload", Bulk{}, (*House).WANChanges}
}

// Settle waits until a subject that has just been started is settled.
func (h *House) Settle(ctx context.Context, warm time.Duration) error { return pause(ctx, warm) }

// SilentHouse has nobody but the subject use the line.
func (h *House) SilentHouse(ctx context.Context, s *Seeding) (Figures, error) {
	f := newFigures("silent house", s)
	began := time.Now()
	if err := pause(ctx, h.d.Busy); err != nil {
		return f, err
	}
	ended := time.Now()
	if err := pause(ctx, time.Second); err != nil { // for the last answers
		return f, err
	}
	f.AddedPing, f.Used = h.prober.Ping(began, ended).P95-h.Silent.P95, h.used(began, ended)
	return f, nil
}

// Compete has a flow of the household start and end: a bulk upload, a bulk download, a call, web-like bursts.
func (h *House) Compete(ctx context.Context, s *Seeding, flow Flow) (Figures, error) {
	f := newFigures(flow.Name(), s)
	alone, known := h.alone[flow.Name()]
	if !known {
		return f, fmt.Errorf("%s has not been measured alone", flow.Name())
	}
	before, err := h.settled(ctx)
	if err != nil {
		return f, err
	}
	with, err := h.observe(ctx, flow)
	if err != nil {
		return f, err
	}
	f.Share, f.Lost = with.Speed/alone.Speed, with.Lost
	f.AddedPing, f.Used = with.Ping.P95-alone.Ping.P95, h.used(with.Began, with.Ended)
	f.Yield = Never
	if at, found := h.subject().firstBelow(with.Began, yielded*float64(h.line.Up)); found && at.Before(with.Ended) {
		f.Yield = at.Sub(with.Began)
	}
	f.Recover, err = h.back(ctx, with.Ended, before)
	return f, err
}

// LineHalves has the line's rate halve for a while, as radio links and busy cables do, and recover.
func (h *House) LineHalves(ctx context.Context, s *Seeding) (f Figures, err error) {
	f = newFigures("line halves", s)
	before, err := h.settled(ctx)
	if err != nil {
		return f, err
	}
	whole := h.line
	half := Line{Up: whole.Up / 2, Down: whole.Down / 2, Buffer: whole.Buffer}
	began := time.Now()
	if err := h.SetLine(half); err != nil {
		return f, err
	}
	err = pause(ctx, h.d.Flow)
	ended := time.Now()
	f.Used = h.used(began, ended)
	if err := errors.Join(err, h.SetLine(whole)); err != nil {
		return f, err
	}
	if f.Recover, err = h.back(ctx, ended, before); err != nil {
		return f, err
	}
	f.AddedPing, f.Yield = h.prober.Ping(began, ended).P95-h.Silent.P95, Never
	if at, found := h.prober.calm(began, h.Silent.P95+calmPing); found && at.Before(ended) {
		f.Yield = at.Sub(began)
	}
	return f, nil
}

// WANChanges has another WAN interface take over, and the household upload through that one.
func (h *House) WANChanges(ctx context.Context, s *Seeding) (Figures, error) {
	const name = "WAN changes, then upload"
	f := newFigures(name, s)
	before, err := h.settled(ctx)
	if err != nil {
		return f, err
	}
	changed := time.Now()
	if err := h.ChangeWAN(); err != nil {
		return f, err
	}
	back, err := h.back(ctx, changed, before)
	if err != nil {
		return f, err
	}
	f, err = h.Compete(ctx, s, Bulk{})
	f.Scenario, f.Recover = name, back
	return f, err
}

// settled is the rate of the subject, in bytes per second, at the beginning of a scenario.
func (h *House) settled(ctx context.Context) (float64, error) {
	began := time.Now()
	if err := pause(ctx, h.d.Quiet); err != nil {
		return 0, err
	}
	rate := h.subject().Rate(began, time.Now())
	if rate == 0 {
		return 0, errors.New("the subject sends nothing: the scenario would say nothing")
	}
	return rate, nil
}
