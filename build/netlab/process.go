//go:build linux

package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopGrace is how long a program may take to end after SIGTERM. Transmission waits 3 s for trackers that it does not
// have.
const stopGrace = 10 * time.Second

// Process is a program that runs in a host's namespace. Its output goes to a file.
type Process struct {
	name  string
	cmd   *exec.Cmd
	out   string // path: what it writes to standard output
	log   string // path: what it writes to standard error
	ended chan struct{}
	err   error // how it ended; read after ended is closed
}

// StartProcess runs a program in the host's namespace. Its working directory and HOME is dir; name names its files
// there (name.out, name.log). It sees nothing of the caller's environment but PATH. The kernel kills it if the caller
// dies first.
func StartProcess(h *Host, dir, name string, args ...string) (*Process, error) {
	p := &Process{name: name, out: filepath.Join(dir, name+".out"), log: filepath.Join(dir, name+".log"), ended: make(chan struct{})}
	out, err := os.Create(p.out)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer out.Close()
	log, err := os.Create(p.log)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer log.Close()
	p.cmd = exec.Command("ip", append([]string{"netns", "exec", h.name}, args...)...) // becomes the program: one process
	p.cmd.Dir = dir
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8"}
	p.cmd.Stdout, p.cmd.Stderr = out, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	// In a house each of these programs has a device of its own; here they are not to wait for whatever else runs.
	nice := unix.Setpriority(unix.PRIO_PROCESS, p.PID(), worldNice)
	go func() {
		defer close(p.ended)
		if err := p.cmd.Wait(); err != nil {
			p.err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	if nice != nil && !errors.Is(nice, syscall.ESRCH) { // it may have ended
		return nil, errors.Join(fmt.Errorf("setting the priority of %s: %w", name, nice), p.Stop())
	}
	return p, nil
}

// worldNice is the priority of programs in a world: before all ordinary ones.
const worldNice = -15

// PID is the program's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait returns when the program has ended by itself, or when ctx ends.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for %s to end: %w", p.name, ctx.Err())
	}
}

// Stop ends the program: SIGTERM, then SIGKILL, which is an error. One that has ended is left as it is. nil stands for
// a program that was never started.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-p.ended:
		return nil
	case <-grace.C:
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.ended
	return fmt.Errorf("%s did not end within %v of SIGTERM and was killed", p.name, stopGrace)
}

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%v to %s (process %d): %w", s, p.name, p.PID(), err)
	}
	return nil
}

// await waits until something holds that this program is to bring about, and gives up when the program ends. The error
// ends with what the program wrote.
func (p *Process) await(ctx context.Context, limit time.Duration, what string, holds func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s %s: %w: %w\n%s", p.name, what, ctx.Err(), err, p.tail())
		case <-p.ended:
			return fmt.Errorf("waiting for %s %s: it ended (%w): %w\n%s", p.name, what, p.err, err, p.tail())
		}
	}
}

// awaitLine waits until the program has written a text to standard output.
func (p *Process) awaitLine(ctx context.Context, limit time.Duration, text string) error {
	return p.await(ctx, limit, fmt.Sprintf("to say %q", text), func() error {
		out, err := os.ReadFile(p.out)
		if err == nil && !bytes.Contains(out, []byte(text)) {
			err = errors.New("not yet")
		}
		return err
	})
}

// tail is the end of what the program has written.
func (p *Process) tail() string {
	const most = 4 << 10 // bytes of each file
	var text []byte
	for _, path := range []string{p.out, p.log} {
		part, err := os.ReadFile(path)
		if err != nil {
			part = []byte(err.Error())
		}
		text = append(text, part[max(0, len(part)-most):]...)
	}
	return string(text)
}
