package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ebb/agent/records"
	"ebb/agent/swarm"
	"ebb/webui"
)

// ebb is the program itself, as a process of its own.
type ebb struct {
	binary, config, state string
	addr                  netip.AddrPort // for peers
	url, token            string         // of its API

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended, and exit is set
	exit   error
	group  string // the memory group made for it; "" if none could be
}

// memoryGroups are where a group can be made that bounds the memory, with the file that says how much: version 2 and 1.
func memoryGroups() (groups []struct{ dir, limit string }) {
	add := func(dir, limit string) { groups = append(groups, struct{ dir, limit string }{dir, limit}) }
	text, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		_, of, _ := strings.Cut(strings.TrimSpace(line), ":")
		kind, path, _ := strings.Cut(of, ":")
		if kind == "memory" {
			add(filepath.Join("/sys/fs/cgroup/memory", path), "memory.limit_in_bytes")
		} else if kind == "" {
			add(filepath.Join("/sys/fs/cgroup", path), "memory.max")
		}
	}
	return groups
}

// makeGroup makes a group of deviceMemory and returns its directory; "" where that is not possible.
func makeGroup() string {
	for _, g := range memoryGroups() {
		dir := filepath.Join(g.dir, fmt.Sprintf("ebb-hostile-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if os.WriteFile(filepath.Join(dir, g.limit), strconv.AppendInt(nil, deviceMemory, 10), 0o644) == nil {
			return dir
		}
		os.Remove(dir)
	}
	return ""
}

// start runs ebb in a group of deviceMemory, and waits until it answers. ebb yields to programs that wait for a processor,
// and the attackers, who are on its own machine here, are such programs, while strangers' are not; so ebb does not get to
// know that.
func (e *ebb) start(ctx context.Context) error {
	log, err := os.Create(filepath.Join(filepath.Dir(e.config), "ebb.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	e.group = makeGroup()
	script := `exec "$@"`
	e.cmd = exec.Command("sh", "-c")
	if e.group != "" {
		script = `echo $$ >"$GROUP/cgroup.procs" && ` + script
	}
	e.cmd.Env = append(os.Environ(), "GROUP="+e.group)
	if e.group == "" {
		e.cmd.Env = append(e.cmd.Env, "GOMEMLIMIT="+strconv.Itoa(deviceMemory/2))
	}
	e.cmd.Stdout, e.cmd.Stderr = log, log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		e.cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
		script = "mount -t tmpfs none /proc/pressure 2>/dev/null; " + script
	}
	e.cmd.Args = append(e.cmd.Args, script, "sh", e.binary, "run", "-config", e.config, "-state", e.state)
	if err := e.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", e.binary, err)
	}
	e.exited = make(chan struct{})
	go func() {
		defer close(e.exited)
		e.exit = e.cmd.Wait()
	}()
	err = e.until(ctx, "answers", func() bool {
		address, err := os.ReadFile(filepath.Join(e.state, records.AddressFile))
		if err != nil {
			return false
		}
		if e.token, err = webui.ReadToken(filepath.Join(e.state, webui.TokenFile)); err != nil {
			return false
		}
		e.url = strings.TrimSuffix(strings.TrimSpace(string(address)), "/")
		return e.call(ctx, http.MethodGet, "status", "", nil, nil) == nil
	})
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return errors.Join(fmt.Errorf("%w; ebb said: %s", err, text), e.cmd.Process.Kill())
	}
	return nil
}

// until waits until something is true, and looks ten times a second.
func (e *ebb) until(ctx context.Context, what string, is func() bool) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-e.exited:
			return fmt.Errorf("before it %s, ebb ended: %w", what, e.exit)
		case <-ctx.Done():
			return fmt.Errorf("waiting until it %s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

// call asks the API. What it answers goes to out, if that is not nil.
func (e *ebb) call(ctx context.Context, method, path, kind string, in []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, e.url+"/api/v1/"+path, bytes.NewReader(in))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+e.token)
	r.Header.Set("Content-Type", kind)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(out)
}

// help has it help the swarm of a .torrent file, or of a link.
func (e *ebb) help(ctx context.Context, file []byte, link string) error {
	if file != nil {
		return e.call(ctx, http.MethodPost, "background", "application/x-bittorrent", file, nil)
	}
	text, err := json.Marshal(map[string]string{"uri": link})
	if err != nil {
		return err
	}
	return e.call(ctx, http.MethodPost, "background", "application/json", text, nil)
}

// fragments says how many it holds of a swarm, and of how many.
func (e *ebb) fragments(ctx context.Context, h swarm.InfoHash) (held, of int, err error) {
	var b webui.BackgroundSwarm
	err = e.call(ctx, http.MethodGet, "background/"+h.String(), "", nil, &b)
	return b.Fragments, b.Pieces, err
}

// memory is what it has in memory now, and the most that it had, in bytes.
func (e *ebb) memory() (now, most int64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", e.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		for name, to := range map[string]*int64{"VmRSS:": &now, "VmHWM:": &most} {
			if text, ok := strings.CutPrefix(lines.Text(), name); ok {
				kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 10, 64)
				if err != nil {
					return 0, 0, err
				}
				*to = kib << 10
			}
		}
	}
	return now, most, nil
}

// stop ends it as its owner would, and says how long that took.
func (e *ebb) stop() (time.Duration, error) {
	began := time.Now()
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-e.exited:
	case <-time.After(2 * stopTime):
		_ = e.cmd.Process.Kill()
		<-e.exited
	}
	if e.group != "" {
		os.Remove(e.group)
	}
	return time.Since(began), e.exit
}
