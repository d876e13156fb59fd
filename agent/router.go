package agent

import (
	"context"
	"iter"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// router leads incoming connections to the part of the agent that they are for: those of downloads to the door, background
// swarms to the engine, and those that name another foreground swarm to the rendezvous, for there is nothing but lists to
// be had from us under these, while the files of the download are looked at.
type router struct{ *Agent }

// InfoHashes lists all that a peer may name; encrypted handshakes try them all.
func (r router) InfoHashes() iter.Seq[swarm.InfoHash] {
	return func(yield func(swarm.InfoHash) bool) {
		for h := range r.door.InfoHashes() {
			if !yield(h) {
				return
			}
		}
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
	return r.door.Knows(h) || r.background.Running() && (r.background.Serves(h) || r.rendezvous.Knows(h))
}

// Incoming serves a connection until it ends.
func (r router) Incoming(ctx context.Context, c *peerwire.Conn) {
	switch h := c.InfoHash(); {
	case r.door.Knows(h):
		r.door.Incoming(ctx, c)
	case r.background.Serves(h):
		r.background.Incoming(ctx, c)
	default:
		r.rendezvous.HandleConn(ctx, c, h)
	}
}
