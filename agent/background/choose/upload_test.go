package choose

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// leecher is one interested peer of a pretended swarm.
type leecher struct {
	pace   float64 // bytes per second that it takes at most
	weight float64
	came   time.Duration

	had    time.Duration
	got    float64
	turns  int
	idle   time.Duration // when it was last served, or came
	served bool
}

// serve plays a swarm for some time: those who are served share the rate, as far as they can take it.
func serve(leechers []*leecher, rate float64, length time.Duration) {
	used, more := rate, 0
	for now := time.Duration(0); now < length; {
		var views []UploadView[*leecher]
		var had time.Duration
		for _, l := range leechers {
			had += l.had
		}
		for _, l := range leechers {
			if now < l.came {
				continue
			}
			if l.idle == 0 && l.came > 0 {
				l.had, l.idle = had/time.Duration(len(leechers)-1), l.came
			}
			v := UploadView[*leecher]{Peer: l, Had: l.had}
			if !l.served {
				v.Waited = now - l.idle
			}
			views = append(views, v)
		}
		more = MoreSlots(int64(rate), used, more)
		slots := Slots(int64(rate), more)
		turn := Turn(len(views), slots)
		chosen := Unchoked(views, slots)
		for _, l := range leechers {
			l.served = slices.Contains(chosen, l)
		}
		left, mean := rate*turn.Seconds(), 0.0
		took := make([]float64, len(chosen))
		for i, l := range chosen {
			took[i] = min(left/float64(len(chosen)-i), l.pace*turn.Seconds())
			left -= took[i]
			mean += took[i] / float64(len(chosen))
		}
		for i, l := range chosen {
			l.turns++
			l.got += took[i]
			l.had += Charge(turn, took[i], mean, l.weight)
			l.idle = now + turn
		}
		used = (rate*turn.Seconds() - left) / turn.Seconds()
		now += turn
	}
}

func equals(n int) []*leecher {
	var list []*leecher
	for range n {
		list = append(list, &leecher{pace: 1e9, weight: 1})
	}
	return list
}

func TestEqualPeersAreServedEqually(t *testing.T) {
	for _, c := range []struct {
		peers int
		rate  float64
	}{{30, 4e6}, {100, 4e6}, {40, 100e6}, {30, 100e3}, {20, 64e3}, {17, 4e6}, {3, 1e3}} {
		t.Run(fmt.Sprintf("%d at %g kB per second", c.peers, c.rate/1e3), func(t *testing.T) {
			peers := equals(c.peers)
			serve(peers, c.rate, time.Minute)
			if c.peers <= 30 {
				for i, p := range peers {
					if p.turns == 0 {
						t.Errorf("peer %d had no turn in the first minute", i)
					}
				}
			}
			peers = equals(c.peers)
			serve(peers, c.rate, 5*time.Minute)
			got := func(a, b *leecher) int { return int(a.got - b.got) }
			least, most := slices.MinFunc(peers, got).got, slices.MaxFunc(peers, got).got
			if most > 1.5*least {
				t.Errorf("in five minutes one got %.0f bytes and another %.0f", least, most)
			}
		})
	}
}

func TestNobodyGainsByTakingLittleOrByComingAnew(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		honest := equals(10 + rnd.IntN(20))
		rate := float64(100_000 + rnd.IntN(4_000_000))
		var odd []*leecher
		for range 10 {
			switch rnd.IntN(2) {
			case 0: // holds its slot with a block now and then
				odd = append(odd, &leecher{pace: 1000, weight: 1})
			case 1: // comes late
				odd = append(odd, &leecher{pace: 1e9, weight: 1, came: time.Duration(1+rnd.IntN(280)) * time.Second})
			}
		}
		serve(append(slices.Clone(honest), odd...), rate, 5*time.Minute)
		turns := func(a, b *leecher) int { return a.turns - b.turns }
		least := slices.MinFunc(honest, turns).turns
		if most := slices.MaxFunc(odd, turns).turns; least < most/2-1 {
			t.Errorf("an odd peer had %d turns, and an honest one %d, of %d and %d", most, least, len(odd), len(honest))
		}
	}
}

func TestWhoNeedsTheRarestAndPassesItOnComesFirst(t *testing.T) {
	peers := equals(20)
	peers[3].weight = Weight(1, 1)
	peers[4].weight = Weight(1, 0)
	serve(peers, 128<<10, 5*time.Minute)
	if peers[3].got < 2*peers[0].got || peers[4].got < 1.5*peers[0].got {
		t.Errorf("it got %.0f bytes, who only needs it %.0f, others %.0f", peers[3].got, peers[4].got, peers[0].got)
	}
	if peers[0].turns == 0 {
		t.Error("others got nothing")
	}
	if Weight(7, -1) != 2 || Weight(-1, 9) != 2 {
		t.Error("weights are not bounded")
	}
}

func TestQuickPeersUseTheLine(t *testing.T) {
	var peers []*leecher
	for range 20 {
		peers = append(peers, &leecher{pace: 10e3, weight: 1}, &leecher{pace: 2e6, weight: 1})
	}
	serve(peers, 4e6, 5*time.Minute)
	var sum float64
	for _, p := range peers {
		sum += p.got
	}
	if used := sum / (4e6 * 300); used < 0.75 {
		t.Errorf("%.0f %% of the rate was used", 100*used)
	}
}

func TestUploadSlotsFollowTheLimitAndItsUse(t *testing.T) {
	for limit, want := range map[int64]int{0: 0, 1000: 1, 64 << 10: 2, 4 << 20: 16, -1: 16} {
		if got := Slots(limit, 0); got != want {
			t.Errorf("limit %d: %d slots, want %d", limit, got, want)
		}
	}
	more := 0
	for range 10 {
		more = MoreSlots(1<<20, 100_000, more)
	}
	if got := Slots(1<<20, more); got != mostSlots {
		t.Errorf("%d slots while most of the limit is not used; want %d", got, mostSlots)
	}
	for range 20 {
		more = MoreSlots(1<<20, 1<<20, more)
	}
	if got := Slots(1<<20, more); got != usualSlots {
		t.Errorf("%d slots when all of it is used again; want %d", got, usualSlots)
	}
	if MoreSlots(-1, 0, 0) != 0 || MoreSlots(0, 0, 0) != 0 || Slots(0, 40) != 0 {
		t.Error("more slots without a limit to use, or without leave to serve")
	}
}
