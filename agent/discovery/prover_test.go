package discovery

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"ebb/agent/swarm"
)

// hears makes an agent that runs hear of swarms from an introducer.
func hears(a *agent, in swarm.Introducer, swarms ...int) {
	var list []Entry
	for _, n := range swarms {
		list = append(list, listed(n))
	}
	a.candidates.Hear(in, list, time.Now())
	a.rendezvous.poke()
	pass(0)
}

func TestClaimOfOneWhoIsNotInTheSwarmStaysHearsay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.run()
		liar := w.stranger("192.0.2.1:6881", func(context.Context, *end, swarm.InfoHash) {})
		liar.knows = func(swarm.InfoHash) bool { return false }
		hears(y, agentAt("192.0.2.1:6881"), swarmB)
		pass(24 * time.Hour)
		if n := len(w.dialsTo(liar.addr)); n != maxTries {
			t.Errorf("tried %d times", n)
		}
		k, _ := y.candidates.Get(hash(swarmB))
		if k.State != swarm.CandidateHeard || len(y.candidates.Ready()) != 0 || y.told() != "" {
			t.Errorf("%s, story %q", k.State, y.told())
		}
		if k.Reason != "not verified: ebb 0.1.0 (192.0.2.1:6881) did not answer as a peer of this swarm" {
			t.Errorf("reason %q", k.Reason)
		}
	})
}

func TestAnotherPeerAtTheAddressVerifiesNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.run()
		other := w.stranger("192.0.2.1:6881", func(context.Context, *end, swarm.InfoHash) {})
		other.id = agentAt("192.0.2.2:1").PeerID
		hears(y, agentAt("192.0.2.1:6881"), swarmB)
		pass(24 * time.Hour)
		k, _ := y.candidates.Get(hash(swarmB))
		if k.State != swarm.CandidateHeard || k.Reason != "not verified: another peer answered at 192.0.2.1:6881" {
			t.Errorf("%s because %q", k.State, k.Reason)
		}
		if n := len(w.dialsTo(other.addr)); n != maxTries {
			t.Errorf("tried %d times", n)
		}
	})
}

func TestVerificationIsTriedAgainLater(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.run()
		hears(y, agentAt("192.0.2.1:6881"), swarmB) // nobody is there yet
		w.stranger("192.0.2.1:6881", func(context.Context, *end, swarm.InfoHash) {})
		pass(pauses[0] - time.Second)
		if len(y.candidates.Ready()) != 0 {
			t.Error("tried again too soon")
		}
		pass(checkInterval + time.Second)
		if k, _ := y.candidates.Get(hash(swarmB)); k.State != swarm.CandidateVerified || k.Reason != "" {
			t.Errorf("%s because %q", k.State, k.Reason)
		}
	})
}

func TestHostThatIsNotThereIsTriedThreeTimesInAll(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.run()
		var many []int
		for i := range 200 {
			many = append(many, 100+i)
		}
		hears(y, agentAt("192.0.2.1:6881"), many...)
		pass(12 * time.Hour)
		if n := len(w.dialled()); n != maxTries {
			t.Errorf("%d dials at a host that is not there", n)
		}
	})
}

func TestVerificationsAreBounded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.run()
		for host := range 20 {
			addr := fmt.Sprintf("192.0.%d.1:6881", host)
			w.add(&inhabitant{addr: netip.MustParseAddrPort(addr), hangs: true})
			hears(y, agentAt(addr), 10*host, 10*host+1, 10*host+2)
		}
		if n := len(w.dialled()); n != maxVerifying {
			t.Errorf("%d verifications at once", n)
		}
		seen := make(map[netip.AddrPort]bool)
		for _, d := range w.dialled() {
			if seen[d.to] {
				t.Errorf("%s is dialled twice at once", d.to)
			}
			seen[d.to] = true
		}
	})
}

func TestSwarmJoinedMeanwhileIsNotVerified(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		x := w.stranger("192.0.2.1:6881", func(context.Context, *end, swarm.InfoHash) {})
		hears(y, agentAt("192.0.2.1:6881"), swarmB)
		y.rendezvous.SetForeground([]Foreground{public(swarmB)})
		y.run()
		pass(time.Minute)
		if n := len(w.dialsTo(x.addr)); n != 0 || state(t, y.candidates, hash(swarmB)) != "gone" {
			t.Errorf("%d dials, and it is %s", n, state(t, y.candidates, hash(swarmB)))
		}
	})
}

func TestOurOwnEndIsNoFailureOfTheIntroducer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		w.add(&inhabitant{addr: netip.MustParseAddrPort("192.0.2.1:6881"), hangs: true})
		cancel := y.run()
		hears(y, agentAt("192.0.2.1:6881"), swarmB)
		cancel()
		pass(0)
		if k, _ := y.candidates.Get(hash(swarmB)); k.Reason != "" {
			t.Errorf("reason %q", k.Reason)
		}
	})
}
