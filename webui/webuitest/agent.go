// Package webuitest has a webui.Agent for tests of whatever speaks to the API: it keeps what it is told, in memory, and
// does nothing with it. That an allotment is kept to, or a swarm helped, is for others to test.
package webuitest

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/webui"
)

// Agent is a webui.Agent. Its zero value has nothing in it; see NewHousehold.
type Agent struct {
	mu          sync.Mutex // guards all below but log
	status      webui.Status
	preferences prefs.Preferences
	foreground  []webui.ForegroundTorrent
	background  []webui.BackgroundSwarm
	candidates  []webui.Candidate
	line        []webui.LineMoment
	why         map[swarm.InfoHash]webui.Why
	calls       []string
	sources     []webui.Source
	findings    []webui.Finding
	failure     error

	log *webui.EventLog
}

var _ webui.Agent = (*Agent)(nil)

// NewAgent returns an agent that has just started, without an allotment.
func NewAgent() *Agent {
	return &Agent{
		status: webui.Status{
			Version:    "0.1.0",
			State:      webui.StateSetup,
			Why:        "Nothing is shared until you set how much storage to lend.",
			Background: webui.BackgroundStatus{WriteBudget: 2 << 30},
			Disk:       webui.DiskStatus{SameDisk: true},
		},
		findings:    []webui.Finding{{About: "fragments", Level: webui.FindingOK, Text: "there are none yet"}},
		preferences: prefs.Default(),
		why:         map[swarm.InfoHash]webui.Why{},
		log:         webui.NewEventLog(),
	}
}

// Calls returns what was asked to change or to be checked, oldest first, such as "veto 0a1b…".
func (a *Agent) Calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

// Sources returns what was given to be added, oldest first.
func (a *Agent) Sources() []webui.Source {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sources)
}

// Fail makes every call but Events return err, until it is nil again.
func (a *Agent) Fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failure = err
}

// SetStatus lets change edit what Status returns.
func (a *Agent) SetStatus(change func(*webui.Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.status)
}

// Events implements webui.Agent.
func (a *Agent) Events() *webui.EventLog { return a.log }

// Status implements webui.Agent.
func (a *Agent) Status(context.Context) (webui.Status, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.status, a.failure
}

// Preferences implements webui.Agent.
func (a *Agent) Preferences(context.Context) (prefs.Preferences, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.preferences, a.failure
}

// SetPreferences implements webui.Agent.
func (a *Agent) SetPreferences(_ context.Context, p prefs.Preferences) error {
	return a.change("preferences", func() error {
		a.status.NextStart = prefs.NeedRestart(a.preferences, p)
		a.preferences = p
		return nil
	})
}

// Foreground implements webui.Agent.
func (a *Agent) Foreground(context.Context) ([]webui.ForegroundTorrent, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.foreground), a.failure
}

// ForegroundTorrent implements webui.Agent.
func (a *Agent) ForegroundTorrent(_ context.Context, h swarm.InfoHash) (t webui.ForegroundTorrent, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.torrent(h)
	if i < 0 {
		return t, fmt.Errorf("torrent %s: %w", h, webui.ErrNotFound)
	}
	return a.foreground[i], a.failure
}

// ForegroundDetails implements webui.Agent.
func (a *Agent) ForegroundDetails(_ context.Context, h swarm.InfoHash) (webui.Details, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.torrent(h)
	if i < 0 {
		return webui.Details{}, fmt.Errorf("torrent %s: %w", h, webui.ErrNotFound)
	}
	d := webui.Details{Files: []webui.File{}, Peers: []webui.Peer{}}
	if t := a.foreground[i]; t.Length > 0 {
		d.Files = append(d.Files,
			webui.File{Path: t.Name + "/first", Length: t.Length / 4, OnDisk: min(t.Completed, t.Length/4)},
			webui.File{Path: t.Name + "/second", Length: t.Length - t.Length/4, OnDisk: max(t.Completed-t.Length/4, 0)})
	}
	if a.foreground[i].Peers > 0 {
		d.Peers = append(d.Peers, webui.Peer{
			Addr: netip.MustParseAddrPort("198.51.100.7:51515"), Client: "ebb 0.1.0", DownloadRate: a.foreground[i].DownloadRate, Dialled: true,
		})
	}
	return d, a.failure
}

// AddForeground implements webui.Agent.
func (a *Agent) AddForeground(_ context.Context, s webui.Source, start bool) (h swarm.InfoHash, err error) {
	h = HashOf(s)
	return h, a.change(fmt.Sprintf("add start=%t %s", start, h), func() error {
		if a.torrent(h) >= 0 {
			return fmt.Errorf("torrent %s is there already: %w", h, webui.ErrConflict)
		}
		state := "downloading"
		if !start {
			state = "stopped"
		}
		a.sources = append(a.sources, s)
		a.foreground = append(a.foreground, webui.ForegroundTorrent{Hash: h, State: state, Added: time.Now()})
		return nil
	})
}

// RemoveForeground implements webui.Agent.
func (a *Agent) RemoveForeground(_ context.Context, h swarm.InfoHash, r webui.Removal) error {
	return a.change(fmt.Sprintf("remove data=%t help=%t %s", r.DeleteData, r.KeepHelping, h), func() error {
		i := a.torrent(h)
		if i < 0 {
			return fmt.Errorf("torrent %s: %w", h, webui.ErrNotFound)
		}
		if t := a.foreground[i]; r.KeepHelping {
			switch {
			case t.Private:
				return &webui.BadRequest{Err: fmt.Errorf("torrent %s is private: ebb never helps with one", h)}
			case t.Completed == 0:
				return fmt.Errorf("torrent %s has nothing yet that could become fragments: %w", h, webui.ErrConflict)
			}
			a.background = append(a.background, webui.BackgroundSwarm{
				Hash: h, Name: t.Name, State: "serving", Why: "You removed it from your downloads, and keep helping.", Length: t.Length, Joined: time.Now(),
			})
		}
		a.foreground = slices.Delete(a.foreground, i, i+1)
		return nil
	})
}

// StartForeground implements webui.Agent.
func (a *Agent) StartForeground(_ context.Context, h swarm.InfoHash) error {
	return a.setState("start", h, "downloading")
}

// StopForeground implements webui.Agent.
func (a *Agent) StopForeground(_ context.Context, h swarm.InfoHash) error {
	return a.setState("stop", h, "stopped")
}

// VerifyForeground implements webui.Agent.
func (a *Agent) VerifyForeground(_ context.Context, h swarm.InfoHash) error {
	return a.change(fmt.Sprintf("verify %s", h), func() error {
		i := a.torrent(h)
		switch {
		case i < 0:
			return fmt.Errorf("torrent %s: %w", h, webui.ErrNotFound)
		case a.foreground[i].Length == 0:
			return fmt.Errorf("torrent %s has no metadata yet: %w", h, webui.ErrConflict)
		}
		if a.foreground[i].State != "stopped" {
			a.foreground[i].State = "checking"
		}
		return nil
	})
}

// MoveForeground implements webui.Agent.
func (a *Agent) MoveForeground(_ context.Context, h swarm.InfoHash, directory string) error {
	return a.change(fmt.Sprintf("move %s %s", h, directory), func() error {
		i := a.torrent(h)
		switch {
		case i < 0:
			return fmt.Errorf("torrent %s: %w", h, webui.ErrNotFound)
		case !filepath.IsAbs(directory):
			return &webui.BadRequest{Err: fmt.Errorf("%q is no directory", directory)}
		}
		a.foreground[i].Directory = directory
		return nil
	})
}

func (a *Agent) setState(call string, h swarm.InfoHash, state string) error {
	return a.change(fmt.Sprintf("%s %s", call, h), func() error {
		i := a.torrent(h)
		if i < 0 {
			return fmt.Errorf("torrent %s: %w", h, webui.ErrNotFound)
		}
		a.foreground[i].State = state
		return nil
	})
}

// Background implements webui.Agent.
func (a *Agent) Background(context.Context) ([]webui.BackgroundSwarm, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.background), a.failure
}

// BackgroundSwarm implements webui.Agent.
func (a *Agent) BackgroundSwarm(_ context.Context, h swarm.InfoHash) (b webui.BackgroundSwarm, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.swarm(h)
	if i < 0 {
		return b, fmt.Errorf("swarm %s: %w", h, webui.ErrNotFound)
	}
	return a.background[i], a.failure
}

// AddBackground implements webui.Agent.
func (a *Agent) AddBackground(_ context.Context, s webui.Source) (h swarm.InfoHash, err error) {
	h = HashOf(s)
	return h, a.change(fmt.Sprintf("help %s", h), func() error {
		if a.swarm(h) >= 0 {
			return fmt.Errorf("swarm %s is joined already: %w", h, webui.ErrConflict)
		}
		a.sources = append(a.sources, s)
		a.background = append(a.background, webui.BackgroundSwarm{Hash: h, State: "metadata", Joined: time.Now()})
		return nil
	})
}

// LeaveBackground implements webui.Agent.
func (a *Agent) LeaveBackground(_ context.Context, h swarm.InfoHash) error {
	return a.change(fmt.Sprintf("leave %s", h), func() error { return a.leave(h) })
}

// Veto implements webui.Agent.
func (a *Agent) Veto(_ context.Context, h swarm.InfoHash) error {
	return a.change(fmt.Sprintf("veto %s", h), func() error {
		a.candidates = slices.DeleteFunc(a.candidates, func(c webui.Candidate) bool { return c.Hash == h })
		if a.swarm(h) < 0 {
			return nil
		}
		return a.leave(h)
	})
}

func (a *Agent) leave(h swarm.InfoHash) error {
	i := a.swarm(h)
	if i < 0 {
		return fmt.Errorf("swarm %s: %w", h, webui.ErrNotFound)
	}
	a.background = slices.Delete(a.background, i, i+1)
	return nil
}

// Promote implements webui.Agent. It goes no further than the beginning.
func (a *Agent) Promote(_ context.Context, h swarm.InfoHash) error {
	return a.change(fmt.Sprintf("promote %s", h), func() error {
		i := a.swarm(h)
		switch {
		case i < 0:
			return fmt.Errorf("swarm %s: %w", h, webui.ErrNotFound)
		case a.background[i].State == webui.SwarmPromoting:
			return fmt.Errorf("swarm %s is becoming a download already: %w", h, webui.ErrConflict)
		case a.background[i].Pieces == 0:
			return fmt.Errorf("nobody has told us yet what swarm %s holds, try again later: %w", h, webui.ErrConflict)
		}
		a.background[i].State, a.background[i].Waiting = webui.SwarmPromoting, ""
		return nil
	})
}

// Why implements webui.Agent.
func (a *Agent) Why(_ context.Context, h swarm.InfoHash) (webui.Why, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	why, ok := a.why[h]
	if !ok {
		return why, fmt.Errorf("swarm %s: %w", h, webui.ErrNotFound)
	}
	return why, a.failure
}

// Line implements webui.Agent.
func (a *Agent) Line(context.Context) ([]webui.LineMoment, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.line), a.failure
}

// Candidates implements webui.Agent.
func (a *Agent) Candidates(context.Context) ([]webui.Candidate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.candidates), a.failure
}

// Approve implements webui.Agent.
func (a *Agent) Approve(_ context.Context, h swarm.InfoHash) error {
	return a.change(fmt.Sprintf("approve %s", h), func() error {
		i := slices.IndexFunc(a.candidates, func(c webui.Candidate) bool { return c.Hash == h })
		if i < 0 {
			return fmt.Errorf("candidate %s: %w", h, webui.ErrNotFound)
		}
		if a.candidates[i].State != swarm.CandidateWaiting {
			return fmt.Errorf("candidate %s does not wait for your yes: %w", h, webui.ErrConflict)
		}
		a.candidates[i].State = "approved"
		return nil
	})
}

// Doctor implements webui.Agent. It mends every problem, and finds none the next time.
func (a *Agent) Doctor(_ context.Context, mend bool) (d webui.Diagnosis, err error) {
	err = a.change(fmt.Sprintf("doctor mend=%t", mend), func() error {
		d.Findings = slices.Clone(a.findings)
		if !mend {
			return nil
		}
		for i := range d.Findings {
			if f := &d.Findings[i]; f.Level == webui.FindingProblem {
				f.Mended = true
				a.findings[i] = webui.Finding{About: f.About, Level: webui.FindingOK, Text: "as it should be"}
			}
		}
		return nil
	})
	return d, err
}

// SetFindings makes Doctor find these.
func (a *Agent) SetFindings(findings ...webui.Finding) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.findings = slices.Clone(findings)
}

// change notes a call and carries it out.
func (a *Agent) change(call string, do func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, call)
	if a.failure != nil {
		return a.failure
	}
	return do()
}

func (a *Agent) torrent(h swarm.InfoHash) int {
	return slices.IndexFunc(a.foreground, func(t webui.ForegroundTorrent) bool { return t.Hash == h })
}

func (a *Agent) swarm(h swarm.InfoHash) int {
	return slices.IndexFunc(a.background, func(b webui.BackgroundSwarm) bool { return b.Hash == h })
}

// HashOf is the info-hash under which a Source is added here: not the real one.
func HashOf(s webui.Source) swarm.InfoHash {
	return swarm.HashInfo(append([]byte(s.URI), s.File...))
}
