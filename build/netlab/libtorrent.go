//go:build linux

package netlab

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// python is Debian's own, which has the module libtorrent; PATH may name another one first.
const python = "/usr/bin/python3"

//go:embed peer.py
var peerScript []byte

// readyLimit is how long a program may take until it listens.
const readyLimit = 30 * time.Second

// peerArgs are the argument of peer.py.
type peerArgs struct {
	Torrent string `json:"torrent"`
	Dir     string `json:"dir"`
	Listen  string `json:"listen"`
	UTP     bool   `json:"utp"`
	TCP     bool   `json:"tcp"`
	Seed    bool   `json:"seed"`
	Dial    []any  `json:"dial"`
}

func startPeer(h *Host, dir string, a peerArgs) (*Process, error) {
	script := filepath.Join(dir, "peer.py")
	if err := os.WriteFile(script, peerScript, 0o644); err != nil {
		return nil, err
	}
	argument, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	return StartProcess(h, dir, "libtorrent", python, script, string(argument))
}

// Libtorrent is a libtorrent session as a subject.
type Libtorrent struct{ process *Process }

func (*Libtorrent) Name() string { return "libtorrent" }

func (s *Libtorrent) Start(ctx context.Context, site Site) (err error) {
	s.process, err = startPeer(site.Host, site.Dir, peerArgs{Torrent: site.Content.Torrent, Dir: site.Content.Dir,
		Listen: fmt.Sprintf("0.0.0.0:%d", site.Port), UTP: true, TCP: true, Seed: true})
	if err != nil {
		return err
	}
	return s.process.awaitLine(ctx, readyLimit, "ready")
}

func (s *Libtorrent) Stop() error { return s.process.Stop() }

// leecher is a libtorrent session that downloads from one peer without end.
type leecher struct{ *Process }

func startLeecher(w *World, h *Host, from Site, utp bool) (*leecher, error) {
	dir, err := w.freshDir(h.Role)
	if err != nil {
		return nil, err
	}
	p, err := startPeer(h, dir, peerArgs{Torrent: from.Content.Torrent, Dir: filepath.Join(dir, "data"),
		Listen: netip.AddrPortFrom(h.Addr, peerPort).String(), UTP: utp, TCP: !utp,
		Dial: []any{from.Host.Addr, from.Port}})
	if err != nil {
		return nil, err
	}
	return &leecher{p}, nil
}
