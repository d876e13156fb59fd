package choose

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"ebb/agent/swarm"
)

func hashOf(b byte) swarm.InfoHash { return swarm.InfoHash{b} }

func TestNeedFallsWithEveryCopyAndRisesWithDemand(t *testing.T) {
	for _, goal := range []swarm.Goal{swarm.GoalPreserve, swarm.GoalAccelerate, swarm.GoalBalanced} {
		last := 2.0
		for seeds := range 20 {
			n := Need(swarm.Health{Seeds: seeds, Leechers: 5, Copies: seeds}, goal)
			if n >= last || n < 0 || n > 1 {
				t.Errorf("%v: need with %d seeds is %v, with one less %v", goal, seeds, n, last)
			}
			last = n
		}
		last = -1.0
		for leechers := range 20 {
			n := Need(swarm.Health{Seeds: 3, Leechers: leechers, Copies: 3}, goal)
			if n <= last {
				t.Errorf("%v: need with %d leechers is %v, with one less %v", goal, leechers, n, last)
			}
			last = n
		}
	}
}

func TestGoalsDifferInWhatTheyPrefer(t *testing.T) {
	forgotten := swarm.Health{Seeds: 0, Leechers: 0, Copies: 0}
	crowded := swarm.Health{Seeds: 10, Leechers: 500, Copies: 10}
	if Need(forgotten, swarm.GoalPreserve) <= Need(crowded, swarm.GoalPreserve) {
		t.Error("preserve puts a crowd before a torrent that nobody holds")
	}
	if Need(forgotten, swarm.GoalAccelerate) >= Need(crowded, swarm.GoalAccelerate) {
		t.Error("accelerate puts a torrent that nobody wants before a crowd")
	}
}

func TestNeedOfAnUnknownSwarmIsThatOfASmallOne(t *testing.T) {
	unknown := Need(swarm.Health{Seeds: -1, Leechers: -1, Copies: -1}, swarm.GoalBalanced)
	small := Need(swarm.Health{Seeds: 1, Leechers: 1, Copies: 1}, swarm.GoalBalanced)
	if unknown != small {
		t.Errorf("unknown %v, one seed and one leecher %v", unknown, small)
	}
}

func TestJoinTakesTheMostNeedyFirst(t *testing.T) {
	healthy := swarm.Candidate{Hash: hashOf(1), Health: swarm.Health{Seeds: 9, Leechers: 1, Copies: 9}}
	dying := swarm.Candidate{Hash: hashOf(2), Health: swarm.Health{Seeds: 0, Leechers: 4, Copies: 1}}
	useless := swarm.Candidate{Hash: hashOf(3), Health: swarm.Health{Seeds: 1000, Leechers: 0, Copies: 1000}}
	all := []swarm.Candidate{healthy, useless, dying}
	for _, c := range []struct {
		name string
		view JoinView
		want []swarm.InfoHash
	}{
		{"room and time", JoinView{Candidates: all, Room: 1}, []swarm.InfoHash{dying.Hash, healthy.Hash}},
		{"one more fetch", JoinView{Candidates: all, Room: 1, Fetching: MaxFetching - 1}, []swarm.InfoHash{dying.Hash}},
		{"enough fetches", JoinView{Candidates: all, Room: 1, Fetching: MaxFetching}, nil},
		{"no room", JoinView{Candidates: all}, nil},
		{"enough swarms", JoinView{Candidates: all, Room: 1, Swarms: maxSwarms}, nil},
	} {
		c.view.Goal = swarm.GoalBalanced
		var got []swarm.InfoHash
		for _, j := range Join(c.view) {
			got = append(got, j.Hash)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: joined %v, want %v", c.name, got, c.want)
		}
	}
}

func TestIntroducerMayHaveUsInFewSwarmsForNothing(t *testing.T) {
	by := func(b byte, addr string) swarm.Candidate {
		i := swarm.Introducer{Kind: swarm.KindPeer, Addr: netip.MustParseAddrPort(addr)}
		if addr == "0.0.0.0:0" {
			i = swarm.Introducer{Kind: swarm.KindOwner}
		}
		return swarm.Candidate{Hash: hashOf(b), Health: swarm.Health{Leechers: 4}, Introducers: []swarm.Introducer{i}}
	}
	greedy := []swarm.Candidate{by(1, "192.0.2.1:1"), by(2, "192.0.2.2:1"), by(3, "192.0.2.3:1")} // one network
	others := []swarm.Candidate{by(4, "198.51.100.1:1"), by(5, "0.0.0.0:0")}
	key := greedy[0].Introducer().Key()
	for _, c := range []struct {
		name  string
		empty int
		want  []swarm.InfoHash
	}{
		{"none yet", 0, []swarm.InfoHash{hashOf(1), hashOf(2), hashOf(3), hashOf(4), hashOf(5)}},
		{"two left", maxEmpty - 2, []swarm.InfoHash{hashOf(1), hashOf(2), hashOf(4), hashOf(5)}},
		{"none left", maxEmpty, []swarm.InfoHash{hashOf(4), hashOf(5)}},
		{"more than that, from before there was a bound", 5 * maxEmpty, []swarm.InfoHash{hashOf(4), hashOf(5)}},
	} {
		var got []swarm.InfoHash
		for _, j := range Join(JoinView{
			Candidates: slices.Concat(greedy, others), Goal: swarm.GoalBalanced, Room: 1, Empty: map[string]int{key: c.empty, "": 5 * maxEmpty},
		}) {
			got = append(got, j.Hash)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: joined %v, want %v", c.name, got, c.want)
		}
	}
}

func TestOnlySilentOrUselessSwarmsWithoutFragmentsAreLeft(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	needy := swarm.Health{Seeds: 0, Leechers: 3, Copies: 0}
	needless := swarm.Health{Seeds: 5000, Leechers: 0, Copies: 5000}
	for _, c := range []struct {
		name  string
		view  LeaveView
		leave bool
	}{
		{"seen today", LeaveView{Health: needy, Joined: now.Add(-30 * 24 * time.Hour), LastPeer: now.Add(-time.Hour)}, false},
		{"silent for a week", LeaveView{Health: needy, Joined: now.Add(-30 * 24 * time.Hour), LastPeer: now.Add(-8 * 24 * time.Hour)}, true},
		{"never seen, joined today", LeaveView{Health: needy, Joined: now.Add(-time.Hour)}, false},
		{"silent, but holds fragments", LeaveView{Fragments: 1, Health: needy, Joined: now.Add(-30 * 24 * time.Hour)}, false},
		{"silent, but the owner's wish", LeaveView{ByOwner: true, Health: needy, Joined: now.Add(-30 * 24 * time.Hour)}, false},
		{"without metadata for an hour", LeaveView{Health: needy, Joined: now.Add(-2 * time.Hour), LastPeer: now, Sought: MaxSeek + 1}, true},
		{"without metadata, sought for less", LeaveView{Health: needy, Joined: now.Add(-48 * time.Hour), LastPeer: now, Sought: MaxSeek}, false},
		{"without metadata, but the owner's wish", LeaveView{ByOwner: true, Health: needy, Joined: now, Sought: 100 * MaxSeek}, false},
		{"metadata came late", LeaveView{Known: true, Health: needy, Joined: now, Sought: 100 * MaxSeek}, false},
		{"needless", LeaveView{Health: needless, Joined: now.Add(-2 * time.Hour), LastPeer: now}, true},
		{"needless, just joined", LeaveView{Health: needless, Joined: now, LastPeer: now}, false},
	} {
		if got := len(Leave([]LeaveView{c.view}, swarm.GoalBalanced, now)) == 1; got != c.leave {
			t.Errorf("%s: left %v, want %v", c.name, got, c.leave)
		}
	}
}

func TestDormantSwarmsAreWokenInTurnMostNeedyFirst(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	needy, healthy := swarm.Health{Seeds: 0, Leechers: 3}, swarm.Health{Seeds: 9, Leechers: 1, Copies: 9}
	dormant := []WakeView{
		{Hash: hashOf(1), Health: healthy},
		{Hash: hashOf(2), Health: needy},
		{Hash: hashOf(3), Health: needy, Woken: now.Add(time.Second - wakeInterval)},
		{Hash: hashOf(4), Health: healthy, Woken: now.Add(-wakeInterval)},
	}
	for _, c := range []struct {
		name     string
		fetching int
		want     []swarm.InfoHash
	}{
		{"all that are due", 0, []swarm.InfoHash{hashOf(2), hashOf(1), hashOf(4)}},
		{"place for one", MaxFetching - 1, []swarm.InfoHash{hashOf(2)}},
		{"no place", MaxFetching, nil},
	} {
		if got := Wake(dormant, c.fetching, swarm.GoalBalanced, now); !slices.Equal(got, c.want) {
			t.Errorf("%s: woke %v, want %v", c.name, got, c.want)
		}
	}
}

func TestRarestPieceIsFetchedFirstAndTiesAreSpread(t *testing.T) {
	has := func(i int) bool { return i != 3 }
	copies := []uint16{3, 2, 2, 0, 1}
	rnd := rand.New(rand.NewPCG(1, 2))
	if i, ok := Piece(copies, has, rnd); !ok || i != 4 {
		t.Errorf("chose %d, want 4: the rarest that the peer has", i)
	}
	seen := map[int]int{}
	for range 1000 {
		i, ok := Piece(copies, func(i int) bool { return has(i) && i != 4 }, rnd)
		if !ok {
			t.Fatal("nothing chosen")
		}
		seen[i]++
	}
	if len(seen) != 2 || seen[1] < 400 || seen[2] < 400 {
		t.Errorf("ties were broken as %v, want pieces 1 and 2 about equally", seen)
	}
	if _, ok := Piece(copies, func(int) bool { return false }, rnd); ok {
		t.Error("chose a piece that is not wanted")
	}
}
