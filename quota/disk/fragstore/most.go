package fragstore

import "strconv"

// bbolt maps the whole of the index, and grows its map by doubling it. Where addresses have 32 bits it maps 2 GiB at
// most, on MIPS 1 GiB, of which a process rarely has that much in one piece. So the index stays below half a GiB there:
// a fragment takes 76 bytes of it and its share of half-empty pages, metadata its length, and both up to twice that
// while old pages are waited for. Where addresses have 64 bits, the bounds are those of memory: a fragment that is held
// takes about 100 bytes.
const (
	// MostFragments is how many may be held.
	MostFragments = narrow*(1<<20) + (1-narrow)*(1<<26)
	// MostMetadata is how many bytes of metadata all swarms together may have.
	MostMetadata = narrow*(96<<20) + (1-narrow)*(4<<30)

	narrow = (64 - strconv.IntSize) / 32 // 1 where addresses have 32 bits, else 0
)
