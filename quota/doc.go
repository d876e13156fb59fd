// Package quota is about what the background may use, so that its owner never notices it. It has three rooms, which know
// nothing of each other, and one idea: each looks at what there is, gives the owner's own use the first place, and moves a
// limit that the background works within.
//
// quota/disk: a Ledger through which every fragment comes and goes.
//
// The Bandwidth passes every byte of background traffic through two token buckets, up and down. Four times a second the
// Governor asks its Senses what surrounds them and its Watcher what the kernel knows of their connections, and moves the
// limits. Its decisions (files governor_*.go) are pure: a sample goes in, a decision comes out. What the
// Senses probe beyond the line counts beside what the connections tell, once it has proved to see the line's queue.
//
// quota/memory: a Governor of the number of connections, and the sizes of what is sized by the memory there is.
//
// What the device says of itself they have from package platform, or are told.
package quota
