package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"ebb/agent/records"
	"ebb/agent/swarm"
	"ebb/webui"
)

// ebb is the program itself, as a process of its own, and what it tells.
type ebb struct {
	binary, config, state string
	url                   string // of its page, with a slash at the end
	token                 string // of its API

	cmd      *exec.Cmd
	exited   chan struct{} // closed when the process has ended, and exit is set
	exit     error
	followed chan struct{} // closed when the event stream has ended

	mu      sync.Mutex
	events  []swarm.Event
	changed chan struct{} // closed when events grows
}

// startEbb runs ebb, waits until it answers, and from then on passes its story on to the teller.
func startEbb(ctx context.Context, binary, config, state string, t *teller) (*ebb, error) {
	e := &ebb{
		binary: binary, config: config, state: state,
		exited: make(chan struct{}), followed: make(chan struct{}), changed: make(chan struct{}),
	}
	log, err := os.Create(filepath.Join(filepath.Dir(config), "ebb.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	e.cmd = exec.Command(binary, "run", "-config", config, "-state", state)
	e.cmd.Stdout, e.cmd.Stderr = log, log
	// Ctrl-C is for the demo, which then stops ebb; should the demo die, so does ebb.
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", binary, err)
	}
	go func() {
		defer close(e.exited)
		e.exit = e.cmd.Wait()
	}()
	stream, err := e.open(ctx)
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, errors.Join(fmt.Errorf("%w; it said: %s", err, text), e.cmd.Process.Kill())
	}
	go e.follow(stream, t)
	return e, nil
}

// open waits until ebb serves its API, and opens the event stream.
func (e *ebb) open(ctx context.Context) (*http.Response, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-e.exited:
			return nil, fmt.Errorf("ebb ended: %w", e.exit)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		address, err := os.ReadFile(filepath.Join(e.state, records.AddressFile))
		if err != nil {
			continue
		}
		if e.token, err = webui.ReadToken(filepath.Join(e.state, webui.TokenFile)); err != nil {
			return nil, err
		}
		e.url = strings.TrimSuffix(strings.TrimSpace(string(address)), "/") + "/"
		// The stream outlives the story: it ends when ebb does.
		r, err := http.NewRequest(http.MethodGet, e.url+"api/v1/events", nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+e.token)
		answer, err := http.DefaultClient.Do(r)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			continue // it is about to
		case err != nil:
			return nil, err
		case answer.StatusCode != http.StatusOK:
			answer.Body.Close()
			return nil, fmt.Errorf("ebb's event stream: %s", answer.Status)
		}
		return answer, nil
	}
}

// link opens the page and lets in whoever follows it. A browser keeps what stands behind '#' to itself, and the page
// takes it out of the address bar.
func (e *ebb) link() string {
	return e.url + "#token=" + e.token
}

// follow reads the event stream to its end.
func (e *ebb) follow(stream *http.Response, t *teller) {
	defer close(e.followed)
	defer stream.Body.Close()
	for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var event swarm.Event
		if json.Unmarshal([]byte(data), &event) != nil {
			continue
		}
		t.say("ebb", event.Text)
		e.mu.Lock()
		e.events = append(e.events, event)
		close(e.changed)
		e.changed = make(chan struct{})
		e.mu.Unlock()
	}
}

// await waits until ebb has told an event of a kind about a torrent.
func (e *ebb) await(ctx context.Context, kind string, h swarm.InfoHash) error {
	for seen := 0; ; {
		e.mu.Lock()
		events, changed := e.events, e.changed
		e.mu.Unlock()
		for ; seen < len(events); seen++ {
			if events[seen].Kind == kind && events[seen].Hash == h {
				return nil
			}
		}
		select {
		case <-changed:
		case <-e.exited:
			return fmt.Errorf("ebb ended: %w", e.exit)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// add is what its owner does.
func (e *ebb) add(ctx context.Context, torrent []byte) error {
	path := filepath.Join(filepath.Dir(e.config), "added.torrent")
	if err := os.WriteFile(path, torrent, 0o600); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, e.binary, "add", "-config", e.config, "-state", e.state, path).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ebb add: %w: %s", err, out)
	}
	return nil
}

// stop ends the process as its owner would, and waits for it.
func (e *ebb) stop() error {
	if err := e.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-e.exited
	<-e.followed
	if e.exit != nil {
		return fmt.Errorf("ebb: %w", e.exit)
	}
	return nil
}

// memory is the most that the process has had in memory at a time, in bytes.
func (e *ebb) memory() (int64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", e.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(text, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("the kernel does not tell how much memory ebb uses")
}
