package discovery

import (
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// A candidate that may be joined is proven on a connection in its swarm, which is just what the background engine needs
// next. So it stays open for a while: prover, leaveOpen, Joined, engine.
const (
	// openFor is how long. The engine looks for candidates every two seconds; one that it has not taken by then waits
	// for room, and may wait for days.
	openFor = 30 * time.Second
	// maxOpen bounds the connections that are open so: each costs a few KiB, here and at the peer.
	maxOpen = 16
)

// leaveOpen has the connection on which a candidate was proven wait for the engine. It reports whether there was room;
// if not, the caller closes it.
func (c *Candidates) leaveOpen(h swarm.InfoHash, conn Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.table[h]
	if !ok || k.conn != nil || c.open >= maxOpen {
		return false
	}
	k.conn = conn
	c.open++
	k.closing = time.AfterFunc(openFor, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if k.conn == conn {
			c.hangUp(k)
		}
	})
	return true
}

// handOver gives the candidate's connection away; nil if it has none. c.mu is held.
func (c *Candidates) handOver(k *candidate) Conn {
	conn := k.conn
	if conn != nil {
		k.conn = nil
		k.closing.Stop()
		c.open--
	}
	return conn
}

// hangUp closes the candidate's connection, if it has one. c.mu is held.
func (c *Candidates) hangUp(k *candidate) {
	if conn := c.handOver(k); conn != nil {
		conn.Close()
	}
}

// hangUpAll closes all of them.
func (c *Candidates) hangUpAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.table {
		c.hangUp(k)
	}
}

// Joined takes a swarm that has been joined out of the table. Should it be left again, it becomes a candidate when it
// is next listed. The connection is the one on which it was proven, if we still have it open, and nil otherwise; it is
// the caller's to close, and nothing has been said on it after the handshake. The peer may have closed its end
// meanwhile.
func (c *Candidates) Joined(h swarm.InfoHash) *peerwire.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.table[h]
	if !ok {
		return nil
	}
	conn, real := k.conn.(*peerwire.Conn)
	if real {
		c.handOver(k)
		select {
		case <-conn.Done():
			conn = nil // as when the port was closed
		default:
		}
	}
	c.forget(k)
	return conn
}
