// Package agent puts ebb together: it builds every part from the preferences, runs them all, and closes them. It
// decides nothing; what may be surprising in a decision is found in the package that takes it.
//
// # The rooms
//
// A room imports what stands below it, and nothing above or beside it, but for the rooms that hang together: background
// uses choose, line uses govern, and each source uses discovery. `make layers` keeps it so.
//
//	                                             agent/ebb
//	                                             the command
//	                                                  │
//	                                                agent
//	                                             builds, runs, closes
//	                                             ┌────┴────────────────────┐
//	                                        agent/owner              agent/sharing
//	                                        what the owner           what other agents
//	                                        sees and does            may learn
//	                                             └────┬────────────────────┘
//	         ┌──────────────────────┬─────────────────┴────┬──────────────────────┐
//	    foreground             background             discovery                 webui
//	    your torrents,         swarms that            swarms that               the page and the API;
//	    on rain                we help                might be helped           owner answers them
//	                                │                      │
//	                             choose                 rendezvous, …
//	                             pure: what to do       one room for each source
//	         └──────────────────────┴─────────────────┬────┴──────────────────────┘
//	    ┌─────────────────┬─────────────────┬─────────┴───────┬─────────────────┬─────────────────┐
//	quota/disk        quota/line        quota/memory      peerwire          peersource        records
//	room for          bandwidth that    how much of it    a connection      trackers          what we
//	fragments and     nobody else       the background    to a peer         and the DHT       remember
//	downloads         needs             may have
//	                      │
//	                   govern
//	                   pure: how much
//	    └─────────────────┴─────────────────┴─────────┬───────┴─────────────────┴─────────────────┘
//	         ┌────────────────────────────────────────┼──────────────────────┐
//	     platform                                   prefs             quota/disk/fragstore
//	     what the device says                       ebb.toml          fragments on disk
//	         └────────────────────────────────────────┼──────────────────────┘
//	                                                swarm
//	                                                the words
//
// Outside stand the test worlds, build/ and webui/webuitest: they may use everything but the command.
//
// # A piece: socket, disk, socket
//
//	a peer's socket
//	   │  quota/line     what was read waits for its turn; a peer that sends too fast finds its window closed
//	   ▼
//	peerwire             the connection that peerwire.Port accepted or dialled: decrypted, messages checked
//	   │
//	   ▼
//	background           the swarm's goroutine, of background.Engine, which had asked for the block: choose had named
//	   │                 the piece, and disk.Ledger had admitted room for all of it
//	   ▼
//	quota/disk/fragstore a temporary file, hashed as its blocks come; then synced, renamed and indexed: now it is a
//	   │                 fragment of fragstore.Store, and the ledger may reclaim it when its room is wanted
//	   ▼
//	background           another peer asks for a block, and choose has unchoked that peer
//	   │
//	   ▼
//	peerwire             the block's turn comes on that connection: the fragment is opened (hashed again first, after an
//	   │                 unclean stop), and sent from the file where nothing encrypts it
//	   │  quota/line     each byte waits for its turn
//	   ▼
//	a peer's socket
//
// A piece of the owner's own torrents takes another way: rain, within foreground. To the governor it is traffic to give
// way to, and to disk.Ledger a promise of room.
//
// # A preference: file, governor
//
//	ebb.toml, or the page, or `ebb prefs`
//	   │
//	   ▼
//	agent/prefs          parsed and checked as a whole; if anything is wrong, what held before goes on to hold
//	   │
//	   ▼
//	agent/owner          put into force in prefs.Live, where every part reads what it needs when it needs it; told are only
//	   │                 those that must act at once (Ledger.LimitsChanged, Governor.Apply)
//	   ▼
//	quota/line           line.Governor reads the allotment. Four times a second it looks at what surrounds the background
//	   │                 (platform's counters, the queue that connections show, the hours, the month)
//	   ▼
//	quota/line/govern    Controller.Decide: a sample goes in, two rates come out, and why
//	   │
//	   ▼
//	quota/line           the bandwidth that every connection of the background waits for
//
// # A candidate: list, joined swarm
//
//	a peer's list        an ebb_list message, on a connection of peerwire; other sources hear in other ways
//	   │
//	   ▼
//	discovery            checked to be possible and harmless, and kept in discovery.Candidates, within the share of
//	   │                 who named it
//	   ▼
//	discovery            proven, as its source asks for: a peer who named the swarm has to shake hands with us in it
//	   │
//	   ▼
//	discovery            the owner's consent: refused, waits for a yes, or ready
//	   │
//	   ▼
//	background/choose    of those that are ready, the one in greatest need
//	   │
//	   ▼
//	background           background.Engine joins it and writes down why; its peers come from peersource
package agent
