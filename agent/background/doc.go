// Package background runs the background swarms: the torrents that ebb joined
// because they need help, not because the owner asked for them.
//
// An [Engine] knows every background swarm. Most of them are dormant and cost
// one small struct; their metadata and fragments are on disk. A swarm that has
// peers, or that wants some, is live: one goroutine owns all of its state (see
// live.go, whose loop shows everything that can happen to it). The fetch path
// is told in fetch.go and the serve path in serve.go, in the order in which a
// block meets them.
//
// What to join, fetch, unchoke and leave is decided by the pure functions of
// choose.go; the engine only carries their decisions out.
//
// Two vows hold throughout. No piece is requested before the ledger has
// admitted room for it, and no byte is served that was not hash-verified since
// the last unclean stop (the fragment store sees to the second).
//
// The package leaves to others: finding candidates (discovery), finding peers
// (peersource), the wire (peerwire), disk and bandwidth (quota).
package background
