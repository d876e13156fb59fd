// Package foreground runs the downloads that the owner asked for. rain does the BitTorrent; this package decides what
// rain may start, and when.
//
//   - A torrent, magnet link or URL is checked before rain sees it. Metadata that
//     a magnet link leads to is checked before anything is stored.
//   - Space is reserved with the ledger before a download starts. The ledger asks
//     the download itself what is still to come ([promise]). Without space a
//     download waits, and tries again by itself.
//   - Removing data deletes the torrent's own files and the directories that this
//     leaves empty, never more.
//   - What the owner wanted survives a restart, and so does what is on disk.
//   - A background swarm can become a download ([Session.Adopt]): its fragments
//     are put where rain looks for pieces. And a download can become fragments
//     ([Session.Lend]). Neither fetches a byte again, nor takes its space twice.
//
// What the files are called, where they are, and which of them are open is the room files, through which rain reads and
// writes ([storage]).
//
// One goroutine keeps each download (download.keep): it looks at rain, decides on the next step with a pure function
// ([next]), takes it, and publishes a picture for everybody else. So a download whose files are on a disk that does not
// answer holds up nobody but itself.
//
// The package leaves to others: background swarms, whom rain meets (it takes what the door carries to it, and knows
// neither trackers nor the DHT: see [Session.Announce]), and how much the background may use.
//
// # After an unclean stop
//
// rain writes a piece with O_SYNC and marks it as held only afterwards, and saves those marks from time to time, so the
// saved marks are never ahead of the files. They can be far behind: so after an unclean stop an incomplete download is
// hashed once before it goes on, and no byte is fetched again. The marks of a complete one are saved as it completes.
// rain itself asks for no more: it hashes when files are there and marks are not, or some of the files are gone. That
// is also how it finds what Adopt has placed. A download of which Lend has given something back loses its marks before
// it starts again.
//
// # What rain (v2.3.1) imposes
//
//   - Its log is one variable for the whole process; it is switched off here,
//     and what matters comes out of its status.
//   - It saves its marks whether anything has changed or not: see resumeInterval.
//   - It decodes nested bencode from peers and trackers by recursion, without
//     bound: see nestingLimit.
//   - It listens on IPv4 only, and takes one connection per address and torrent.
//   - It believes peers that tell of other peers (BEP 11) in private torrents, too.
//   - It ignores Start while it still says goodbye to the trackers.
//   - A goroutine of its metrics library lives as long as the process. One for
//     each stopped torrent lives up to stopTimeout longer than the session, and
//     one for each connection to a web seed until the server closes it.
package foreground
