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
)

// Ebb is ebb as a subject: it helps the content's swarm, of which it holds everything.
type Ebb struct {
	Binary string // path of the program
	// Told says that its owner has told it what the line carries; else it has to find out.
	Told bool

	host    *Host
	dir     string
	process *Process
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
	if s.Told {
		return "ebb"
	}
	return "ebb, not told the line"
}

// Start runs ebb. It gets its fragments the way an owner would give them to it: the content is there as a download, which
// is then removed, but helped on. Nothing of that passes the line.
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
	if s.Told {
		l := site.World.Line()
		line = fmt.Sprintf("line_up = \"%dbit/s\"\nline_down = \"%dbit/s\"\n", 8*l.Up, 8*l.Down)
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
	return nil
}

func (s *Ebb) Stop() error { return s.process.Stop() }

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
