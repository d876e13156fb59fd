// Package quota decides what the background may use: disk, in a Ledger, and bandwidth, in a Bandwidth.
//
// The Ledger stands between whoever fetches fragments and the fragment store. It admits a fragment only if there is
// room, makes room for a better one, promises space to foreground downloads, and takes fragments away, lowest value
// first, whenever the background occupies more than it may:
//
//	limit = min(allotment, free + what the fragments occupy − keep_free − promised)
//
// The Bandwidth passes every byte of background traffic through two token buckets, up and down.
//
// It leaves to others what a fragment is worth (the values come with the fragments), how fragments are kept (package
// fragstore), and how fast the background should be (somebody calls Bandwidth.SetLimits).
//
// # Locks
//
// Ledger.making is held by the one operation that makes room, also while it deletes files, and shared by those that take
// room that is there, until the store counts it: so who makes room sees all of the store. Ledger.mu guards the
// ledger's numbers and is never held during file I/O, so Usage and the promises do not wait for deletions. They are taken
// in this order, and before the store's own. The function that hears of reclaimed fragments is called without any lock.
package quota
