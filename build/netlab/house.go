//go:build linux

package netlab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Durations say how long the parts of scenarios take.
type Durations struct {
	Quiet time.Duration // the silent house
	Warm  time.Duration // from a subject's first data until it counts as settled
	Busy  time.Duration // a settled subject in a silent house
	Flow  time.Duration // whole seconds
	After time.Duration // how long to wait for the subject to come back
}

// Short is for tests.
func Short() Durations {
	return Durations{Quiet: 5 * time.Second, Warm: 10 * time.Second, Busy: 10 * time.Second, Flow: 15 * time.Second, After: 10 * time.Second}
}

// Full is for figures.
func Full() Durations {
	return Durations{Quiet: 5 * time.Second, Warm: 20 * time.Second, Busy: 20 * time.Second, Flow: 30 * time.Second, After: 30 * time.Second}
}

// House is a world with instruments in it, and what they found without any subject.
type House struct {
	*World
	Silent Ping // the round trips of the silent house
	d      Durations
	prober *Prober
	meter  *Meter
	alone  map[string]Observed // by the flow's name
	madeAt machineTime
}

// Observed is a flow that has ended.
type Observed struct {
	Result
	Began, Ended time.Time // its first packets, its last ones
	Ping         Ping      // meanwhile
}

// NewHouse starts the instruments and listens to the silent house. World.Close ends them.
func NewHouse(ctx context.Context, w *World, d Durations) (*House, error) {
	h := &House{World: w, d: d, alone: make(map[string]Observed)}
	var err error
	if h.madeAt, err = readMachineTime(); err != nil {
		return nil, err
	}
	if h.meter, err = w.StartMeter(); err != nil {
		return nil, err
	}
	w.stops = append(w.stops, h.meter.Stop)
	if h.prober, err = StartProber(w.LAN, w.Server.Addr); err != nil {
		return nil, err
	}
	w.stops = append(w.stops, func() error {
		_, err := h.prober.Stop()
		return err
	})
	began := time.Now()
	if err := pause(ctx, d.Quiet); err != nil {
		return nil, err
	}
	// The last question's answer may still be under way.
	h.Silent = h.prober.Ping(began, time.Now().Add(-time.Second))
	if h.Silent.Asked == 0 || h.Silent.Lost > 0.5 {
		return nil, fmt.Errorf("the silent house does not answer: %d questions, %.0f %% lost", h.Silent.Asked, 100*h.Silent.Lost)
	}
	return h, nil
}

// Alone is how a flow fares without any subject. It is measured once, and then remembered: before the first subject.
func (h *House) Alone(ctx context.Context, f Flow) (Observed, error) {
	if o, known := h.alone[f.Name()]; known {
		return o, nil
	}
	o, err := h.observe(ctx, f)
	if err == nil {
		h.alone[f.Name()] = o
	}
	return o, err
}

// flowRate is what makes a flow visible among pings and handshakes, in bytes per second.
const flowRate = 50_000

// observe runs a flow and looks at it.
func (h *House) observe(ctx context.Context, f Flow) (Observed, error) {
	asked := time.Now()
	result, err := f.Run(ctx, h.World, h.d.Flow)
	if err != nil {
		return Observed{}, err
	}
	if err := pause(ctx, time.Second); err != nil { // for the last answers and readings
		return Observed{}, err
	}
	sender, receiver := h.Server, h.LAN
	if f.Up() {
		sender, receiver = h.LAN, h.Server
	}
	began, sent := h.meter.Sent(sender).begins(asked, flowRate)
	ended, received := h.meter.Received(receiver).ends(time.Now(), flowRate)
	if !sent || !received || !ended.After(began) {
		return Observed{}, fmt.Errorf("%s: the interface counters do not show it", f.Name())
	}
	return Observed{Result: result, Began: began, Ended: ended, Ping: h.prober.Ping(began, ended)}, nil
}

// subject is what the subject has got through the line until now.
func (h *House) subject() Series { return h.meter.Received(h.Peers...) }

// used is the share of the line's upload, as it is now, that the subject had.
func (h *House) used(from, to time.Time) float64 {
	return h.subject().Rate(from, to) / float64(h.line.Up)
}

// back waits until the subject has recovered of a rate, and says how long that took.
func (h *House) back(ctx context.Context, from time.Time, before float64) (time.Duration, error) {
	return h.until(ctx, from, func() (time.Time, bool) { return h.subject().firstAtLeast(from, recovered*before) })
}

// until waits until a time is known, which is not after the scenario's end, and says how long after from it is.
func (h *House) until(ctx context.Context, from time.Time, find func() (time.Time, bool)) (time.Duration, error) {
	for {
		at, found := find()
		if found {
			return at.Sub(from), nil
		}
		if time.Since(from) > h.d.After+steady {
			return Never, nil
		}
		if err := pause(ctx, sampleEvery); err != nil {
			return 0, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("interrupted"), ctx.Err())
	}
}
