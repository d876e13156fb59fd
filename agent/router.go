package agent

import (
	"context"
	"iter"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// router leads incoming connections to the part of the agent that they are for: background swarms to the engine, and
// those that name a foreground swarm to the rendezvous, for there is nothing but lists to be had from us under these
// (their pieces are on rain's own ports).
type router struct{ *Agent }

// InfoHashes lists all that a peer may name; encrypted handshakes try them all.
func (r router) InfoHashes() iter.Seq[swarm.InfoHash] {
	return func(yield func(swarm.InfoHash) bool) {
		if !r.background.Running() {
			return
		}
		for _, h := range r.background.Hashes() {
			if !yield(h) {
				return
			}
		}
		for h := range r.rendezvous.InfoHashes() {
			if !yield(h) {
				return
			}
		}
	}
}

// Knows reports whether a connection under this info-hash is of any use.
func (r router) Knows(h swarm.InfoHash) bool {
	return r.background.Running() && (r.background.Serves(h) || r.rendezvous.Knows(h))
}

// Incoming serves a connection until it ends.
func (r router) Incoming(ctx context.Context, c *peerwire.Conn) {
	if h := c.InfoHash(); r.background.Serves(h) {
		r.background.Incoming(ctx, c)
	} else {
		r.rendezvous.HandleConn(ctx, c, h)
	}
}
