// Package choose decides what the background does: which swarms to join, wake and leave, which piece to fetch, which
// peers to serve, and which connections to give up. Its functions are pure: a snapshot goes in, and what is to be done
// comes out; there are no clocks, locks or I/O in it. The engine carries its decisions out, and a simulator may do so
// as well.
package choose

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"ebb/agent/swarm"
)

// Need is how much a swarm would gain from one more fragment here, per byte of that fragment: 0 (nothing) to 1 (it may
// be the last copy, and peers wait for it). Scarcity falls with every further copy; demand rises with the share of the
// swarm that is still downloading. An unknown swarm counts as one with a single seed and a single leecher.
func Need(h swarm.Health, goal swarm.Goal) float64 {
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
	case swarm.GoalPreserve:
		return scarcity * (0.8 + 0.2*demand)
	case swarm.GoalAccelerate:
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

// MinValue is the value below which a fragment is not worth the owner's disk. Below minNeed a swarm in which we hold
// nothing is not worth the connection. Five hundred seeds give a need of about 0.002 without demand.
const (
	MinValue = 0.002
	minNeed  = 0.002
)

// JoinView is what the choice of swarms to join looks at.
type JoinView struct {
	Candidates []swarm.Candidate
	Goal       swarm.Goal
	Room       int64 // bytes that the background may still store
	Fetching   int   // swarms that still have fragments to fetch
	Swarms     int   // swarms joined
	// Empty counts, by their introducer's Key, the swarms joined in which nothing is held.
	Empty map[string]int
}

// MaxFetching is how many swarms are fetched at a time, for each of them holds connections and temporary files. Any
// other costs a struct and its announces, and there may be maxSwarms at all.
const (
	MaxFetching = 8
	maxSwarms   = 10_000
)

// maxEmpty is how many swarms one introducer may have us in without a fragment held there. Names cost nothing: whoever
// has us join a thousand swarms in which there is nothing to fetch has us announce ourselves in each.
const maxEmpty = 64

// Join ranks the candidates to join now, most needy first. It chooses none while there is no room, or while enough
// swarms are still being fetched, and none of an introducer that has us in enough swarms for nothing.
func Join(v JoinView) []swarm.Candidate {
	n := min(MaxFetching-v.Fetching, maxSwarms-v.Swarms)
	if n <= 0 || v.Room <= 0 {
		return nil
	}
	var needy []swarm.Candidate
	for _, c := range v.Candidates {
		if Need(c.Health, v.Goal) >= MinValue {
			needy = append(needy, c)
		}
	}
	slices.SortStableFunc(needy, func(a, b swarm.Candidate) int {
		return cmp.Compare(Need(b.Health, v.Goal), Need(a.Health, v.Goal))
	})
	var chosen []swarm.Candidate
	by := make(map[string]int) // of those chosen
	for _, c := range needy {
		if len(chosen) == n {
			break
		}
		if key := c.Introducer().Key(); key != "" { // else the owner's
			if v.Empty[key]+by[key] >= maxEmpty {
				continue
			}
			by[key]++
		}
		chosen = append(chosen, c)
	}
	return chosen
}

// LeaveView is what the choice of swarms to leave looks at.
type LeaveView struct {
	Hash      swarm.InfoHash
	Fragments int
	Health    swarm.Health
	Known     bool          // what it contains is: there is metadata
	Sought    time.Duration // for which the metadata has been looked for
	Joined    time.Time
	LastPeer  time.Time // when a peer of it was last seen; zero for never
	ByOwner   bool      // the owner asked to help this one
}

const (
	silence = 7 * 24 * time.Hour // without a peer: a swarm that lives only at weekends is kept
	MaxSeek = time.Hour          // without metadata: that of a living swarm comes within minutes
)

// Leave lists the swarms that are no longer worth staying in: those in which we hold nothing and which have either no
// need, no peers or no metadata. A swarm in which we hold fragments is left by reclaim, not by choice, and one that the
// owner asked for is left only by the owner.
func Leave(swarms []LeaveView, goal swarm.Goal, now time.Time) []swarm.InfoHash {
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
		idle := Need(s.Health, goal) < minNeed && now.Sub(s.Joined) > time.Hour
		nothing := !s.Known && s.Sought > MaxSeek
		if stale || idle || nothing {
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

// Wake picks dormant swarms that want fragments and are to look for peers
// again, most needy first, as many as may be fetched beside those that are.
func Wake(dormant []WakeView, fetching int, goal swarm.Goal, now time.Time) []swarm.InfoHash {
	due := slices.DeleteFunc(slices.Clone(dormant), func(v WakeView) bool { return now.Sub(v.Woken) < wakeInterval })
	slices.SortStableFunc(due, func(a, b WakeView) int {
		return cmp.Compare(Need(b.Health, goal), Need(a.Health, goal))
	})
	var wake []swarm.InfoHash
	for _, v := range due[:min(max(MaxFetching-fetching, 0), len(due))] {
		wake = append(wake, v.Hash)
	}
	return wake
}

// Piece picks the piece to fetch next: the one with the fewest copies among those that are to be had and wanted. Ties
// are broken at random, so that agents in one swarm spread out. ok is false when no piece is.
func Piece(copies []uint16, wanted func(index int) bool, rnd *rand.Rand) (index int, ok bool) {
	ties := 0
	for i := range copies {
		if !wanted(i) {
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
