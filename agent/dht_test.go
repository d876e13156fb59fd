package agent_test

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"testing"

	"ebb/agent/peersource"
	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/webui"
)

// TestTheStoryNeedsNoTracker tells the story of TestASwarmOutlivesItsSeeds with nothing but the DHT: Y finds the peers
// of its download there, and X at the rendezvous.
func TestTheStoryNeedsNoTracker(t *testing.T) {
	w, ctx := newWorld(t)
	content := get[*lab.Content](t)
	first := content(w.Content("First Light", 2*mib, 128<<10))
	second := content(w.Content("Old Maps", 2*mib, 64<<10))
	seed := get[*lab.Peer](t)(w.Seed(ctx, first, second))
	node := startNode(t, w)

	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB", DHT: node}))
	get[swarm.InfoHash](t)(x.AddBackground(ctx, magnet(second, seed.Addr(second))))
	get[swarm.InfoHash](t)(x.AddForeground(ctx, magnet(first, seed.Addr(first)), true))
	told(t, ctx, x, "complete", first)
	told(t, ctx, x, "complete", second)
	must(t, seed.Stop())

	y := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB", DHT: node}))
	get[swarm.InfoHash](t)(y.AddForeground(ctx, magnet(first, netip.AddrPort{}), true))
	told(t, ctx, y, "complete", first)
	told(t, ctx, y, "verified", second)
	told(t, ctx, y, "complete", second)
}

// startNode runs a DHT node for the agents of a world to begin with.
func startNode(t *testing.T, w *lab.World) netip.AddrPort {
	t.Helper()
	conn := get[net.PacketConn](t)(net.ListenPacket("udp", netip.AddrPortFrom(w.NextAddr(), 0).String()))
	node := peersource.NewDHT(conn, peersource.DHTConfig{Guard: peersource.Guard{AllowPrivate: true}})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { node.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return node.Addr()
}

// magnet is a link without a tracker. It may name a peer.
func magnet(c *lab.Content, peer netip.AddrPort) webui.Source {
	link := "magnet:?xt=urn:btih:" + c.Hash.String() + "&dn=" + url.QueryEscape(c.Name)
	if peer.IsValid() {
		link += "&x.pe=" + peer.String()
	}
	return webui.Source{URI: link}
}
