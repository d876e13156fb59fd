package agent

import (
	"context"
	"net/netip"
	"time"

	"ebb/agent/background"
	"ebb/agent/discovery"
	"ebb/agent/foreground"
	"ebb/agent/peersource"
	"ebb/agent/swarm"
	"ebb/quota/disk"
)

// scheduleInterval is how soon the background follows the clock, where the owner
// has set hours.
const scheduleInterval = 10 * time.Second

// runBackground keeps the engine running whenever the owner's allotment and
// hours let it, and not a moment longer.
func (a *Agent) runBackground(ctx context.Context) {
	check := time.NewTicker(scheduleInterval)
	defer check.Stop()
	var running *engineRun // nil while the background is off
	defer func() { running.end() }()
	for {
		on, _, why := allotted(a.current(), a.ledger.Usage().Allotment, time.Now())
		switch {
		case on && running == nil:
			running = a.startEngine(ctx)
		case !on && running != nil:
			running.end()
			running = nil
			swarm.Tell(a.log, "paused", swarm.InfoHash{}, why)
		}
		select {
		case <-check.C:
		case <-a.changed:
		case <-ctx.Done():
			return
		}
	}
}

// engineRun is one run of the background engine.
type engineRun struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (a *Agent) startEngine(ctx context.Context) *engineRun {
	ctx, cancel := context.WithCancel(ctx)
	r := &engineRun{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		a.background.Run(ctx)
	}()
	return r
}

// end stops the engine and waits for it; nil has ended already.
func (r *engineRun) end() {
	if r != nil {
		r.cancel()
		<-r.done
	}
}

// followInterval is how soon a new foreground torrent is announced.
const followInterval = 2 * time.Second

// followForeground keeps the DHT and the rendezvous in step with the owner's
// torrents. rain announces them to their trackers itself.
func (a *Agent) followForeground(ctx context.Context) {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	announced := make(map[swarm.InfoHash]bool) // by hash: whether its metadata was known
	for {
		torrents := a.foreground.Torrents()
		a.announceForeground(torrents, announced)
		a.rendezvous.SetForeground(a.meetables(torrents))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// announceForeground looks up peers of the owner's public torrents on the DHT
// and hands them to rain. A magnet whose metadata is not known yet may turn
// out private, so until then we only listen.
func (a *Agent) announceForeground(torrents []foreground.Torrent, announced map[swarm.InfoHash]bool) {
	if a.dht == nil {
		return
	}
	running := make(map[swarm.InfoHash]bool)
	for _, t := range torrents {
		if t.Private || t.Port == 0 || !t.Running() {
			continue
		}
		running[t.Hash] = true
		known, there := announced[t.Hash]
		if there && known == t.MetadataKnown {
			continue
		}
		announced[t.Hash] = t.MetadataKnown
		h := t.Hash
		a.announcer.Remove(h)
		a.announcer.Add(peersource.Torrent{
			Hash: h, Port: t.Port, DHT: true, Announce: t.MetadataKnown,
			Left: func() int64 {
				t, _ := a.foreground.Torrent(h)
				return t.Length - t.Completed
			},
			Found: func(r peersource.Result) {
				for _, addr := range r.Peers {
					if a.guard.AllowAddr(addr.Addr()) {
						a.foreground.AddPeer(h, addr)
					}
				}
			},
		})
	}
	for h := range announced {
		if !running[h] {
			a.announcer.Remove(h)
			delete(announced, h)
		}
	}
}

// meetables is those of the owner's torrents in whose swarms other agents may
// find us: public ones, and none at all while the background is off.
func (a *Agent) meetables(torrents []foreground.Torrent) []discovery.Foreground {
	if !a.background.Running() {
		return nil
	}
	var list []discovery.Foreground
	for _, t := range torrents {
		if meetable(t) {
			list = append(list, discovery.Foreground{
				Hash: t.Hash, Name: t.Name, MetadataKnown: t.MetadataKnown, Private: t.Private, Trackers: t.Trackers,
			})
		}
	}
	return list
}

// meetable tells whether other agents may know that we are in the swarm of
// this download. Until a magnet's metadata is known it may turn out private.
func meetable(t foreground.Torrent) bool { return t.Running() && t.MetadataKnown && !t.Private }

// reservations is where downloads reserve their space. What is reclaimed for them is the background's loss.
type reservations struct {
	*disk.Ledger
	background *background.Engine
}

// Reserve implements foreground.Ledger.
func (r reservations) Reserve(h swarm.InfoHash, remaining func() int64) error {
	reclaimed, err := r.Ledger.Reserve(h, remaining)
	r.background.Reclaimed(reclaimed)
	return err
}

// addNode takes DHT nodes that peers name; nil without a DHT.
func (a *Agent) addNode() func(netip.AddrPort) {
	if a.dht == nil {
		return nil
	}
	return a.dht.AddNode
}
