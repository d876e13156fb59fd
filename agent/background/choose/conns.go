package choose

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// ConnView is one connection, as the choice of which to close sees it.
type ConnView[P any] struct {
	Peer   P
	Host   netip.Prefix  // whose it is; see swarm.Host
	Open   time.Duration // since it was made
	Unused time.Duration // since a block last went either way, or was asked for; negative: it never did
	Wants  bool          // one side has said that it is interested in what the other has
}

// Never stands for the time since something that has not happened.
const Never time.Duration = -1

const (
	// inUse is how long after its last block a connection counts as one that is being served or fetched from: blocks of
	// a slow one are that far apart.
	inUse = 30 * time.Second
	// trial is how long a new connection has to become one that is in use: its turn to be served comes after some
	// choices of whom to unchoke.
	trial = time.Minute
	// mostPerHost is how many connections of one host are enough where others want their place: more than the programs of
	// a household have in one swarm.
	mostPerHost = 4
)

// idle is how long nothing has come of the connection.
func (v ConnView[P]) idle() time.Duration {
	if v.Unused < 0 {
		return v.Open
	}
	return min(v.Unused, v.Open)
}

func (v ConnView[P]) working() bool { return v.Unused >= 0 && v.Unused < inUse }

// crowds counts the connections of each host.
func crowds[P any](conns []ConnView[P]) map[netip.Prefix]int {
	count := make(map[netip.Prefix]int)
	for _, v := range conns {
		count[v.Host]++
	}
	return count
}

// worst orders connections by their use, the least first: those that are not in use; of these those of a host that has
// too many, then those in which nobody wants anything, then the longest idle.
func worst[P any](conns []ConnView[P]) []ConnView[P] {
	count := crowds(conns)
	rank := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	sorted := slices.Clone(conns)
	slices.SortStableFunc(sorted, func(a, b ConnView[P]) int {
		return cmp.Or(
			cmp.Compare(rank(a.working()), rank(b.working())),
			cmp.Compare(max(count[b.Host], mostPerHost), max(count[a.Host], mostPerHost)),
			cmp.Compare(rank(a.Wants), rank(b.Wants)),
			cmp.Compare(b.idle(), a.idle()),
		)
	})
	return sorted
}

// Surplus picks the connections to close so that most of them stay: those of the least use.
func Surplus[P any](conns []ConnView[P], most int) []P {
	var chosen []P
	for _, v := range worst(conns)[:max(len(conns)-max(most, 0), 0)] {
		chosen = append(chosen, v.Peer)
	}
	return chosen
}

// Displaced picks the connection that has to make way when all places are taken and somebody comes from a host; ok is
// false if all are worth more than one of which nothing is known. What is in use stays, unless its host has too many
// and the newcomer's has not. What is new is given its trial, with the same exception. And nobody makes way for a host
// that has more connections than theirs.
//
// dialled says that nobody has come, but we would like to dial that host: then only those go of which a host has too
// many.
func Displaced[P any](conns []ConnView[P], host netip.Prefix, dialled bool) (peer P, ok bool) {
	count := crowds(conns)
	for _, v := range worst(conns) {
		crowd := count[v.Host] > mostPerHost && count[v.Host] > count[host]+1
		switch {
		case v.Host != host && count[v.Host] <= count[host]:
		case !crowd && (dialled || v.working() || v.Open < trial):
		default:
			return v.Peer, true
		}
	}
	return peer, false
}
