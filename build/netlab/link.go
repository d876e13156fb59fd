//go:build linux

package netlab

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The link between the ISP and the rest of the net has two halves:
//
//	the test                                the helper: the same binary, in a process of its own
//	--------                                ------
//	link ── one JSON line: linkSetup ────▶  opens a TUN in each of two namespaces
//	     ◀── "ok", or what went wrong ────
//	     ── one JSON line: Path ─────────▶  packets that come from now on have that delay, jitter, loss
//	     ◀── "ok" ────────────────────────
//	     ── end of file ─────────────────▶  ends; the TUNs go with it
//
// A process of its own, because its only duty is to be on time: it shares neither garbage collector nor scheduler with
// what measures. One thread does it all: no packet waits for another one to wake up.

// helperEnv tells a process that it is the helper.
const helperEnv = "EBB_NETLAB_HELPER"

// Helper must be called first in main, or in TestMain, of a program that makes worlds: a world starts the program once
// more as a helper, and then Helper does not return.
func Helper() {
	if os.Getenv(helperEnv) == "" {
		return
	}
	if err := carry(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stdout, strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
	os.Exit(0)
}

// linkSetup is where the two ends are: files of namespaces. The device has the same name in both.
type linkSetup struct {
	Near, Far string
	Path      Path
}

const linkDev = "tun0"

// link is the helper as the test sees it.
type link struct {
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers *bufio.Reader
}

func startLink(s linkSetup) (*link, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &link{cmd: exec.Command(self)}
	l.cmd.Env = []string{helperEnv + "=link"}
	l.cmd.Stderr = os.Stderr
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if l.orders, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.answers = bufio.NewReader(answers)
	if err := l.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the link: %w", err)
	}
	if err := l.order(s); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the link: %w", err), l.stop())
	}
	return l, nil
}

// order sends one line and waits until it is carried out.
func (l *link) order(what any) error {
	line, err := json.Marshal(what)
	if err != nil {
		return err
	}
	if _, err := l.orders.Write(append(line, '\n')); err != nil {
		return err
	}
	answer, err := l.answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("no answer: %w (does TestMain call netlab.Helper?)", err)
	}
	if answer = strings.TrimSpace(answer); answer != "ok" {
		return errors.New(answer)
	}
	return nil
}

func (l *link) stop() error {
	l.orders.Close()
	if err := l.cmd.Wait(); err != nil {
		return fmt.Errorf("the link: %w", err)
	}
	return nil
}

// batch is how many packets are moved before the other things are looked after.
const batch = 64

// gather is how long the link does not look after it has moved packets: it wakes up fewer times, and a packet is late
// by at most twice as much.
const gather = 200 * time.Microsecond

// carry is the helper: see above.
func carry(in *os.File, out io.Writer) error {
	runtime.LockOSThread() // moves between namespaces
	orders := bufio.NewReader(in)
	line, err := orders.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the setup: %w", err)
	}
	var s linkSetup
	if err := json.Unmarshal(line, &s); err != nil {
		return fmt.Errorf("reading the setup: %w", err)
	}
	near, err := openTUN(s.Near, linkDev)
	if err != nil {
		return err
	}
	far, err := openTUN(s.Far, linkDev)
	if err != nil {
		return err
	}
	// On time even when all cores are busy: before all that has no real-time class, and with exact timers.
	first := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	if err := unix.SchedSetAttr(0, &first, 0); err != nil {
		return fmt.Errorf("setting the link's priority: %w", err)
	}
	c := &carrier{lanes: [2]lane{{from: near, to: far, queue: newQueue(s.Path, 1)}, {from: far, to: near, queue: newQueue(s.Path, 2)}}}
	fmt.Fprintln(out, "ok")
	return c.run(in, out)
}

// carrier moves packets between two TUNs.
type carrier struct {
	lanes [2]lane
}

// lane is one direction.
type lane struct {
	from, to int // file descriptors
	queue    *queue
}

func (c *carrier) run(in *os.File, out io.Writer) error {
	began := time.Now()
	polls := []unix.PollFd{{}, {}, {Fd: int32(in.Fd()), Events: unix.POLLIN}}
	var order []byte
	for {
		moved := 0
		for i := range c.lanes {
			n, err := c.lanes[i].receive(began)
			if err != nil {
				return err
			}
			moved += n
		}
		wait := time.Hour
		for i := range c.lanes {
			l := &c.lanes[i]
			moved += l.deliver(began)
			if at, any := l.queue.next(); any {
				wait = min(wait, max(0, time.Duration(at)-time.Since(began)))
			}
			polls[i] = unix.PollFd{Fd: int32(l.from), Events: unix.POLLIN}
			if l.queue.room() == nil {
				polls[i].Fd = -1 // what cannot be taken waits, or is dropped, in the TUN's own queue
			}
		}
		if moved > 0 { // there will be more: let some come together
			polls[0].Fd, polls[1].Fd, wait = -1, -1, gather
		}
		timeout := unix.NsecToTimespec(int64(wait))
		if _, err := unix.Ppoll(polls, &timeout, nil); err != nil && err != unix.EINTR {
			return fmt.Errorf("waiting for packets: %w", err)
		}
		if polls[2].Revents == 0 {
			continue
		}
		var part [4096]byte
		n, err := in.Read(part[:])
		if err != nil {
			return nil // the test has closed its end
		}
		order = append(order, part[:n]...)
		if !bytes.HasSuffix(order, []byte("\n")) {
			continue
		}
		var p Path
		if err := json.Unmarshal(order, &p); err != nil {
			return fmt.Errorf("reading an order: %w", err)
		}
		for i := range c.lanes {
			c.lanes[i].queue.path = p
		}
		order = order[:0]
		fmt.Fprintln(out, "ok")
	}
}

// receive takes what the TUN has.
func (l *lane) receive(began time.Time) (packets int, err error) {
	for packets < batch {
		room := l.queue.room()
		if room == nil {
			break
		}
		n, err := unix.Read(l.from, room)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			return packets, nil
		case err != nil:
			return packets, fmt.Errorf("reading from the link's TUN: %w", err)
		}
		l.queue.push(n, int64(time.Since(began)))
		packets++
	}
	return packets, nil
}

// deliver passes on what is due.
func (l *lane) deliver(began time.Time) (packets int) {
	for packets < batch {
		packet := l.queue.due(int64(time.Since(began)))
		if packet == nil {
			break
		}
		if _, err := unix.Write(l.to, packet); err != nil {
			l.queue.dropped++ // the other side is down: its loss
		}
		l.queue.pop()
		packets++
	}
	return packets
}
