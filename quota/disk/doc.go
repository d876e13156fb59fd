// Package disk decides how much of the disk the background may use, and sees to it that it does.
//
// The Ledger stands between whoever fetches fragments and the fragment store. It admits a fragment only if there is
// room, makes room for a better one, promises space to foreground downloads, and reclaims fragments, lowest value
// first, whenever the background occupies more than it may:
//
//	limit = min(allotment, free + what the fragments occupy − keep_free − promised)
//
// Promises count there as long as the downloads are on the fragments' file system. On another one they are kept from
// what is free there, and cost no fragment. What is promised is asked of the downloads themselves, before free space is
// measured.
//
// The Ledger also counts what the background writes in a day, and admits nothing that today's budget is not enough for.
//
// The Watch knows whether the disk is there and awake: while it is not, fragments are neither read nor written.
//
//	ledger.go       the Ledger, the owner's limits, the loop that keeps to them
//	balance.go      the sum above
//	admission.go    room for one more fragment
//	promise.go      space for downloads; ask.go: how the downloads are asked, who may be slow to answer
//	reclaim.go      what is done when too much is used: which fragments go (reclaim_victims.go), those that cannot be
//	                deleted (reclaim_stubborn.go), and how what was freed stays free (reclaim_regrowth.go)
//	filesystem.go   what is free, and what is still coming back after a deletion
//	writebudget.go  what may be written in a day
//	watch.go        the Watch
//
// It leaves to others what a fragment is worth (the values come with the fragments), how fragments are kept (package
// fragstore), and what the file systems and the drive say of themselves (package platform).
//
// # Locks
//
// Ledger.making is held by the one operation that makes room, also while it deletes files, and shared by those that
// take room that is there, until the store counts it: so whoever makes room sees all of the store. Ledger.mu guards the
// ledger's numbers and is never held during file I/O, so Usage and Withdraw do not wait for deletions. question.mu
// guards an answer. They are taken in this order, and before the store's own. The functions that hear of reclaimed
// fragments and say how much of a download remains are called without any lock; the owner's limits are asked under
// Ledger.mu. A downloads' disk that does not answer holds up others for a second, once. Watch.mu is a lock of its own,
// under which nothing is called.
package disk
