// Package peerwire is one BitTorrent peer connection, from the TCP socket up to checked messages: encryption (MSE),
// handshake, the messages of BEP 3, 6 and 10 with their limits, and the payloads that peers exchange in them (metadata,
// peer lists, info dictionaries, magnet links).
//
// A [Port] is the one listening socket: it accepts and dials, and hands out handshaken connections. A [Conn] is such a
// connection: its owner reads messages in one goroutine and queues messages from any; a writer inside the Conn sends
// them in a sensible order and streams blocks from disk.
//
// Everything that a peer, a .torrent file or a magnet link says is hostile until it is checked here: sizes are bounded
// before memory is set aside for them, and memory follows the bytes that have arrived, not the bytes that were
// announced. A peer's misbehaviour is an error value; what to do about it is the caller's business.
//
// Left to others: which peers to connect to and how many, what to request and whom to serve (agent/background), where
// peers come from (agent/peersource), how fast bytes may flow (quota, through [Config].Wrap), and what the ebb_list
// messages say (agent/discovery).
package peerwire
