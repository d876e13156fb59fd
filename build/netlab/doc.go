// Package netlab builds a household and its line to the internet out of network namespaces, and measures what a program
// that seeds does to the people who live there. Nothing in it touches any other network.
//
//	                        wan0                           ┌─ server        203.0.113.2
//	lan   192.168.1.2 ─┐  ┌──────┐     TUN  the    TUN     ├─ peer1         203.0.113.11
//	                   ├ router  isp ════ delay ════ net ──┼─ peer2         203.0.113.12
//	nas   192.168.1.3 ─┘  └──────┘                         ├─ …
//	                        wan1                           └─ peerN
//	       192.168.1.1, 198.51.100.9
//
// Each name is a namespace. The line has a deep buffer at either end of wan0 (and of wan1, which takes over when a test
// says so), and each packet takes its time on it, as in a modem; a token bucket is a variant. Everything beyond the ISP
// is a fixed time away: a process of ours carries packets
// between two TUN devices and holds each for as long ([Path]). There is no NAT: routes lead to the household.
// Connections that cross the line use cubic on both sides, as their routes say, except where a program chooses for
// itself.
//
// A [Subject] seeds, on the router or on the NAS behind it. The leechers are stock clients (libtorrent), one at each
// peer, that download without end and reach nobody but the subject. The household's flows ([Flow]) run between lan and
// server, by iperf3. A [House] has the instruments: round trips from lan to server, and the byte counters of all
// interfaces. As the subject's data ends at the peers and the household's at the server, the counters there say who had
// how much of the line. Its methods are the scenarios; what they find are [Figures].
//
// The tests that make worlds need the build tag netlab, root, TUN devices, and the packages that install.sh installs.
// The tests of the arithmetic need none of it. Any other program that makes worlds calls [Helper] first.
package netlab
