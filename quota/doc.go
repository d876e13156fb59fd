// Package quota is about what the background may use, so that its owner never notices it. It has three rooms, which know
// nothing of each other, and one idea: each looks at what there is, gives the owner's own use the first place, and moves a
// limit that the background works within.
//
// quota/disk: a Ledger through which every fragment comes and goes.
//
// quota/line: a Bandwidth through which every byte passes, and a Governor that moves its limits.
//
// quota/memory: a Governor of the number of connections, and the sizes of what is sized by the memory there is.
//
// What the device says of itself they have from package platform, or are told. The package itself holds what they share: a
// count over a day or a month, and how bytes are written for people.
package quota
