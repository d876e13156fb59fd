// Command hostile attacks the real ebb, as strangers on the internet can, and fails if that shows.
//
// One ebb helps a swarm, whose fragments it holds all, one that only the attackers have, one whose metadata nobody
// tells, and some that sleep. An honest peer downloads the first, again and again; how fast that goes without
// anybody else is measured first. Then 32 hosts of loopback do all at once what attack.go lists, and it must be true that:
//
//   - ebb stays within the memory that it may have on a device of 128 MB;
//   - the honest peer has at least half of the rate that it had alone, and every piece of it is sound;
//   - no fragment is lost;
//   - ebb stops within five seconds of SIGTERM, while the attack goes on.
//
// The attackers run on the machine that they attack, and so have to be slower than strangers could be, or what is measured
// is what they take of its processors: each rests for a second before it connects again, ebb has an upload of 16 Mbit/s,
// and the honest peer a line of 4 Mbit/s.
package main
