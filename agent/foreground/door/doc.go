// Package door is where the owner's swarms meet strangers. Every connection of a download comes in by the agent's one
// peer port or is dialled from here, is shaken hands with by peerwire, and is then served by whoever is to serve it: while
// the metadata is not known by a [Seek], afterwards by the engine, rain.
//
// The package leaves to others: where peers come from (agent/peersource finds them, and has the [peersource.Book] of their
// addresses), what may be dialled at all (the guard that the port asks), and what a download wants (agent/foreground).
package door
