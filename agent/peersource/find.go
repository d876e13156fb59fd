package peersource

import (
	"context"
	"errors"
	"net/netip"
	"sync"

	"ebb/agent/swarm"
)

// mostAsked is how many trackers are asked for a swarm that is only looked at.
const mostAsked = 3

// Find looks for peers of a swarm that is not announced, in the DHT and at the first few of those trackers, side by side.
// It calls found, never twice at a time, until that says that it has enough, all have answered, or ctx ends. In the DHT
// nobody hears that we are there. Trackers have no way to ask but to announce, with the port where peers reach us, so
// those that we asked are told at once that we leave. The error is that of the last who failed, if nobody was found.
func (a *Announcer) Find(ctx context.Context, h swarm.InfoHash, port uint16, trackers []string, found func([]netip.AddrPort) (enough bool)) error {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	var (
		mu   sync.Mutex // guards what follows, and is held while found is called
		any  bool
		last error
		all  sync.WaitGroup
	)
	tell := func(peers []netip.AddrPort, err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil && ctx.Err() == nil {
			last = err
		}
		if len(peers) > 0 && ctx.Err() == nil {
			any = true
			if found(peers) {
				enough()
			}
		}
	}
	if a.lookup != nil {
		all.Go(func() {
			err := a.lookup(ctx, h, 0, func(peers []netip.AddrPort) { tell(peers, nil) })
			tell(nil, err)
		})
	}
	asked := 0
	for _, tracker := range trackers {
		if asked == mostAsked {
			break
		}
		if err := a.guard.CheckURL(tracker); err != nil {
			tell(nil, err)
			continue
		}
		asked++
		all.Go(func() {
			request := AnnounceRequest{Hash: h, PeerID: a.peerID, Port: port, Key: a.key, Left: -1}
			answer, err := a.announce(ctx, tracker, request)
			tell(answer.Peers, err)
			if err != nil {
				return
			}
			request.Event = EventStopped
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			if _, err := a.announce(stopping, tracker, request); err != nil {
				a.log.Debug("could not tell the tracker that we only looked", "torrent", h, "err", err)
			}
		})
	}
	if a.lookup == nil && asked == 0 && last == nil {
		last = errors.New("it names no tracker, and the DHT is off")
	}
	all.Wait()
	if any {
		return nil
	}
	return last
}
