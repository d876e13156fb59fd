package agent

import (
	"context"
	"net/netip"
	"time"

	"ebb/agent/background"
	"ebb/agent/discovery/rendezvous"
	"ebb/agent/foreground"
	"ebb/agent/swarm"
	"ebb/quota"
	"ebb/quota/disk"
)

// followInterval is how soon other agents may find us in the swarm of a new download.
const followInterval = 2 * time.Second

// followForeground keeps the rendezvous in step with the owner's torrents, until ctx ends.
func (a *Agent) followForeground(ctx context.Context) {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		a.rendezvous.SetForeground(a.meetables(a.foreground.Torrents()))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// meetables is those of the owner's torrents in whose swarms other agents may
// find us: public ones, and none at all while the background is off.
func (a *Agent) meetables(torrents []foreground.Torrent) []rendezvous.Foreground {
	if !a.background.Running() {
		return nil
	}
	var list []rendezvous.Foreground
	for _, t := range torrents {
		if meetable(t) {
			list = append(list, rendezvous.Foreground{
				Hash: t.Hash, Name: t.Name, MetadataKnown: t.MetadataKnown, Private: t.Private, Trackers: t.Trackers,
			})
		}
	}
	return list
}

// meetable reports whether other agents may know that we are in the swarm of
// this download. Until a magnet's metadata is known it may turn out private.
func meetable(t foreground.Torrent) bool { return t.Running() && t.MetadataKnown && !t.Private }

// addNode takes DHT nodes that peers name; nil without a DHT.
func (a *Agent) addNode() func(netip.AddrPort) {
	if a.dht == nil {
		return nil
	}
	return a.dht.AddNode
}

// allotted reports whether the owner lets the background work now, and if not, why.
func (a *Agent) allotted() (on bool, why string) {
	on, _, why = quota.Allotted(a.preferences.Get(), a.ledger.Usage().Allotment, time.Now())
	return on, why
}

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
