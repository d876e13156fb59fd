package background

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"ebb/agent/peerwire"
)

// places returns the connections that have one, and how many of them were of use.
func (a *agent) places() (open, used int) {
	a.engine.places.mu.Lock()
	defer a.engine.places.mu.Unlock()
	for p := range a.engine.places.open {
		if p.used.Load() > 0 {
			used++
		}
	}
	return len(a.engine.places.open), used
}

// idles connects a peer that does nothing, and waits until it is greeted.
func (a *agent) idles(c content) *scripted {
	a.t.Helper()
	p := newScripted(a.t, c).dial(a)
	p.heardNext(peerwire.ExtensionHandshake)
	return p
}

// serves connects a peer that is served a block.
func (a *agent) serves(c content) *scripted {
	a.t.Helper()
	p := a.idles(c)
	p.unchoked()
	p.works()
	return p
}

// works expects that the peer can still fetch from us.
func (p *scripted) works() {
	p.t.Helper()
	if p.fetch(0, 0, peerwire.BlockSize) == nil {
		p.t.Fatal("a connection that was to stay is not served any more")
	}
}

func TestLowerBoundClosesTheLeastUsefulConnectionsOfAllSwarms(t *testing.T) {
	us := newAgent(t, 1<<30)
	one, two, three := makeContent(t, 4, false), makeContent(t, 5, false), makeContent(t, 6, false)
	us.hold(one, all(4)...)
	us.hold(two, all(5)...)
	for _, c := range []content{one, two, three} {
		us.join(c, true)
	}
	served := us.serves(two) // the oldest, but in use
	longIdle := us.idles(one)
	idle := us.idles(two)
	source := us.idles(three) // we fetch from it, and it takes its time
	source.conn.Send(peerwire.Message{Type: peerwire.HaveAll})
	source.conn.Send(peerwire.Message{Type: peerwire.Unchoke})
	source.heardNext(peerwire.Request)
	us.wait("two of four connections to be of use", func() bool {
		open, used := us.places()
		return open == 4 && used == 2
	})

	us.engine.SetMostConns(4)
	if open, _ := us.places(); open != 4 {
		t.Fatalf("%d connections are left of four that fit", open)
	}
	us.engine.SetMostConns(3)
	longIdle.expectEnd()
	idle.unchoked() // it is still there
	us.engine.SetMostConns(2)
	idle.expectEnd()
	served.works()
	if open, used := us.places(); open != 2 || used != 2 {
		t.Errorf("%d connections are left, %d of use; want the two of use", open, used)
	}
	newScripted(t, one).dial(us).expectEnd() // no place

	us.engine.SetMostConns(maxConns + 1)
	us.serves(one)
	served.works()
	us.engine.SetMostConns(-1)
	served.expectEnd()
	source.expectEnd()
	us.wait("the swarms to see that their peers have gone", func() bool {
		for _, s := range us.engine.Swarms() {
			if s.Peers > 0 {
				return false
			}
		}
		return true
	})
}

func TestThePlaceOfAConnectionThatEndsIsFree(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(4)...)
	us.join(c, true)
	us.engine.SetMostConns(1)
	free := func() bool { open, _ := us.places(); return open == 0 }
	for range 3 {
		p := us.idles(c)
		p.conn.Close()
		us.wait("its place to be free", free)
	}
	us.idles(c)
	if err := us.engine.Leave(c.info.Hash); err != nil {
		t.Fatal(err)
	}
	if !free() {
		t.Error("a swarm that was left keeps a place")
	}
}

// TestOneHostDoesNotKeepOthersOut lets a host take every place, in a swarm and then in all, and keep them.
func TestOneHostDoesNotKeepOthersOut(t *testing.T) {
	c := makeContent(t, 4, false)
	for name, most := range map[string]int{"in a swarm": maxConns, "in all": 10} {
		t.Run(name, func(t *testing.T) {
			us := newAgent(t, 1<<30)
			us.hold(c, all(4)...)
			us.join(c, true)
			us.engine.SetMostConns(most)
			taken := min(most, us.engine.places.share())
			for range taken + 3 {
				p := newScriptedAt(t, c, "127.0.0.9").dial(us)
				p.conn.Send(peerwire.Message{Type: peerwire.Interested})
			}
			us.wait("the places to be taken", func() bool { open, _ := us.places(); return open == taken })
			us.serves(c)
			for range 3 { // its friends come back at once
				newScriptedAt(t, c, "127.0.0.9").dial(us)
			}
			us.serves(c).works()
			if open, _ := us.places(); open > taken {
				t.Errorf("%d connections have %d places", open, taken)
			}
		})
	}
}

func TestAHostThatHasTooManyPlacesLeavesSomeToThoseWhomWeDial(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.join(c, true)
	for range wantedPeers {
		newScriptedAt(t, c, "127.0.0.9").dial(us)
	}
	us.wait("the places to be taken", func() bool { open, _ := us.places(); return open == wantedPeers })
	seed := newScripted(t, c)
	us.find(c, seed.addr())
	us.wait("all of the content", func() bool { return us.holds(c, 4) })
}

func TestAPopularSwarmHasHalfOfThePlaces(t *testing.T) {
	c, other := makeContent(t, 4, false), makeContent(t, 5, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(4)...)
	us.hold(other, all(5)...)
	us.join(c, true)
	us.join(other, true)
	for i := range maxConns/2 + 5 {
		p := newScriptedAt(t, c, fmt.Sprintf("127.0.1.%d", i+1)).dial(us)
		p.conn.Send(peerwire.Message{Type: peerwire.Interested})
	}
	us.wait("half of the places to be taken", func() bool { open, _ := us.places(); return open == maxConns/2 })
	us.serves(other)
}

func TestNobodyIsDialledWithoutAPlace(t *testing.T) {
	c := makeContent(t, 3, false)
	d := newAgent(t, 1<<30).direct(c)
	d.us.engine.SetMostConns(1)
	d.meet()
	d.cancel() // none is really dialled
	d.handleFound([]netip.AddrPort{addr("192.0.2.1:1"), addr("192.0.2.2:2")})
	if n := d.book.Dialing; n != 0 {
		t.Errorf("%d are dialled although there is no place", n)
	}
	d.us.engine.SetMostConns(3)
	d.dial(time.Now())
	if n := d.book.Dialing; n == 0 {
		t.Error("nobody is dialled although there are places")
	}
}

func TestASwarmIsNotWokenForAConnectionThatMayNotBe(t *testing.T) {
	c := makeContent(t, 3, false)
	us, seed := newAgent(t, 1<<30), newScripted(t, c)
	us.engine.SetMostConns(0)
	us.join(c, true)
	live := func() bool { return us.member(c) != lifeDormant }
	us.wait("the swarm to fall asleep", func() bool { return !live() })
	us.find(c, seed.addr())
	newScripted(t, c).dial(us).expectEnd()
	if live() {
		t.Error("it was woken")
	}
	us.engine.SetMostConns(1)
	us.find(c, seed.addr())
	us.wait("all fragments", func() bool { return us.holds(c, 3) })
}
