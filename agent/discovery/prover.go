package discovery

import (
	"context"
	"errors"
	"net"
	"time"

	"ebb/agent/swarm"
)

// startVerifying puts claims to the test, a few at a time.
func (r *Rendezvous) startVerifying(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.cfg.Candidates.due(time.Now(), maxVerifying-r.verifying) {
		r.verifying++
		r.running.Go(func() {
			r.verify(ctx, t)
			r.mu.Lock()
			r.verifying--
			r.mu.Unlock()
			r.poke()
		})
	}
}

// verify dials an introducer under the info-hash of a swarm that it claims to
// be in. Nothing is asked of it but the handshake, and that the peer who
// answers is the one who made the claim.
func (r *Rendezvous) verify(ctx context.Context, t try) {
	if r.cfg.Candidates.dismiss(t.hash) {
		return
	}
	c, err := r.dial(ctx, t.by.Addr, t.hash)
	if ctx.Err() != nil {
		if err == nil {
			c.Close()
		}
		return // our end says nothing about the claim
	}
	if err != nil {
		r.cfg.Log.Debug("not verified", "address", t.by.Addr, "swarm", t.name, "err", err)
		r.cfg.Candidates.failed(t, "not verified: "+t.by.String()+" did not answer as a peer of this swarm", unreachable(err), time.Now())
		return
	}
	defer c.Close()
	if c.PeerID() != t.by.PeerID {
		r.cfg.Candidates.failed(t, "not verified: another peer answered at "+t.by.Addr.String(), false, time.Now())
		return
	}
	if _, ok := r.cfg.Candidates.Verified(t.hash, t.by, time.Now()); ok {
		swarm.Tell(r.cfg.Log, ToldVerified, t.hash, "verified: "+t.by.String()+" shook hands with us in "+t.name)
	}
}

// unreachable tells whether a dial failed before anybody answered, so that it
// would have failed under any info-hash.
func unreachable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
