// Package peersource finds peers: it asks trackers over HTTP and UDP, takes part in the DHT, and announces the agent's
// own peer port to both, on time and no oftener than they wish.
//
//   - Guard decides which hosts may be talked to at all. Tracker URLs come from strangers, so nothing here reaches a
//     private address, before or after name resolution, redirects included.
//   - Trackers makes one announce to one tracker URL.
//   - DHT is the agent's single DHT node, shared by everything that looks for peers.
//   - Announcer keeps thousands of torrents announced: one scheduler, a bounded number of workers, and for each
//     torrent and tracker its own time, back-off and events.
//
// It knows swarms only by info-hash, and reports addresses only: connecting to them, peer exchange (BEP 11, whose
// payloads are in peerwire) and the choice of what to announce are its callers' business.
package peersource
