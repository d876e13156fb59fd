// Package peersource finds peers: it asks trackers over HTTP and UDP, takes part in the DHT, and announces the agent's
// own peer port to both, on time and no oftener than they wish.
//
//   - Guard decides which hosts may be talked to at all. Tracker URLs come from strangers, so nothing here reaches an
//     address inside the household, before or after name resolution, redirects included. Its Control is the control
//     function of all that dials, peers' connections too; Household knows what of the public addresses is inside.
//   - Trackers makes one announce to one tracker URL.
//   - DHT is the agent's single DHT node, shared by everything that looks for peers. The library asks; what others ask
//     is answered here.
//   - Announcer keeps thousands of torrents announced, the owner's and the background's: one scheduler, for each torrent
//     and tracker its own time, back-off and events, tiers as in BEP 12, and a bounded number of workers, for which
//     hosts wait in turns and the owner's torrents come first.
//
// It knows swarms only by info-hash, and reports addresses only: connecting to them, peer exchange (BEP 11, whose
// payloads are in peerwire) and the choice of what to announce are its callers' business.
package peersource
