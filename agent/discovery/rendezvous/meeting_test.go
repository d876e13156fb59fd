package rendezvous

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ebb/agent/discovery"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// meets lets an agent meet a scripted peer that it dials, and tells how long the connection lasted.
func meets(t *testing.T, y *agent, script func(c *end)) *time.Duration {
	t.Helper()
	lasted := time.Duration(-1)
	p := y.world.stranger("192.0.2.1:6881", func(_ context.Context, c *end, h swarm.InfoHash) {
		if h != hash(swarmA) {
			return // it shakes hands in any swarm
		}
		began := time.Now()
		y.world.going.Go(func() {
			<-c.other.closed
			lasted = time.Since(began)
		})
		script(c)
		<-c.other.closed
	})
	y.rendezvous.SetForeground([]Foreground{public(swarmA)})
	y.run()
	y.finds(hash(swarmA), p.addr)
	return &lasted
}

// visits lets a scripted peer dial an agent, and tells how long the agent stayed with it.
func visits(x *agent, h swarm.InfoHash, script func(c *end)) *time.Duration {
	here, there := connect(visitor("guest"), x.inhabitant)
	return visit(x, h, here, there, script)
}

// visitor is a peer of its own peer ID; all are at the same address.
func visitor(name string) *inhabitant {
	p := &inhabitant{addr: netip.MustParseAddrPort("192.0.2.9:6881")}
	copy(p.id[:], "-EB0100-"+name)
	return p
}

func visit(x *agent, h swarm.InfoHash, here, there *end, script func(c *end)) *time.Duration {
	lasted := time.Duration(-1)
	began := time.Now()
	x.world.going.Go(func() {
		x.rendezvous.HandleConn(x.world.ctx, there, h)
		there.Close()
		lasted = time.Since(began)
	})
	x.world.going.Go(func() { script(here) })
	return &lasted
}

func (e *end) list(m discovery.Message) { _ = e.SendExtended(peerwire.ExtensionList, m.Marshal()) }

func TestMeetingEndsWhen(t *testing.T) {
	ask := discovery.Message{Type: discovery.TypeRequest, Want: 10}
	list := discovery.Message{Type: discovery.TypeList, Entries: []discovery.Entry{listed(swarmB)}}
	for _, c := range []struct {
		name   string
		script func(t *testing.T, c *end)
		lasts  time.Duration
		heard  bool
	}{
		{"both are served", func(t *testing.T, c *end) {
			c.greet()
			c.list(ask)
			c.next(t)
			c.list(list)
		}, linger, true},
		{"the peer does not ask", func(t *testing.T, c *end) {
			c.greet()
			c.list(list)
		}, patience, true},
		{"the peer refuses", func(t *testing.T, c *end) {
			c.greet()
			c.list(discovery.Message{Type: discovery.TypeRefuse, Reason: "no"})
		}, patience, false},
		{"the peer never greets", func(*testing.T, *end) {}, greetTimeout, false},
		{"the peer never answers", func(t *testing.T, c *end) { c.greet() }, exchangeTimeout, false},
		{"the peer talks of other things without end", func(t *testing.T, c *end) {
			c.greet()
			c.list(list)
			for c.Send(peerwire.Message{Type: peerwire.Have}) == nil {
				<-time.After(time.Second)
			}
		}, exchangeTimeout, true},
		{"the peer is an ordinary client", func(t *testing.T, c *end) {
			_ = c.Send(peerwire.Message{Type: peerwire.HaveAll})
			_ = c.Send(peerwire.Message{Type: peerwire.ExtensionHandshake, Extensions: &peerwire.Extensions{M: map[string]uint8{"ut_pex": 1}, V: "Transmission 4.0.6"}})
		}, 0, false},
		{"the peer has switched list passing off", func(t *testing.T, c *end) {
			_ = c.Send(peerwire.Message{Type: peerwire.ExtensionHandshake, Extensions: &peerwire.Extensions{M: map[string]uint8{"ebb_list": 0}}})
		}, 0, false},
		{"the peer sends rubbish", func(t *testing.T, c *end) {
			c.greet()
			_ = c.SendExtended(peerwire.ExtensionList, []byte(strings.Repeat("l", 100_000)))
		}, 0, false},
		{"the peer lists twice", func(t *testing.T, c *end) {
			c.greet()
			c.list(list)
			c.list(list)
		}, 0, true},
		{"the peer lists before it greets", func(t *testing.T, c *end) {
			c.list(list)
			c.greet()
		}, 0, false},
		{"the peer asks before it greets", func(t *testing.T, c *end) {
			c.list(ask)
			c.greet()
		}, 0, false},
		{"the peer asks too much", func(t *testing.T, c *end) {
			c.greet()
			for range 10 + 1 {
				c.list(ask)
			}
		}, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				y := w.agent("198.51.100.1:51515")
				lasted := meets(t, y, func(e *end) { c.script(t, e) })
				pass(10 * time.Minute)
				if *lasted != c.lasts {
					t.Errorf("lasted %v, want %v", *lasted, c.lasts)
				}
				if heard := len(y.candidates.List()) == 1; heard != c.heard {
					t.Errorf("heard of something: %v", heard)
				}
			})
		})
	}
}

func TestPeerWithoutExtensionsIsLeftAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := w.agent("198.51.100.1:51515")
		x.rendezvous.SetForeground([]Foreground{public(swarmA)})
		here, there := connect(visitor("plain"), x.inhabitant)
		there.plain = true
		lasted := visit(x, hash(swarmA), here, there, func(*end) {})
		pass(time.Second)
		if *lasted != 0 {
			t.Errorf("lasted %v", *lasted)
		}
	})
}

func TestVisitorIsLeftToCloseTheConnection(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := w.agent("198.51.100.1:51515", listed(swarmB))
		x.rendezvous.SetForeground([]Foreground{public(swarmA)})
		lasted := visits(x, hash(swarmA), func(c *end) {
			_ = c.SendExtensionHandshake(peerwire.Extensions{M: map[string]uint8{peerwire.ExtensionList: 0}})
			c.list(discovery.Message{Type: discovery.TypeList})
			c.list(discovery.Message{Type: discovery.TypeRequest, Want: 10})
		})
		pass(time.Minute)
		if *lasted != patience {
			t.Errorf("lasted %v after both were served, want %v: the visitor may not have read our answer", *lasted, patience)
		}
	})
}

func TestVisitorsUnderOtherSwarmsAreTurnedAway(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := w.agent("198.51.100.1:51515", listed(swarmB))
		private := public(swarmC)
		private.Private = true
		x.rendezvous.SetForeground([]Foreground{public(swarmA), private})
		for _, h := range []swarm.InfoHash{hash(swarmB), hash(swarmC), Key(hash(swarmA))} {
			got := false
			lasted := visits(x, h, func(c *end) {
				_ = c.SendExtensionHandshake(peerwire.Extensions{M: map[string]uint8{peerwire.ExtensionList: 0}})
				c.list(discovery.Message{Type: discovery.TypeRequest, Want: 10})
				_, got = c.next(t)
			})
			pass(time.Second)
			if *lasted != 0 || got {
				t.Errorf("under %s: lasted %v, got a list: %v", h, *lasted, got)
			}
		}
	})
}

func TestGuestsAreBounded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := w.agent("198.51.100.1:51515", listed(swarmB))
		x.rendezvous.SetForeground([]Foreground{public(swarmA)})
		turnedAway := func(n int, addr func(i int) string) (count int) {
			var lasted []*time.Duration
			for i := range n {
				guest := visitor("silent")
				guest.addr = netip.MustParseAddrPort(addr(i))
				here, there := connect(guest, x.inhabitant)
				lasted = append(lasted, visit(x, hash(swarmA), here, there, func(*end) {}))
			}
			pass(time.Hour)
			for _, l := range lasted {
				if *l == 0 {
					count++
				}
			}
			return count
		}
		if n := turnedAway(maxGuests+5, func(i int) string { return fmt.Sprintf("192.0.2.%d:6881", i) }); n != 5 {
			t.Errorf("%d guests of %d were turned away", n, maxGuests+5)
		}
		if n := turnedAway(10, func(i int) string { return fmt.Sprintf("192.0.2.9:%d", 7000+i) }); n != 10-maxGuestsHost {
			t.Errorf("%d guests of 10 from one host were turned away", n)
		}
	})
}

func TestWhatWeSayInAMeeting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515", listed(swarmB))
		var said []peerwire.Message
		meets(t, y, func(c *end) {
			c.greet()
			for len(said) < 3 {
				m, err := c.Read()
				if err != nil {
					return
				}
				said = append(said, m)
			}
		})
		if len(said) != 3 {
			t.Fatalf("said %+v", said)
		}
		// BEP 6: a peer that speaks it says what it has before anything else.
		if said[0].Type != peerwire.HaveNone {
			t.Errorf("first: %v", said[0].Type)
		}
		x := said[1].Extensions
		if said[1].Type != peerwire.ExtensionHandshake || x.Port != y.addr.Port() || len(x.M) != 1 || x.M[peerwire.ExtensionList] == 0 {
			t.Errorf("second: %+v", said[1])
		}
		if m := must(t, said[2].Payload); m.Type != discovery.TypeRequest || m.Want != discovery.MaxEntries {
			t.Errorf("third: %+v", m)
		}
	})
}

func TestVisitorThatDoesNotListenIsHeardAndNotTried(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := w.agent("198.51.100.1:51515")
		x.rendezvous.SetForeground([]Foreground{public(swarmA)})
		x.run()
		visits(x, hash(swarmA), func(c *end) {
			_ = c.SendExtensionHandshake(peerwire.Extensions{M: map[string]uint8{peerwire.ExtensionList: 0}}) // no port
			c.next(t)
			c.list(discovery.Message{Type: discovery.TypeList, Entries: []discovery.Entry{listed(swarmB)}})
		})
		pass(time.Hour)
		if got := x.candidates.List(); len(got) != 1 || got[0].State != swarm.CandidateHeard || len(w.dialled()) != 0 {
			t.Errorf("%+v after %d dials", got, len(w.dialled()))
		}
	})
}

func TestNamesFromThePeerAreCleanedBeforeTheyAreTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		meets(t, y, func(c *end) {
			_ = c.SendExtensionHandshake(peerwire.Extensions{
				M: map[string]uint8{peerwire.ExtensionList: 0}, V: "evil\x1b[2J\n\u202e" + strings.Repeat("x", 1000),
			})
			e := listed(swarmB)
			e.Name = "two\nlines"
			c.list(discovery.Message{Type: discovery.TypeList, Entries: []discovery.Entry{e}})
		})
		pass(time.Minute)
		for line := range strings.Lines(y.told()) {
			if len(line) > 250 || strings.ContainsAny(line, "\x1b\u202e") || !strings.Contains(line, "two lines") {
				t.Errorf("told %q", line)
			}
		}
		if k, _ := y.candidates.Get(hash(swarmB)); k.Introducer().Client != "evil[2J "+strings.Repeat("x", 64-9)+"…" {
			t.Errorf("client %q", k.Introducer().Client)
		}
	})
}
