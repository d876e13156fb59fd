//go:build linux

package netlab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// iperfFlow is one run of iperf3, from the LAN host to the server unless it is a download.
type iperfFlow struct {
	name     string
	download bool
	length   time.Duration
	udp      int64 // bytes per second; 0: TCP
}

// iperfPort is the port of a flow's server. Each has its own: one that was cut off keeps its server busy.
var iperfPort atomic.Int32

// callPacket is the payload of a call's packets, in bytes: what video conferences send, and it fits everywhere.
const callPacket = 1200

func iperf(ctx context.Context, w *World, f iperfFlow) (result Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.length+flowGrace)
	defer cancel()
	n := int(iperfPort.Add(1))
	port := 5201 + n%10000
	dir, err := w.Dir("iperf")
	if err != nil {
		return Result{}, err
	}
	name := fmt.Sprintf("%s-%d", f.name, n)
	server, err := StartProcess(w.Server, dir, name+"-server", "iperf3", "-s", "-1", "-J", "-B", w.Server.Addr.String(), "-p", strconv.Itoa(port))
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	err = server.await(ctx, flowGrace, "to listen", func() error { return w.Server.listens(port) })
	if err != nil {
		return Result{}, err
	}
	args := []string{"iperf3", "-c", w.Server.Addr.String(), "-p", strconv.Itoa(port), "-J",
		"-t", strconv.Itoa(int(f.length.Round(time.Second).Seconds()))}
	if f.download {
		args = append(args, "-R")
	}
	if f.udp > 0 {
		args = append(args, "-u", "-b", strconv.FormatInt(8*f.udp, 10), "-l", strconv.Itoa(callPacket))
	} else {
		args = append(args, "-C", homeControl)
	}
	client, err := StartProcess(w.LAN, dir, name, args...)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, client.Stop()) }()
	if err := client.Wait(ctx); err != nil {
		return Result{}, fmt.Errorf("%w\n%s", err, client.tail())
	}
	if err := server.Wait(ctx); err != nil {
		return Result{}, fmt.Errorf("%w\n%s", err, server.tail())
	}
	// Whoever receives knows what arrived. The sender only knows what its socket took.
	receiver := server
	if f.download {
		receiver = client
	}
	report, err := os.ReadFile(receiver.out)
	if err != nil {
		return Result{}, err
	}
	return parseIperf(report)
}

// parseIperf reads what the receiving iperf3 reports (-J).
func parseIperf(report []byte) (Result, error) {
	type sum struct {
		Seconds     float64 `json:"seconds"`
		BitsPerSec  float64 `json:"bits_per_second"`
		LostPercent float64 `json:"lost_percent"`
	}
	var r struct {
		Intervals []struct {
			Sum sum `json:"sum"`
		} `json:"intervals"`
		End struct {
			Received *sum `json:"sum_received"`
		} `json:"end"`
		Error string `json:"error"`
	}
	if err := json.Unmarshal(report, &r); err != nil {
		return Result{}, fmt.Errorf("reading iperf3's report: %w", err)
	}
	if r.Error != "" {
		return Result{}, fmt.Errorf("iperf3: %s", r.Error)
	}
	if r.End.Received == nil {
		return Result{}, errors.New("iperf3's report lacks what was received")
	}
	result := Result{Speed: r.End.Received.BitsPerSec / 8, Lost: r.End.Received.LostPercent / 100}
	for _, i := range r.Intervals {
		if i.Sum.Seconds >= 0.5 { // the last one may be a remainder
			result.PerSecond = append(result.PerSecond, i.Sum.BitsPerSec/8)
		}
	}
	return result, nil
}

// listens is nil if somebody in the namespace listens for TCP over IPv4 on the port.
func (h *Host) listens(port int) error {
	var table []byte
	err := h.Do(func() error {
		f, err := os.Open("/proc/thread-self/net/tcp")
		if err != nil {
			return err
		}
		defer f.Close()
		table, err = io.ReadAll(f)
		return err
	})
	if err == nil && !listening(string(table), port) {
		err = fmt.Errorf("nobody listens on port %d of %s", port, h.Role)
	}
	return err
}

// listening looks for a listening socket in /proc/net/tcp (proc_net(5)): the local address ends with the port in
// hexadecimal.
func listening(table string, port int) bool {
	const listen = "0A"
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) > 3 && fields[3] == listen && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			return true
		}
	}
	return false
}
