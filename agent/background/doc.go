// Package background runs the background swarms: the torrents that ebb joined
// because they need help, not because the owner asked for them.
//
// An [Engine] knows every background swarm. Most of them are dormant and cost one small struct; their metadata and
// fragments are on disk. A swarm that has peers, or that wants some, is live: one goroutine owns all of its state (see
// live.go, whose loop shows everything that can happen to it). The fetch path is told in fetch.go and the serve path in
// serve.go, in the order in which a block meets them.
//
// Between the two sides of ebb swarms come and go by hand: Release takes one out of service while it becomes a download
// (release.go), and a Donor lends a swarm what a download had of it (donor.go).
//
// What to join, fetch, unchoke and leave is decided by the pure functions of
// package choose; the engine only carries their decisions out.
//
// While the disk sleeps, and is not to be woken, nothing is served, fetched or
// dialled; while the write budget is spent, nothing is fetched (waiting.go).
//
// How many connections may be open is set from outside, and lowered while memory is short (places.go).
//
// Two vows hold throughout. No piece is requested before the ledger has admitted room for it, and no byte is served
// that was not hash-verified since the last unclean stop (the fragment store sees to the second).
//
// The package leaves to others: finding candidates (discovery), finding peers
// (peersource), the wire (peerwire), disk and bandwidth (quota).
package background
