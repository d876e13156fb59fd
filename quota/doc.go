// Package quota decides what the background may use: disk, in a Ledger, and bandwidth, in package line.
//
// The Ledger stands between whoever fetches fragments and the fragment store. It admits a fragment only if there is
// room, makes room for a better one, promises space to foreground downloads, and takes fragments away, lowest value
// first, whenever the background occupies more than it may:
//
//	limit = min(allotment, free + what the fragments occupy − keep_free − promised)
//
// Promises count there as long as the downloads are on the fragments' file system. On another one they are kept from what is
// free there, and cost no fragment. What is promised is asked of the downloads themselves, before free space is measured.
//
// The Ledger also counts what the background writes in a day, and admits nothing that today's budget is not enough for.
//
// The MemoryGovernor says how many connections the background may have open, from what is left of the memory. It is pure too.
//
// It leaves to others what a fragment is worth (the values come with the fragments), how fragments are kept (package
// fragstore), and when the disk may be woken (Config.Hold).
//
// # Locks
//
// Ledger.making is held by the one operation that makes room, also while it deletes files, and shared by those that take
// room that is there, until the store counts it: so who makes room sees all of the store. Ledger.mu guards the
// ledger's numbers and is never held during file I/O, so Usage and Release do not wait for deletions. question.mu guards an
// answer. They are taken in this order, and before the store's own. The functions that hear of reclaimed fragments and
// say how much of a download remains are called without any lock. A downloads' disk that does not answer holds up others
// for a second, once.
package quota
