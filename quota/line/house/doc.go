// Package house plays a household, its line to the internet and the background on it, packet by packet and in fake
// time, so that thousands of lines are tried in a minute. Only tests import it.
//
//	our connections ─ gate ─┐                        ┌─ the peers' own lines ─ peers
//	household's uploads ────┴─ buffer ─ the line ────┤
//	                                                 └─ server
//
// A Cell says what line it is and who is there; New builds the house, and Run lets time pass. Every packet takes its
// time on the line, as in a modem (unless the cell has a token bucket), and waits in the buffer while others are ahead
// of it. Senders are TCP as far as it matters here: a congestion window that cubic or BBR moves, loss, round trips as
// the kernel would tell of them, acknowledgements for every other segment, or late. What the governor's sensors would
// see goes to the real govern.Controller, and its limits go to the real govern.Pacer. What is measured is what the
// household would feel: the time for which a packet waits in the line's queues, and what its own flows get.
//
// On fast lines several segments travel as one, as kernels and network cards have them do: no more than pass in a
// millisecond.
package house
