//go:build linux

package interop

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
)

// stopGrace is how long a program may take to end after SIGTERM: enough for its last announce (event=stopped), which
// every client here sends to a tracker on loopback in well under a second.
const stopGrace = 5 * time.Second

// readyLimit is how long a program may take until it answers its first question. They need about a second; a machine
// that is busy with other tests may need many.
const readyLimit = 30 * time.Second

// Process is one running program. Its output goes to a file.
type Process struct {
	name  string
	cmd   *exec.Cmd
	log   string        // path
	grace time.Duration // from SIGTERM to SIGKILL

	ended chan struct{} // closed once the program has ended and err is set
	err   error         // how it ended: nil for exit status 0
}

// command says what to run. The program sees no environment but a PATH and a HOME, so that neither the caller's
// configuration nor a proxy setting reaches it.
type command struct {
	name string              // names the log file: <dir>/<name>.log
	dir  string              // working directory and HOME
	args []string            // args[0] is looked up in PATH
	user *syscall.Credential // nil: as the caller
}

// start runs a program in its own process group, so that a Ctrl-C meant for the tests leaves the order of stopping to
// them. The kernel kills it if the tests die first.
func start(c command) (*Process, error) {
	logPath := filepath.Join(c.dir, c.name+".log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.name, err)
	}
	defer log.Close()
	cmd := exec.Command(c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "LANG=C.UTF-8"}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: c.user}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.name, err)
	}
	p := &Process{name: c.name, cmd: cmd, log: logPath, grace: stopGrace, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		if err := cmd.Wait(); err != nil {
			p.err = fmt.Errorf("%s: %w", c.name, err)
		}
	}()
	return p, nil
}

// Name is what the program was started as.
func (p *Process) Name() string { return p.name }

// PID is the program's process id. No other program can have it before Stop or Wait has returned.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait returns when the program has ended by itself, with its exit status as an error if that is not 0, or when ctx
// ends.
func (p *Process) Wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("waiting for %s to end: %w", p.name, ctx.Err())
	}
}

// Stop ends the program: SIGTERM, and SIGKILL if it has not ended after its grace, which is an error. A program that
// has ended already is left as it is.
func (p *Process) Stop() error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	grace := time.NewTimer(p.grace)
	defer grace.Stop()
	select {
	case <-p.ended:
		return nil
	case <-grace.C:
	}
	if err := p.Kill(); err != nil {
		return err
	}
	return fmt.Errorf("%s did not end within %v of SIGTERM and was killed", p.name, p.grace)
}

// Kill ends the program at once (SIGKILL), as a power cut would.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.ended
	return nil
}

func (p *Process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%v to %s (process %d): %w", s, p.name, p.PID(), err)
	}
	return nil
}

// await is Await for what this program is to bring about: it gives up when the program has ended.
func (p *Process) await(ctx context.Context, limit time.Duration, what string, holds func(context.Context) error) error {
	return await(ctx, limit, p.name+" "+what, p.ended, holds)
}

// ready waits until the program answers its first question. One that does not in readyLimit is stopped; the error ends
// with its log.
func (p *Process) ready(ctx context.Context, answers func(context.Context) error) error {
	err := p.await(ctx, readyLimit, "to answer", answers)
	if err == nil {
		return nil
	}
	err = errors.Join(err, p.Stop())
	return fmt.Errorf("%w\n%s", err, p.LogTail(4096))
}

// LogTail is the end of what the program has written, at most n bytes from the beginning of a line on.
func (p *Process) LogTail(n int64) string {
	f, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	size, err := f.Seek(0, 2)
	if err != nil {
		return err.Error()
	}
	from := max(0, size-n)
	tail := make([]byte, size-from)
	if _, err := f.ReadAt(tail, from); err != nil {
		return err.Error()
	}
	if _, whole, cut := bytes.Cut(tail, []byte("\n")); cut && from > 0 {
		tail = whole
	}
	return string(tail)
}
