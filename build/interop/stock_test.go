//go:build interop && linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

const (
	kiB = 1 << 10
	miB = 1 << 20
)

// downloadLimit bounds one download on loopback, which takes seconds. A client that was given no peer at its first
// announce asks again half an hour later, so more patience would not help.
const downloadLimit = 2 * time.Minute

// announceLimit bounds how long an announce takes to be made and recorded.
const announceLimit = 15 * time.Second

// TestStockClientsAlone proves the harness without ebb, each program on an address of its own:
//
//	transmission seeds two torrents -> announces one over HTTP, one over UDP -> opentracker
//	aria2 downloads the first, qbittorrent both of them
//
// The copies are byte-identical, and tracker and seed know every peer by its own address.
func TestStockClientsAlone(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	tracker, err := StartOpentracker(ctx, w.place("opentracker"))
	started(t, tracker, err)

	files := w.place("content").Dir
	content := func(name string, seed byte, tracker string) *Content {
		c, err := MakeContent(files, name, seed, 256*kiB, []string{tracker},
			File{"first part", 9*miB + 1}, File{"more/second part", 7*miB - 1})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	overHTTP, overUDP := content("announced over HTTP", 1, tracker.HTTP()), content("announced over UDP", 2, tracker.UDP())
	if err := tracker.Serve(ctx, overHTTP.Hash, overUDP.Hash); err != nil {
		t.Fatal(err)
	}

	seed, err := StartTransmission(ctx, w.place("transmission"))
	started(t, seed, err)
	step(t, "transmission seeds both, and the tracker knows", func() error {
		return errors.Join(
			seed.Seed(ctx, overHTTP, files, downloadLimit), known(ctx, tracker, overHTTP, seed.Addr()),
			seed.Seed(ctx, overUDP, files, downloadLimit), known(ctx, tracker, overUDP, seed.Addr()),
		)
	})

	step(t, "aria2 downloads what is announced over HTTP", func() error {
		aria2, err := StartAria2(w.place("aria2"), overHTTP)
		started(t, aria2, err)
		return errors.Join(
			known(ctx, tracker, overHTTP, aria2.Addr()), connected(ctx, seed, overHTTP, aria2.Addr()),
			aria2.Downloaded(ctx, downloadLimit),
		)
	})

	qbittorrent, err := StartQBittorrent(ctx, w.place("qbittorrent"))
	started(t, qbittorrent, err)
	for _, c := range []*Content{overHTTP, overUDP} {
		step(t, "qbittorrent downloads what is "+c.Name, func() error {
			return errors.Join(
				qbittorrent.Add(ctx, c),
				known(ctx, tracker, c, qbittorrent.Addr()), connected(ctx, seed, c, qbittorrent.Addr()),
				qbittorrent.Downloaded(ctx, c, downloadLimit),
			)
		})
	}
}

// known waits until the tracker has the peer in its list of the swarm.
func known(ctx context.Context, tracker *Opentracker, c *Content, peer netip.AddrPort) error {
	return Await(ctx, announceLimit, fmt.Sprintf("the tracker to know %v in %s", peer, c.Name), func(ctx context.Context) error {
		members, err := tracker.Members(ctx, c.Hash)
		if err == nil && !slices.Contains(members, peer) {
			err = fmt.Errorf("it knows %v", members)
		}
		return err
	})
}

// connected waits until the seed has a connection with the peer: from the peer's own address, whoever dialled.
func connected(ctx context.Context, seed *Transmission, c *Content, peer netip.AddrPort) error {
	return Await(ctx, announceLimit, fmt.Sprintf("transmission to meet %v in %s", peer.Addr(), c.Name), func(ctx context.Context) error {
		torrent, err := seed.Torrent(ctx, c.Hash)
		if err == nil && !slices.ContainsFunc(torrent.Peers, func(p TransmissionPeer) bool { return p.Address == peer.Addr().String() }) {
			err = fmt.Errorf("it is connected to %+v", torrent.Peers)
		}
		return err
	})
}
