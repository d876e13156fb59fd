// Package line keeps the background from being felt on the line to the internet. Every byte of background traffic
// passes through a Bandwidth, whose limits a Governor moves four times a second:
//
//	routes, counters, position,       TCP_INFO of each      pings to the first
//	shaper, pressure (platform)       connection            hop beyond the line     sensors
//	            │                           │                       │
//	senses: meter, learned               watcher                 prober             filters
//	            │                           │                       │
//	      Surroundings                    Wire              the rest of Surroundings
//	            └───────────────────┬───────┴───────────────────────┘
//	                             Sample                                             a tick of the Governor
//	                                │
//	                           Controller                                           package govern, pure
//	                                │
//	                            Decision
//	                                │
//	peers ─────── conn ──────── gate, one up and one down ──────── Bandwidth        the limits
//
// Sensors are read by platform, which judges nothing: here counters become rates (meter), and rates teach what the line
// carries (learned). The connections themselves tell how long the line's queue is (watcher). What a hop beyond the line
// answers (prober) counts beside that, once it has proved to see the line's queue; it is asked only while the
// background is busy. What to do about it all is decided by package govern.
//
// The Governor reads the preferences in force whenever it needs them: what they lend of the line, and what they say of
// it (preferences.go). It also counts the month's transfer. What was learned and what was transferred outlive a
// restart, in the store that it is given.
//
// Connections to addresses that are local or a neighbour's are told from those across the line in bandwidth.go, and
// nowhere else: by the kernel's routes (platform), not by the class of the address.
//
// # Locks
//
// Governor.mu guards the decision, and is held while the preferences are read: so a limit is never decided by old ones
// after Apply has returned. The watcher's lock comes before the Bandwidth's. A gate's lock, a tally's and a deadline's
// are leaves.
package line
