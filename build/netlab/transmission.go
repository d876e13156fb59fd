//go:build linux

package netlab

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
)

// Transmission is a transmission-daemon as a subject.
type Transmission struct{ process *Process }

func (*Transmission) Name() string { return "Transmission" }

// Start gives it the torrent by way of its watch directory. It verifies the content and then seeds.
func (s *Transmission) Start(ctx context.Context, site Site) error {
	watch := filepath.Join(site.Dir, "watch")
	if err := os.Mkdir(watch, 0o755); err != nil {
		return err
	}
	torrent, err := os.ReadFile(site.Content.Torrent)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(watch, "content.torrent"), torrent, 0o644); err != nil {
		return err
	}
	// Everything else is the program's own default. What is switched off would look for peers that this network
	// does not have.
	settings, err := json.MarshalIndent(map[string]any{
		"peer-port":               site.Port,
		"utp-enabled":             true,
		"dht-enabled":             false,
		"lpd-enabled":             false,
		"port-forwarding-enabled": false,
		"rpc-enabled":             false,
		"download-dir":            site.Content.Dir,
		"watch-dir":               watch,
		"watch-dir-enabled":       true,
	}, "", "    ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(site.Dir, "settings.json"), settings, 0o600); err != nil {
		return err
	}
	s.process, err = StartProcess(site.Host, site.Dir, "transmission",
		"transmission-daemon", "--foreground", "--log-info", "--config-dir", site.Dir)
	if err != nil {
		return err
	}
	return s.process.await(ctx, readyLimit, "to listen", func() error { return site.Host.listens(int(site.Port)) })
}

func (s *Transmission) Stop() error { return s.process.Stop() }
