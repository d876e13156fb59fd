// Package lab builds a whole swarm world on loopback: a tracker, made-up content, and stock peers that seed and
// download it. Tests and the demo put ebb into it. Nothing in it touches any other network.
//
//	                127.B.0.1  tracker, HTTP and UDP
//	                    |
//	    +---------------+----------------+----------------+
//	127.B.0.2       127.B.0.3        127.B.0.4        127.B.0.5
//	stock seed      stock leecher    an agent         …
//
// Every world has a /16 of its own (B is free when the world is made), so worlds in several processes do not meet. Each
// peer has an address of its own to listen on.
//
// The stock peers are rain sessions, which know nothing of ebb. rain dials and announces from 127.0.0.1, wherever it
// listens. So the tracker knows each port as belonging to one address (see [World.Ports]), and corrects announces that
// come from 127.0.0.1. Announces from other addresses count as they are.
//
// rain also takes only one connection per address and torrent. As all stock peers dial from 127.0.0.1, a stock peer
// serves one other stock peer at a time; several leechers form a chain, or need several seeds.
package lab
