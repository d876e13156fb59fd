//go:build linux

package netlab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Ebb is ebb as a subject: it helps the content's swarm, of which it holds everything.
type Ebb struct {
	Binary string // path of the program
	// Told is what its owner has told it of the line: 1 is the truth, 10 ten times too much, 0 nothing.
	Told float64
	// Log gets what it says of the line, once a second; nil: nobody asks it.
	Log func(format string, args ...any)

	host    *Host
	dir     string
	process *Process
	quit    context.CancelFunc // ends the asking
	asking  sync.WaitGroup
}

// BuildEbb builds the program that is measured.
func BuildEbb(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "ebb")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "ebb/agent/ebb")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building ebb: %w\n%s", err, out)
	}
	return path, nil
}

func (s *Ebb) Name() string {
	switch s.Told {
	case 1:
		return "ebb"
	case 0:
		return "ebb, not told the line"
	}
	return fmt.Sprintf("ebb, told %g × the line", s.Told)
}

// Start runs ebb. It gets its fragments the way an owner would give them to it: the content is there as a download,
// which is then removed, but helped on. Nothing of that passes the line.
func (s *Ebb) Start(ctx context.Context, site Site) (err error) {
	s.host, s.dir = site.Host, site.Dir
	downloads := filepath.Join(s.dir, "downloads")
	if err := os.Mkdir(downloads, 0o755); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(downloads, site.Content.Name), filepath.Join(site.Content.Dir, site.Content.Name)); err != nil {
		return err
	}
	line := ""
	if s.Told > 0 {
		l := site.World.Line()
		line = fmt.Sprintf("line_up = \"%.0fbit/s\"\nline_down = \"%.0fbit/s\"\n", 8*s.Told*float64(l.Up), 8*s.Told*float64(l.Down))
	}
	config := fmt.Sprintf(`[background]
storage = "256MiB"
keep_free = "0"
write_budget = "unlimited"
[foreground]
directory = %q
[network]
peer_address = ":%d"
dht = false
allow_private_trackers = true
%s[web]
address = "127.0.0.1:8088"
`, downloads, site.Port, line)
	if err := os.WriteFile(filepath.Join(s.dir, "ebb.toml"), []byte(config), 0o600); err != nil {
		return err
	}
	s.process, err = StartProcess(s.host, s.dir, "ebb", append([]string{s.Binary, "run"}, s.where()...)...)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"to take the torrent", func() error { return s.command(ctx, "add", site.Content.Torrent) }},
		{"to find its files complete", func() error { return s.expect(ctx, "foreground", "completed", contentLength) }},
		{"to be asked to help on", func() error { return s.command(ctx, "remove", "-data", "-keep-helping", site.Content.Hash) }},
		{"to hold all fragments", func() error { return s.expect(ctx, "background", "fragments", contentLength/pieceLength) }},
	} {
		if err := s.process.await(ctx, readyLimit, step.what, step.do); err != nil {
			return err
		}
	}
	if s.Log != nil {
		ctx, s.quit = context.WithCancel(ctx)
		s.asking.Go(func() { s.follow(ctx) })
	}
	return nil
}

func (s *Ebb) Stop() error {
	if s.quit != nil {
		s.quit()
		s.asking.Wait()
	}
	return s.process.Stop()
}

// follow asks it how it is doing, again and again.
func (s *Ebb) follow(ctx context.Context) {
	began, tick := time.Now(), time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		st, err := s.Status(ctx)
		if err != nil {
			continue // it is busy, or about to end
		}
		mega := func(rate int64) float64 { return 8e-6 * float64(rate) }
		s.Log("%3.0f s  %-60.60s  line %.1f, others %.1f, ours %.1f of %.1f Mbit/s, queue %.0f ms", time.Since(began).Seconds(), st.Why,
			mega(st.Link.LineUp), mega(st.Link.OthersUp), mega(st.Background.UploadRate), mega(st.Background.UploadLimit), st.Link.QueueDelayMS)
	}
}

func (s *Ebb) where() []string {
	return []string{"-config", filepath.Join(s.dir, "ebb.toml"), "-state", filepath.Join(s.dir, "state")}
}

// command gives an order to the running ebb.
func (s *Ebb) command(ctx context.Context, name string, args ...string) error {
	all := append([]string{"netns", "exec", s.host.name, s.Binary, name}, append(s.where(), args...)...)
	if out, err := exec.CommandContext(ctx, "ip", all...).CombinedOutput(); err != nil {
		return fmt.Errorf("ebb %s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// Status is what ebb says of the line.
type Status struct {
	State, Why string
	Link       struct {
		Interface    string
		LineUp       int64   `json:"line_up"`
		OthersUp     int64   `json:"others_up"`
		QueueDelayMS float64 `json:"queue_delay_ms"`
	}
	Background struct {
		UploadRate  int64 `json:"upload_rate"`
		UploadLimit int64 `json:"upload_limit"`
	}
}

// Status asks it how it is doing.
func (s *Ebb) Status(ctx context.Context) (st Status, err error) {
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", s.host.name, s.Binary, "status", "-json"}, s.where()...)...).Output()
	if err != nil {
		return st, fmt.Errorf("ebb status: %w", err)
	}
	return st, json.Unmarshal(out, &st)
}

// expect reports an error until a number of the only swarm in a list of ebb's is what it should be.
func (s *Ebb) expect(ctx context.Context, list, key string, want float64) error {
	out, err := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", s.host.name, s.Binary, "list", "-json"}, s.where()...)...).Output()
	if err != nil {
		return fmt.Errorf("ebb list: %w", err)
	}
	var lists map[string]struct {
		Items []map[string]any `json:"items"`
	}
	if err := json.Unmarshal(out, &lists); err != nil {
		return fmt.Errorf("ebb list: %w", err)
	}
	if l := lists[list].Items; len(l) != 1 || l[0][key] != want {
		return fmt.Errorf("ebb list: %s", strings.TrimSpace(string(out)))
	}
	return nil
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
