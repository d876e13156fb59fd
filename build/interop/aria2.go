//go:build linux

package interop

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// Aria2 is one aria2c process that downloads one torrent and ends. --interface is where it listens and where its
// connections leave from. It announces to the next tracker only when the one before fails. Its announces to UDP
// trackers need its DHT node, which is off here, so its torrents need an HTTP tracker.
type Aria2 struct {
	*Process
	addr    netip.AddrPort
	dir     string
	content *Content
}

// StartAria2 starts downloading the content into at.Dir.
func StartAria2(at Place, c *Content) (*Aria2, error) {
	port, err := freePort(at.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting aria2: %w", err)
	}
	torrent, err := c.WriteTorrent(at.Dir)
	if err != nil {
		return nil, fmt.Errorf("starting aria2: %w", err)
	}
	process, err := start(command{name: "aria2", dir: at.Dir, args: []string{"aria2c",
		"--no-conf", "--dir=" + at.Dir,
		"--interface=" + at.Addr.String(), "--listen-port=" + strconv.Itoa(int(port)), "--disable-ipv6",
		"--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false",
		"--seed-time=0", "--summary-interval=5", "--show-console-readout=false", "--console-log-level=info", "--enable-color=false",
		torrent,
	}})
	if err != nil {
		return nil, err
	}
	return &Aria2{Process: process, addr: netip.AddrPortFrom(at.Addr, port), dir: at.Dir, content: c}, nil
}

// Addr is where peers reach it.
func (a *Aria2) Addr() netip.AddrPort { return a.addr }

// Downloaded waits until the download is complete, which ends aria2, and the same bytes as the content.
func (a *Aria2) Downloaded(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := a.Wait(ctx); err != nil {
		return err
	}
	return a.content.Check(a.dir)
}
