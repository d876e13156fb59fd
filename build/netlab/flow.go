//go:build linux

package netlab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Flow is something that the household does with its line for a while, from the LAN host to the server or back.
type Flow interface {
	Name() string
	// Up is whether it uses the line's upload. The other direction carries its acknowledgements.
	Up() bool
	// Run returns when the flow has ended, after about so long.
	Run(ctx context.Context, w *World, length time.Duration) (Result, error)
}

// Result is how a flow fared.
type Result struct {
	// Speed is what its user feels, the more the better. Bulk flows: bytes per second that arrived. A call: the same,
	// in the worse of its two directions. Bursts: one divided by the median time of a transfer, in seconds.
	Speed float64
	// PerSecond is the bytes per second that arrived, second by second. Bursts have none.
	PerSecond []float64
	// Lost is the share of packets that did not arrive, 0 to 1, of a call's worse direction; others repeat them.
	Lost float64
}

// flowGrace is how much longer than planned a flow may take: its connections are made and closed across full buffers.
const flowGrace = 30 * time.Second

// Bulk is one TCP connection that takes what it gets.
type Bulk struct{ Download bool }

func (b Bulk) Name() string {
	if b.Download {
		return "bulk download"
	}
	return "bulk upload"
}

func (b Bulk) Up() bool { return !b.Download }

func (b Bulk) Run(ctx context.Context, w *World, length time.Duration) (Result, error) {
	return iperf(ctx, w, iperfFlow{name: "bulk", download: b.Download, length: length})
}

// Call is a video call: UDP at a constant rate in both directions, whatever happens to it.
type Call struct{ Rate int64 } // bytes per second, each way

// VideoCall is the call of the figures: 2 Mbit/s.
func VideoCall() Call { return Call{Rate: 2 * MBit} }

func (c Call) Name() string { return fmt.Sprintf("%.0f Mbit/s call", float64(c.Rate)/MBit) }

func (c Call) Up() bool { return true }

func (c Call) Run(ctx context.Context, w *World, length time.Duration) (Result, error) {
	type half struct {
		Result
		err error
	}
	down := make(chan half, 1)
	go func() {
		r, err := iperf(ctx, w, iperfFlow{name: "call-down", download: true, length: length, udp: c.Rate})
		down <- half{r, err}
	}()
	up, err := iperf(ctx, w, iperfFlow{name: "call-up", length: length, udp: c.Rate})
	other := <-down
	if err := errors.Join(err, other.err); err != nil {
		return Result{}, err
	}
	if other.Speed < up.Speed {
		up.Speed, up.PerSecond = other.Speed, other.PerSecond
	}
	up.Lost = max(up.Lost, other.Lost)
	return up, nil
}
