//go:build linux

package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"
)

// sampleEvery is how often the counters are read: 0.1 s of the line's upload is 80 packets.
const sampleEvery = 100 * time.Millisecond

// Meter reads the byte counters of all interfaces that matter. What a peer has received has passed the line, so the
// peers' counters together are the subject's share of the line, and the server's are the household's; and both are
// right whatever the subject says of itself.
type Meter struct {
	readings []*reading
	quit     chan struct{}
	done     chan struct{}
	mu       sync.Mutex
	err      error
}

// reading is one interface.
type reading struct {
	file   *os.File // /proc/net/dev of its namespace
	dev    string
	host   *Host
	rx, tx Series
}

// StartMeter begins to read.
func (w *World) StartMeter() (*Meter, error) {
	m := &Meter{quit: make(chan struct{}), done: make(chan struct{})}
	for _, h := range append([]*Host{w.LAN, w.NAS, w.Server}, w.Peers...) {
		if err := m.watch(h, h.dev); err != nil {
			return nil, errors.Join(err, m.close())
		}
	}
	for n := range wanNets {
		if err := m.watch(w.Router, wanDev(n)); err != nil {
			return nil, errors.Join(err, m.close())
		}
	}
	if err := m.read(); err != nil {
		return nil, errors.Join(err, m.close())
	}
	go m.run()
	return m, nil
}

func (m *Meter) watch(h *Host, dev string) error {
	r := &reading{dev: dev, host: h}
	err := h.Do(func() (err error) {
		r.file, err = os.Open("/proc/thread-self/net/dev")
		return err
	})
	if err == nil {
		m.readings = append(m.readings, r)
	}
	return err
}

func (m *Meter) run() {
	defer close(m.done)
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		select {
		case <-m.quit:
			return
		case <-tick.C:
		}
		if err := m.read(); err != nil {
			m.mu.Lock()
			m.err = err
			m.mu.Unlock()
			return
		}
	}
}

func (m *Meter) read() error {
	buf := make([]byte, 16<<10)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now() // one for all: so that series can be added up
	for _, r := range m.readings {
		n, err := r.file.ReadAt(buf, 0)
		if err != nil && err != io.EOF {
			return fmt.Errorf("reading interface counters: %w", err)
		}
		rx, tx, err := deviceBytes(buf[:n], r.dev)
		if err != nil {
			return err
		}
		r.rx.add(now, rx)
		r.tx.add(now, tx)
	}
	return nil
}

// Stop ends the readings; what was read stays.
func (m *Meter) Stop() error {
	close(m.quit)
	<-m.done
	return errors.Join(m.err, m.close())
}

func (m *Meter) close() error {
	var errs []error
	for _, r := range m.readings {
		errs = append(errs, r.file.Close())
	}
	return errors.Join(errs...)
}

// Received is what hosts have received until now, together.
func (m *Meter) Received(hosts ...*Host) Series {
	return m.sum(hosts, func(r *reading) Series { return r.rx })
}

// Sent is what hosts have sent until now, together.
func (m *Meter) Sent(hosts ...*Host) Series {
	return m.sum(hosts, func(r *reading) Series { return r.tx })
}

func (m *Meter) sum(hosts []*Host, of func(*reading) Series) Series {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sum Series
	for _, r := range m.readings {
		for _, h := range hosts {
			if r.host == h {
				sum = sum.plus(of(r))
			}
		}
	}
	return Series{at: append([]time.Time(nil), sum.at...), bytes: append([]int64(nil), sum.bytes...)}
}

// deviceBytes finds a device in /proc/net/dev: bytes received and sent (proc_net(5)).
func deviceBytes(table []byte, dev string) (rx, tx int64, err error) {
	for line := range bytes.Lines(table) {
		name, rest, found := bytes.Cut(line, []byte(":"))
		if !found || string(bytes.TrimSpace(name)) != dev {
			continue
		}
		fields := bytes.Fields(rest)
		if len(fields) < 9 {
			return 0, 0, fmt.Errorf("/proc/net/dev: %d fields for %s", len(fields), dev)
		}
		if rx, err = strconv.ParseInt(string(fields[0]), 10, 64); err != nil {
			return 0, 0, fmt.Errorf("/proc/net/dev: %w", err)
		}
		if tx, err = strconv.ParseInt(string(fields[8]), 10, 64); err != nil {
			return 0, 0, fmt.Errorf("/proc/net/dev: %w", err)
		}
		return rx, tx, nil
	}
	return 0, 0, fmt.Errorf("/proc/net/dev has no %s", dev)
}
