package choose

import (
	"cmp"
	"slices"
	"time"
)

// Serving goes by turns. Whoever has had the least is served next, so that equal peers get equal shares whoever came
// first; a turn counts by its time and by how much was taken in it (Charge), and less for those who make more of it
// (Weight).

// UploadView is one interested peer, as the choice of whom to unchoke sees it.
type UploadView[P any] struct {
	Peer   P
	Had    time.Duration // the sum of its Charges
	Waited time.Duration // since it was last served, or came; 0 while it is served
}

// Unchoked picks the peers to serve until the next choice: those that have had the least, and of equal ones those that
// have waited longest.
func Unchoked[P any](peers []UploadView[P], slots int) []P {
	order := slices.Clone(peers)
	slices.SortStableFunc(order, func(a, b UploadView[P]) int {
		return cmp.Or(cmp.Compare(a.Had, b.Had), cmp.Compare(b.Waited, a.Waited))
	})
	var chosen []P
	for _, v := range order[:min(max(slots, 0), len(order))] {
		chosen = append(chosen, v.Peer)
	}
	return chosen
}

// Charge is what a turn counts: its length, up to twice that for a peer that took more per second than the mean of those
// served with it, divided by the peer's Weight. Who takes next to nothing pays for the time, or it would hold its slot for
// ever; and the quick ones pay no more than double, or the line would not be used.
func Charge(turn time.Duration, took, mean, weight float64) time.Duration {
	quick := 1.0
	if mean > 0 {
		quick = min(max(took/mean, 1), 2)
	}
	return time.Duration(float64(turn) * quick / weight)
}

// Weight is how many times the share of others a peer gets, 1 to 3. rarity is 1 if it needs the rarest of our pieces,
// and 0 if it needs none of them. passing is how many of the pieces that it alone got from us have shown up at others
// since, 0 to 1.
func Weight(rarity, passing float64) float64 {
	return 1 + min(max(rarity, 0), 1) + min(max(passing, 0), 1)
}

const (
	// everyonesTurn is the time in which each of a swarm's interested peers should have had a turn.
	everyonesTurn = time.Minute
	// The longest turn is that of BEP 3. The shortest leaves a connection time to get up to speed.
	longestTurn  = 10 * time.Second
	shortestTurn = 3 * time.Second
)

// Turn is how long the chosen peers are served before the next choice among so many interested ones.
func Turn(interested, slots int) time.Duration {
	if interested <= slots {
		return longestTurn
	}
	return min(max(everyonesTurn*time.Duration(slots)/time.Duration(interested), shortestTurn), longestTurn)
}

// BytesPerSlot is the rate below which one more upload slot only makes all of them slow: 32 KiB/s delivers a 16 KiB
// block every half second.
const BytesPerSlot = 32 << 10

const (
	usualSlots = 16  // at most, of one swarm whose peers take what they can be given
	mostSlots  = 40  // where they do not
	wellUsed   = 0.8 // of the limit
)

// Slots is the number of peers that one swarm serves at a time, for an upload limit in bytes per second (negative:
// unlimited); more is what MoreSlots said last.
func Slots(limit int64, more int) int {
	switch {
	case limit == 0:
		return 0
	case limit < 0:
		return usualSlots
	}
	return min(int(min(max(limit/BytesPerSlot, 1), usualSlots))+more, mostSlots)
}

// MoreSlots is how many slots there are beyond the usual number, because those who are served leave much of the limit to
// spare. used is how much was used lately, in bytes per second.
func MoreSlots(limit int64, used float64, more int) int {
	if limit > 0 && used < wellUsed*float64(limit) {
		return min(2*more+4, mostSlots)
	}
	return more * 3 / 4
}
