//go:build linux

package interop

import (
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

	"ebb/agent/swarm"
)

// Agent is one ebb process, `ebb run`, seen as its owner sees it: by its command and its HTTP API.
type Agent struct {
	*Process
	binary string
	dir    string
	config string // path of ebb.toml
	peers  netip.AddrPort
	disk   string
	user   *syscall.Credential // nil: as the caller

	url, token string // of the API
}

// AgentPreferences are those that a test decides. Texts are as in ebb.toml.
type AgentPreferences struct {
	Disk    string // directory for the state and the downloads
	Storage string // of the background
	Upload  string // of the background
}

// agentConfig lets ebb use the loopback interface and nothing else: its trackers are there.
const agentConfig = `[background]
storage = %q
upload = %q
keep_free = "16MiB"

[foreground]
directory = %q

[sources]
peers = "auto"

[network]
peer_address = "%v"
dht = false
allow_private_trackers = true

[web]
address = "%v:0"
`

// StartAgent starts ebb. What it is told and what it prints is kept in at.Dir.
func StartAgent(ctx context.Context, binary string, at Place, p AgentPreferences) (*Agent, error) {
	a, err := newAgent(binary, at, p)
	if err != nil {
		return nil, err
	}
	return a, a.Start(ctx)
}

// newAgent prepares an agent that has never run.
func newAgent(binary string, at Place, p AgentPreferences) (*Agent, error) {
	port, err := freePort(at.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting ebb: %w", err)
	}
	a := &Agent{
		binary: binary,
		dir:    at.Dir,
		config: filepath.Join(at.Dir, "ebb.toml"),
		peers:  netip.AddrPortFrom(at.Addr, port),
		disk:   p.Disk,
	}
	for _, dir := range []string{a.state(), a.Downloads()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("starting ebb: %w", err)
		}
	}
	config := fmt.Sprintf(agentConfig, p.Storage, p.Upload, a.Downloads(), a.peers, at.Addr)
	if err := os.WriteFile(a.config, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("starting ebb: %w", err)
	}
	return a, nil
}

// run is the agent's own command.
func (a *Agent) run() command {
	return command{name: filepath.Base(a.dir), dir: a.dir, user: a.user,
		args: []string{a.binary, "run", "-config", a.config, "-state", a.state()}}
}

// Start starts an agent that has ended again, as it was.
func (a *Agent) Start(ctx context.Context) error {
	process, err := start(a.run())
	if err != nil {
		return err
	}
	a.Process = process
	return a.ready(ctx, func(ctx context.Context) error {
		if err := a.findAPI(); err != nil {
			return err
		}
		_, err := a.Status(ctx)
		return err
	})
}

func (a *Agent) state() string { return filepath.Join(a.disk, "state") }

// Downloads is where the foreground's files are.
func (a *Agent) Downloads() string { return filepath.Join(a.disk, "downloads") }

// Fragments is where the background's fragments are.
func (a *Agent) Fragments() string { return filepath.Join(a.state(), "fragments") }

// Addr is where the peers of its background swarms reach it.
func (a *Agent) Addr() netip.AddrPort { return a.peers }

// swarm is the directory of a background swarm's fragments.
func (a *Agent) swarm(c *Content) string {
	hash := c.Hash.String()
	return filepath.Join(a.Fragments(), hash[:2], hash)
}

// fragment is the file of one piece.
func (a *Agent) fragment(c *Content, index int) string {
	return filepath.Join(a.swarm(c), strconv.Itoa(index))
}

func (a *Agent) findAPI() error {
	url, err := os.ReadFile(filepath.Join(a.state(), "api-address"))
	if err != nil {
		return err
	}
	token, err := os.ReadFile(filepath.Join(a.state(), "api-token"))
	if err != nil {
		return err
	}
	a.url, a.token = strings.TrimSpace(string(url)), strings.TrimSpace(string(token))
	return nil
}

// Command runs another ebb command against the agent, `ebb NAME -state DIR ARGS…`, and returns what it prints.
func (a *Agent) Command(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, a.binary, append([]string{name, "-state", a.state()}, args...)...)
	cmd.Env = []string{"HOME=" + a.disk}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ebb %s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// AgentStatus is what the test needs of GET status. Sizes in bytes.
type AgentStatus struct {
	State      string `json:"state"`
	Why        string `json:"why"`
	Background struct {
		Uploaded     int64 `json:"uploaded"`
		Downloaded   int64 `json:"downloaded"`
		StorageUsed  int64 `json:"storage_used"`
		StorageLimit int64 `json:"storage_limit"`
		Candidates   int   `json:"candidates"`
		Swarms       int   `json:"swarms"`
	} `json:"background"`
	Disk struct {
		Free     int64 `json:"free"`
		Promised int64 `json:"promised"`
	} `json:"disk"`
}

// Status is GET status.
func (a *Agent) Status(ctx context.Context) (s AgentStatus, err error) {
	return s, a.get(ctx, "status", &s)
}

// AgentTorrent is what the tests need of a foreground torrent.
type AgentTorrent struct {
	State     string `json:"state"`
	Why       string `json:"why"`
	Length    int64  `json:"length"`
	Completed int64  `json:"completed"`
	Peers     int    `json:"peers"`
}

// Foreground is GET foreground/{hash}.
func (a *Agent) Foreground(ctx context.Context, h swarm.InfoHash) (t AgentTorrent, err error) {
	return t, a.get(ctx, "foreground/"+h.String(), &t)
}

// Downloaded waits until the agent has all of a foreground torrent and the files are the same bytes as the content. A
// download that fails, or has to wait for space, is an error.
func (a *Agent) Downloaded(ctx context.Context, c *Content, limit time.Duration) error {
	var refused error
	err := a.await(ctx, limit, "to download "+c.Name, func(ctx context.Context) error {
		t, err := a.Foreground(ctx, c.Hash)
		switch {
		case err != nil:
			return err
		case t.State == "failed" || t.State == "waiting for space":
			refused = fmt.Errorf("%s: %s: %s", c.Name, t.State, t.Why)
			return nil
		case t.State != "seeding" || t.Completed != c.Length:
			return fmt.Errorf("%s (%s), %d of %d bytes, %d peers", t.State, t.Why, t.Completed, c.Length, t.Peers)
		}
		return nil
	})
	if err := errors.Join(err, refused); err != nil {
		return err
	}
	return c.Check(a.Downloads())
}

// AgentSwarm is what the tests need of a background swarm.
type AgentSwarm struct {
	State     string `json:"state"`
	Pieces    int    `json:"pieces"`
	Fragments int    `json:"fragments"`
	Bytes     int64  `json:"bytes"`
	Peers     int    `json:"peers"`
	Uploaded  int64  `json:"uploaded"`
}

// Background is GET background/{hash}.
func (a *Agent) Background(ctx context.Context, h swarm.InfoHash) (s AgentSwarm, err error) {
	return s, a.get(ctx, "background/"+h.String(), &s)
}

// Holds waits until the agent has every piece of a background swarm as a fragment, and checks the fragments.
func (a *Agent) Holds(ctx context.Context, c *Content, limit time.Duration) error {
	err := a.await(ctx, limit, "to hold all of "+c.Name, func(ctx context.Context) error {
		s, err := a.Background(ctx, c.Hash)
		if err == nil && (s.Pieces == 0 || s.Fragments < s.Pieces) {
			err = fmt.Errorf("%s, %d of %d fragments, %d peers", s.State, s.Fragments, s.Pieces, s.Peers)
		}
		return err
	})
	if err != nil {
		return err
	}
	held, err := a.CheckFragments(c)
	if err == nil && held != c.Pieces() {
		err = fmt.Errorf("%s: %d fragment files, want %d", c.Name, held, c.Pieces())
	}
	return err
}

// CheckFragments hashes every fragment of the content that is on the agent's disk, and returns how many there are. The
// agent must not be changing them.
func (a *Agent) CheckFragments(c *Content) (int, error) {
	files, err := os.ReadDir(a.swarm(c))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		index, err := strconv.Atoi(f.Name())
		if err != nil {
			return 0, fmt.Errorf("%s: a file that is no fragment: %w", a.swarm(c), err)
		}
		if err := c.CheckPiece(index, a.fragment(c, index)); err != nil {
			return 0, err
		}
	}
	return len(files), nil
}

func (a *Agent) get(ctx context.Context, path string, result any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(a.url, "/")+"/api/v1/"+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	status, body, _, err := exchange(request)
	if err != nil {
		return fmt.Errorf("ebb's %s: %w", path, err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("ebb's %s: status %d: %s", path, status, body)
	}
	if err := json.Unmarshal(body, result); err != nil {
		return fmt.Errorf("ebb's %s: %w", path, err)
	}
	return nil
}
