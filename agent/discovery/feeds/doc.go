// Package feeds is the source that reads documents: lists of swarms that their makers want to be helped, to which the
// owner has subscribed.
//
//		the document ─▶ read ─▶ items ─▶ needy ─▶ Candidates.Offer ─▶ Proof
//
//	  - Each feed is asked for at most hourly, conditionally, and read as it comes: an item at a time, within bounds.
//	  - [Read] knows the document by its first bytes: RSS and Atom in all dialects that were met (BEP 36, ezRSS flat and
//	    nested, Torznab, nyaa), CSV as that of Academic Torrents, JSON, and lines of magnet links or info-hashes. One bad
//	    item spoils nothing.
//	  - Of a long list only the neediest are offered (needy.go), for a document may name more swarms than a router can look
//	    at. Numbers of seeds and sizes are believed for that order and nothing else: what is stored depends on the metadata.
//	  - What carries a pass key is left out.
//	  - [Proof]: a swarm that a feed names counts as proven when a peer that was found for it shakes hands with us in it.
package feeds
