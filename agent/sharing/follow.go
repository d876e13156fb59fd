package sharing

import (
	"context"
	"time"

	"ebb/agent/discovery/rendezvous"
	"ebb/agent/foreground"
)

// followInterval is how soon other agents may find us in the swarm of a new download.
const followInterval = 2 * time.Second

// Follow keeps the rendezvous in step with the owner's torrents, until ctx ends.
func (s Sharing) Follow(ctx context.Context) {
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		s.Rendezvous.SetForeground(s.meetables(s.Foreground.Torrents()))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// meetables is those of the owner's torrents in whose swarms other agents may
// find us: public ones, and none at all while the background is off.
func (s Sharing) meetables(torrents []foreground.Torrent) []rendezvous.Foreground {
	if !s.Background.Running() {
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
