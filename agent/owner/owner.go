// Package owner is what the owner sees and does: the status and its reason, the preferences, the downloads and the
// swarms that are helped, the moves between the two, and the check-up. The page and the command reach it through webui.
//
// It decides nothing that another part can decide, and says everything in sentences: no state is shown without its
// reason.
package owner

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"ebb/agent/background"
	"ebb/agent/discovery"
	"ebb/agent/foreground"
	"ebb/agent/peersource"
	"ebb/agent/prefs"
	"ebb/quota/line"
	"ebb/quota/memory"
	"ebb/webui"
)

// Config is the parts of an agent that its owner sees and steers. Every field is required.
type Config struct {
	Kept
	Version    string
	ConfigPath string // of ebb.toml
	Bandwidth  *line.Bandwidth
	Governor   *line.Governor
	Memory     *memory.Watch
	Foreground *foreground.Session
	Background *background.Engine
	Candidates *discovery.Candidates
	Announcer  *peersource.Announcer
	DHT        *peersource.DHT   // nil when network.dht is false
	Transport  http.RoundTripper // fetches .torrent files from URLs
	Events     *webui.EventLog
	Log        *slog.Logger
}

// Owner makes an agent a webui.Agent. Its methods may be called by any number of goroutines.
type Owner struct {
	cfg     Config
	started time.Time
	began   prefs.Preferences // with what the agent was started
	moves   *moves
}

var _ webui.Agent = (*Owner)(nil)

// New returns the owner of an agent that is built.
func New(cfg Config) *Owner {
	o := &Owner{cfg: cfg, started: time.Now(), began: cfg.Preferences.Get()}
	o.moves = newMoves(o)
	o.limitDownloads(o.began)
	return o
}

// Run carries on the moves that are under way, and follows changes of the preferences' file, until ctx ends.
func (o *Owner) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { o.moves.run(ctx) })
	running.Go(func() { o.watchPreferences(ctx) })
	running.Wait()
}
