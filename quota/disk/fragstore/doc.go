// Package fragstore keeps fragments (whole, hash-verified pieces of background swarms) on disk, together with
// an index of them and the small records that belong to their swarms.
//
// It knows what it holds, how much disk that takes, and how to get rid of any of it at once. It leaves to others how
// much it may hold (package quota/disk), which fragments are worth holding (their values are only kept here), and
// what a swarm record says (it is opaque bytes).
//
// # On disk
//
//	<dir>/<first two hex digits>/<info-hash>/<piece index>   one file per fragment
//	<dir>/incoming/<info-hash>-<piece index>                 a fragment that is being received
//	<index>                                                  a bbolt database
//	<index>.clean                                            there only between a clean stop and the next start
//
// A fragment is received into a file below incoming, hashed, synced and renamed to its place; only then does it enter
// the index. The index is written behind, in batches, within a second of the change unless the disk is to be left alone
// or is full. So at any moment, also after a crash, a file without an index entry is a stray and an index entry without
// its file is stale; opening the store, or mending it, deletes the strays and drops the stale entries. Directories go
// with the last fragment in them. Files with other names are not ours: they are reported and left alone.
//
// All access to <dir> goes through an os.Root and through names made of hexadecimal and decimal digits, so nothing
// outside <dir> can be read, written or deleted, whatever links somebody puts into the tree.
//
// # Invariants
//
//   - What Used returns is never less than what the fragments and the incoming files occupy.
//   - A Reader is only handed out for a fragment whose hash was verified after the last unclean stop. The index keeps
//     for each fragment the epoch (the number of unclean stops so far) in which its hash was last seen to be right.
//   - Serving a block writes nothing. What is remembered about serving goes to the index with a clean stop, and once an
//     hour for a bounded number of fragments.
//   - A disk that is to be left alone (Options.Unavailable: it sleeps, say) is only used for what somebody waits for, or
//     when thousands of changes wait.
//
// # Idle I/O
//
// Hashing and syncing a fragment, verifying one and reading ahead run on a few threads of idle I/O priority, where the
// system has that. What is sent of a fragment that nobody else has asked for lately leaves the page cache.
//
// # Locks
//
// Store.mu guards everything in memory and is never held during file I/O. Writer.mu guards one incoming fragment and is
// held during I/O on its file. Store.moves is read-held from before a file comes, moves or goes until memory says so,
// and by whoever puts an entry into the index; Check and Mend hold it for writing, so that what they compare holds
// still. It is never taken twice by one goroutine. index.flushing is held by the one flush that runs, index.mu guards
// what waits for the next. They are taken in the order Writer.mu, Store.moves, Store.mu, index.flushing, index.mu.
//
// # Broken disks
//
// The file system is reached through the types of filesystem.go only, so that tests can make any operation fail.
// Whatever fails, nothing wrong is served, Used does not fall below what is on disk, and the next start finds a store
// that is sound. The index's file is looked through before bbolt, which trusts it, gets to work.
package fragstore
