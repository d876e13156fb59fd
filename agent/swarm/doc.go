// Package swarm holds the words of ebb: the types that all of its parts mean the same by, each once.
//
//   - swarm: the peers that share one torrent, named by its [InfoHash]. Foreground swarm: the owner asked for it.
//     Background swarm: ebb joined it to help.
//   - piece, block: as in BEP 3. Fragment: a piece of a background swarm, held here. A fragment is always whole and
//     hash-verified; a part-received piece is not a fragment.
//   - seed, leecher: a peer that holds all of a torrent, and one that does not. [Health] counts them.
//   - choke and interest have the field's four names. Seen from us, toward a peer: amChoking, amInterested; of the
//     peer, toward us: peerChoking, peerInterested.
//   - allotment: what the owner lets the background use: storage, upload, download, hours, monthly transfer.
//   - candidate: a swarm that ebb knows of and has not joined, a [Candidate]. Introducer: the peer, feed or neighbour
//     that named it, an [Introducer]. [Why] is how a swarm came to be joined.
//   - proof: what turns hearsay into a candidate that may be joined. It depends on the kind of source: a peer's word is
//     proven by its handshake in the second swarm.
//   - need: how much a swarm would gain from one more fragment here. Value: need per byte of a fragment that is held.
//   - reclaim: to delete fragments, lowest value first, because space is wanted.
//   - promote: to make a background swarm a foreground one, reusing its fragments.
//   - veto: the owner's 'never this one'; it leaves, deletes, and stays away.
//   - neighbour: another ebb on the same LAN.
//   - live, dormant: a background swarm that has, or seeks, peers, and one that waits on disk for somebody to come.
//
// The package decides nothing and imports nothing else of ebb.
package swarm
