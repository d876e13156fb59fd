package background

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// Need tells how much a swarm would gain from one more fragment here, per byte
// of that fragment: 0 (nothing) to 1 (it may be the last copy, and peers wait
// for it). Scarcity falls with every further copy; demand rises with the share
// of the swarm that is still downloading. An unknown swarm counts as one with
// a single seed and a single leecher.
func Need(h swarm.Health, goal prefs.Goal) float64 {
	seeds, leechers, copies := h.Seeds, h.Leechers, h.Copies
	if seeds < 0 {
		seeds = 1
	}
	if leechers < 0 {
		leechers = 1
	}
	copies = max(copies, seeds)
	scarcity := 1 / float64(1+copies)
	demand := float64(leechers) / float64(1+seeds+leechers)
	switch goal {
	case prefs.GoalPreserve:
		return scarcity * (0.8 + 0.2*demand)
	case prefs.GoalAccelerate:
		return demand * (0.2 + 0.8*scarcity)
	default:
		return (scarcity + demand) / 2
	}
}

// Value is the value of one fragment: the swarm's need, weighted by how rare
// the piece is among the peers that we see. copies excludes our own.
func Value(need float64, copies int) float64 {
	return need / float64(1+max(copies, 0))
}

// Below minFetchValue a fragment is not worth the owner's disk; below
// minKeepNeed a swarm in which we hold nothing is not worth the connection.
// Five hundred seeds give a need of about 0.002 without demand.
const (
	minFetchValue = 0.002
	minKeepNeed   = 0.002
)

// JoinView is what the choice of swarms to join looks at.
type JoinView struct {
	Candidates []swarm.Candidate
	Goal       prefs.Goal
	Room       int64 // bytes that the background may still store
	Fetching   int   // swarms that still have fragments to fetch
	Swarms     int   // swarms joined
}

// Limits of joining. Every fetching swarm holds connections and temporary
// files; every swarm at all, a struct and its announces.
const (
	maxFetching = 8
	maxSwarms   = 10_000
)

// ChooseJoin ranks the candidates to join now, most needy first. It chooses
// none while there is no room, or while enough swarms are still being fetched.
func ChooseJoin(v JoinView) []swarm.Candidate {
	n := min(maxFetching-v.Fetching, maxSwarms-v.Swarms)
	if n <= 0 || v.Room <= 0 {
		return nil
	}
	var chosen []swarm.Candidate
	for _, c := range v.Candidates {
		if Need(c.Health, v.Goal) >= minFetchValue {
			chosen = append(chosen, c)
		}
	}
	slices.SortStableFunc(chosen, func(a, b swarm.Candidate) int {
		return cmp.Compare(Need(b.Health, v.Goal), Need(a.Health, v.Goal))
	})
	return chosen[:min(n, len(chosen))]
}

// LeaveView is what the choice of swarms to leave looks at.
type LeaveView struct {
	Hash      swarm.InfoHash
	Fragments int
	Health    swarm.Health
	Joined    time.Time
	LastPeer  time.Time // when a peer of it was last seen; zero for never
	ByOwner   bool      // the owner asked to help this one
}

// A swarm is given this long to show a peer, and a week of silence before it
// is left, so that a swarm that lives only at weekends is kept.
const silence = 7 * 24 * time.Hour

// ChooseLeave lists the swarms that are no longer worth staying in: those in
// which we hold nothing and which have either no need or no peers. A swarm in
// which we hold fragments is left by reclaim, not by choice, and one that the
// owner asked for is left only by the owner.
func ChooseLeave(swarms []LeaveView, goal prefs.Goal, now time.Time) []swarm.InfoHash {
	var leave []swarm.InfoHash
	for _, s := range swarms {
		if s.ByOwner || s.Fragments > 0 {
			continue
		}
		seen := s.Joined
		if s.LastPeer.After(seen) {
			seen = s.LastPeer
		}
		stale := now.Sub(seen) > silence
		idle := Need(s.Health, goal) < minKeepNeed && now.Sub(s.Joined) > time.Hour
		if stale || idle {
			leave = append(leave, s.Hash)
		}
	}
	return leave
}

// WakeView is what the choice of dormant swarms to wake looks at.
type WakeView struct {
	Hash   swarm.InfoHash
	Health swarm.Health
	Woken  time.Time // when it was last woken; zero for never
}

// wakeInterval is how often a dormant swarm looks for peers by itself. In
// between it waits for them to come, or for its trackers' next answer.
const wakeInterval = 10 * time.Minute

// ChooseWake picks dormant swarms that want fragments and are to look for peers
// again, most needy first, as many as may be fetched beside those that are.
func ChooseWake(dormant []WakeView, fetching int, goal prefs.Goal, now time.Time) []swarm.InfoHash {
	due := slices.DeleteFunc(slices.Clone(dormant), func(v WakeView) bool { return now.Sub(v.Woken) < wakeInterval })
	slices.SortStableFunc(due, func(a, b WakeView) int {
		return cmp.Compare(Need(b.Health, goal), Need(a.Health, goal))
	})
	var wake []swarm.InfoHash
	for _, v := range due[:min(max(maxFetching-fetching, 0), len(due))] {
		wake = append(wake, v.Hash)
	}
	return wake
}

// ChoosePiece picks the piece to fetch next from a peer that has the pieces
// in has: the one with the fewest copies among those that want accepts. Ties
// are broken at random, so that agents in one swarm spread out. ok is false
// when the peer has nothing that is wanted.
func ChoosePiece(has peerwire.Bitfield, copies []uint16, want func(index int) bool, rnd *rand.Rand) (index int, ok bool) {
	ties := 0
	for i := range copies {
		if !has.Has(i) || !want(i) {
			continue
		}
		switch {
		case !ok || copies[i] < copies[index]:
			index, ok, ties = i, true, 1
		case copies[i] == copies[index]:
			// Reservoir sampling: each of n equals is kept with chance 1/n.
			if ties++; rnd.IntN(ties) == 0 {
				index = i
			}
		}
	}
	return index, ok
}

// UploadView is one interested peer, as the choice of whom to unchoke sees it.
type UploadView[P any] struct {
	Peer   P
	Sent   int64 // bytes sent to it since the last choice
	Waited time.Duration
}

// ChooseUnchoked picks the peers to serve until the next choice. All but one
// slot go to those that took the most since the last choice: they can use what
// we give. The last slot goes to the peer that has waited longest, so that
// everybody's turn comes and new peers get a start.
func ChooseUnchoked[P any](peers []UploadView[P], slots int) []P {
	if slots <= 0 {
		return nil
	}
	rest := slices.Clone(peers)
	slices.SortStableFunc(rest, func(a, b UploadView[P]) int { return cmp.Compare(b.Sent, a.Sent) })
	regular := min(slots-1, len(rest))
	if len(rest) <= slots {
		regular = len(rest)
	}
	chosen := make([]P, 0, slots)
	for _, v := range rest[:regular] {
		chosen = append(chosen, v.Peer)
	}
	if rest = rest[regular:]; len(rest) > 0 && len(chosen) < slots {
		longest := slices.MaxFunc(rest, func(a, b UploadView[P]) int { return cmp.Compare(a.Waited, b.Waited) })
		chosen = append(chosen, longest.Peer)
	}
	return chosen
}

// bytesPerSlot is the rate below which one more upload slot only makes all of
// them slow: 32 KiB/s delivers a 16 KiB block every half second.
const bytesPerSlot = 32 << 10

// UploadSlots is the number of peers that one swarm serves at a time, for an
// upload limit in bytes per second (negative: unlimited).
func UploadSlots(limit int64) int {
	switch {
	case limit == 0:
		return 0
	case limit < 0:
		return 16
	}
	return int(min(max(limit/bytesPerSlot, 1), 16))
}
