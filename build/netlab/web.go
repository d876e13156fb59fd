//go:build linux

package netlab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Web is somebody who reads web pages: short downloads, each on a TCP connection of its own, with pauses. The seed
// decides sizes and pauses, so two runs ask for the same.
type Web struct{ Seed uint64 }

func (Web) Name() string { return "web-like bursts" }

func (Web) Up() bool { return false }

// burst is a transfer and the pause after it.
type burst struct {
	size  int64 // bytes
	pause time.Duration
}

const (
	// Half of all transfers are below 200 kB: one in six is above 600 kB, one in six below 70 kB.
	burstMedian, burstSpread = 200e3, 1.1
	burstLeast, burstMost    = 10e3, 2e6
	// Pauses are those of someone who has just clicked through a list, so that a short run sees enough of them.
	pauseMean, pauseMost = 500 * time.Millisecond, 3 * time.Second
)

// bursts are the first n of the sequence.
func (web Web) bursts(n int) []burst {
	random := rand.New(rand.NewPCG(web.Seed, 0))
	all := make([]burst, n)
	for i := range all {
		size := burstMedian * math.Exp(burstSpread*random.NormFloat64())
		pause := time.Duration(float64(pauseMean) * random.ExpFloat64())
		all[i] = burst{int64(min(max(size, burstLeast), burstMost)), min(pause, pauseMost)}
	}
	return all
}

func (web Web) Run(ctx context.Context, w *World, length time.Duration) (Result, error) {
	listener, err := serveBytes(w.Server)
	if err != nil {
		return Result{}, err
	}
	defer listener.stop()
	var times []time.Duration
	end := time.Now().Add(length)
	for _, b := range web.bursts(burstsWithin(length)) {
		if !time.Now().Before(end) {
			break
		}
		began := time.Now()
		if err := fetchBytes(w.LAN, listener.Addr().(*net.TCPAddr), b.size); err != nil {
			return Result{}, fmt.Errorf("web-like bursts: %w", err)
		}
		times = append(times, time.Since(began))
		select {
		case <-time.After(b.pause):
		case <-ctx.Done():
			return Result{}, ctx.Err()
		}
	}
	if len(times) == 0 {
		return Result{}, errors.New("web-like bursts: no time for even one")
	}
	return Result{Speed: 1 / quantile(times, 0.5).Seconds()}, nil
}

// burstsWithin is more than can happen in that time: even a small one on an idle line takes two round trips and a
// pause.
func burstsWithin(length time.Duration) int { return int(length/(10*time.Millisecond)) + 1 }

// byteServer reads an 8-byte number from each connection and answers with that many bytes.
type byteServer struct {
	*net.TCPListener
	group sync.WaitGroup
}

func serveBytes(at *Host) (*byteServer, error) {
	s := &byteServer{}
	err := at.Do(func() (err error) {
		s.TCPListener, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: at.Addr.AsSlice()})
		return err
	})
	if err != nil {
		return nil, err
	}
	s.group.Go(func() {
		for {
			conn, err := s.AcceptTCP()
			if err != nil {
				return // closed
			}
			s.group.Go(func() { answerBytes(conn) })
		}
	})
	return s, nil
}

func (s *byteServer) stop() {
	s.Close()
	s.group.Wait()
}

func answerBytes(conn *net.TCPConn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(flowGrace))
	var number [8]byte
	if _, err := io.ReadFull(conn, number[:]); err != nil {
		return
	}
	left := min(binary.BigEndian.Uint64(number[:]), burstMost)
	for zeros := make([]byte, 64<<10); left > 0; {
		n, err := conn.Write(zeros[:min(left, uint64(len(zeros)))])
		if err != nil {
			return // the asker notices
		}
		left -= uint64(n)
	}
}

func fetchBytes(from *Host, server *net.TCPAddr, size int64) error {
	var conn *net.TCPConn
	err := from.Do(func() (err error) {
		conn, err = net.DialTCP("tcp4", nil, server)
		return err
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(flowGrace))
	if err := binary.Write(conn, binary.BigEndian, size); err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, conn, size)
	return err
}
