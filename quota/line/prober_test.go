package line

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ebb/platform"
	"ebb/quota/line/govern"
)

var (
	hopOne, hopTwo   = netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	peerOne, peerTwo = netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
)

// network is one that a prober asks, in fake time.
type network struct {
	*prober
	t   *testing.T
	log bytes.Buffer

	mu    sync.Mutex // guards what follows
	at    busyLine
	first platform.Hop  // beyond the line
	rtt   time.Duration // to it; 0: it does not answer
	fails error         // instead of finding the hop
	asked []string      // since the last time
	last  time.Time
}

// probing runs a scene on a line without a queue, where the background is busy.
func probing(t *testing.T, scene func(n *network)) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{t: t, at: busyLine{peerOne, "wan", true}, first: platform.Hop{Number: 2, Addr: hopOne}, rtt: 10 * time.Millisecond}
		n.prober = &prober{
			busy: func() busyLine { n.mu.Lock(); defer n.mu.Unlock(); return n.at },
			find: func(ctx context.Context, peer netip.Addr) (platform.Hop, error) {
				hop, err := n.answer(ctx, "find "+peer.String())
				if n.fails != nil {
					err = n.fails
				}
				return hop, err
			},
			ask: func(ctx context.Context, peer netip.Addr, hop int) (platform.Hop, error) {
				return n.answer(ctx, fmt.Sprint(hop, " to ", peer))
			},
			log: slog.New(slog.NewTextHandler(&n.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { n.run(ctx) })
		scene(n)
		cancel()
		running.Wait()
	})
}

func (n *network) answer(ctx context.Context, question string) (platform.Hop, error) {
	n.mu.Lock()
	hop, sent := n.first, time.Now()
	hop.RTT, hop.Sent = n.rtt, sent
	if sent.Sub(n.last) < probeEvery {
		n.t.Errorf("%q is asked %s after the last question", question, sent.Sub(n.last))
	}
	n.asked, n.last = append(n.asked, question), sent
	n.mu.Unlock()
	wait := hop.RTT
	if wait == 0 {
		wait = time.Second
	}
	select {
	case <-ctx.Done():
		return platform.Hop{}, ctx.Err()
	case <-time.After(wait):
	}
	if hop.RTT == 0 {
		return platform.Hop{}, os.ErrDeadlineExceeded
	}
	return hop, nil
}

// after lets time pass in another state, and returns what was asked meanwhile.
func (n *network) after(d time.Duration, change func()) []string {
	n.mu.Lock()
	if change != nil {
		change()
	}
	n.asked = nil
	n.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.asked)
}

// sensed is what the governor is told.
func (n *network) sensed() govern.Surroundings {
	around := govern.Surroundings{Interface: n.busy().link}
	n.tell(&around, time.Now())
	return around
}

func (n *network) expect(what string, delay time.Duration, hop netip.Addr) {
	n.t.Helper()
	s := n.sensed()
	if !s.Probed || s.Probe != delay || s.ProbeHop != hop || s.ProbeAge <= 0 || s.ProbeAge > 2*time.Second {
		n.t.Errorf("%s: probed %v, %s of %s, %s ago; want %s of %s", what, s.Probed, s.Probe, s.ProbeHop, s.ProbeAge, delay, hop)
	}
}

func TestTheLineIsProbedWhileTheBackgroundIsBusy(t *testing.T) {
	const few = 3*time.Second + 500*time.Millisecond
	probing(t, func(n *network) {
		if asked := n.after(few, func() { n.at.peer = netip.Addr{} }); len(asked) > 0 || n.sensed().Probed {
			t.Errorf("while it is not: %q", asked)
		}
		if asked := n.after(few, func() { n.at.peer = peerOne }); !slices.Equal(asked, []string{"find 198.51.100.1", "2 to 198.51.100.1", "2 to 198.51.100.1"}) {
			t.Errorf("while it is: %q", asked)
		}
		n.expect("no queue", 0, hopOne)
		n.after(few, func() { n.rtt, n.at.clear = 110*time.Millisecond, false })
		n.expect("a queue", 100*time.Millisecond, hopOne)
		if asked := n.after(few, func() { n.at.peer = peerTwo }); !slices.Equal(asked, []string{"2 to 198.51.100.1", "2 to 198.51.100.1", "2 to 198.51.100.1"}) {
			t.Errorf("with another peer: %q", asked)
		}
		n.after(time.Minute, func() { n.at.peer = netip.Addr{} })
		if s := n.sensed(); s.ProbeAge < time.Minute {
			t.Errorf("a minute later the answer was asked for %s ago", s.ProbeAge)
		}
		if known := n.firstHop(); known.Hop.Addr != hopOne || known.Hop.Number != 2 || known.Hop.RTT != 110*time.Millisecond || known.Silence != "" {
			t.Errorf("known: %+v", known)
		}
	})
}

func TestAnotherHopIsLookedForWhenTheWayIsAnother(t *testing.T) {
	probing(t, func(n *network) {
		n.after(5*time.Second, nil)
		asked := n.after(3*time.Second, func() { n.first.Addr, n.rtt, n.at.peer = hopTwo, 30*time.Millisecond, peerTwo })
		if !slices.Contains(asked, "find 198.51.100.2") {
			t.Errorf("another hop answers: %q", asked)
		}
		n.after(5*time.Second, nil)
		n.expect("its shortest round trip is its own", 0, hopTwo)
		n.after(5*time.Second, func() { n.first.Addr, n.at.clear = hopOne, false })
		n.expect("the first one's is still known", 20*time.Millisecond, hopOne)

		asked = n.after(time.Second, func() { n.at.link = "wwan" })
		if !slices.Equal(asked, []string{"find 198.51.100.2"}) || n.sensed().Probed {
			t.Errorf("another interface: %q, probed %v", asked, n.sensed().Probed)
		}
		n.after(5*time.Second, nil)
		if n.sensed().Probed {
			t.Error("on a line of which it is not known whether it has a queue, a delay is told")
		}
		if asked = n.after(5*time.Second, func() { n.at.link = "" }); len(asked) > 0 || n.sensed().Probed {
			t.Errorf("no interface: %q", asked)
		}
	})
}

// A queue that stands for longer than five minutes must not become what is usual.
func TestTheShortestRoundTripIsOneWithoutAQueue(t *testing.T) {
	probing(t, func(n *network) {
		n.after(time.Minute, nil)
		n.after(time.Hour, func() { n.rtt, n.at.clear = 110*time.Millisecond, false })
		n.expect("after an hour of a queue", 100*time.Millisecond, hopOne)
		n.after(4*time.Minute, func() { n.rtt, n.at.clear = 15*time.Millisecond, true })
		n.expect("four minutes of a longer way", 5*time.Millisecond, hopOne)
		n.after(2*time.Minute, nil)
		n.expect("two more", 0, hopOne)
		n.after(5*time.Second, func() { n.rtt = 8 * time.Millisecond })
		n.after(5*time.Second, func() { n.rtt = 9 * time.Millisecond })
		n.expect("a shorter one counts at once", time.Millisecond, hopOne)
	})
}

func TestANetworkThatDoesNotAnswerIsLetBe(t *testing.T) {
	for name, found := range map[string]bool{"no hop": false, "a hop, once": true} {
		t.Run(name, func(t *testing.T) {
			probing(t, func(n *network) {
				if !found {
					n.fails = os.ErrDeadlineExceeded
				}
				n.after(5*time.Second, nil)
				n.after(time.Minute-5*time.Second, func() { n.rtt, n.fails = 0, os.ErrDeadlineExceeded })
				for _, c := range []struct {
					within time.Duration
					most   int
				}{{3 * time.Minute, 3}, {4 * time.Minute, 2}, {24 * time.Hour, 24 + 4}, {4 * time.Hour, 4}} {
					if asked := n.after(c.within, nil); len(asked) == 0 || len(asked) > c.most {
						t.Errorf("within %s it is asked %d times, at most %d are well", c.within, len(asked), c.most)
					}
				}
				if lines := strings.Count(n.log.String(), "\n"); lines != 1 || !strings.Contains(n.log.String(), "level=DEBUG") {
					t.Errorf("it is said in %d lines:\n%s", lines, n.log.String())
				}
				n.after(2*time.Hour, func() { n.rtt, n.fails = 10*time.Millisecond, nil })
				n.expect("it answers again", 0, hopOne)
				if asked := n.after(65*time.Second, func() { n.rtt = 0 }); len(asked) < probeMisses {
					t.Errorf("then it is silent again: %q", asked)
				}
				if asked := n.after(time.Minute, func() { n.rtt = 10 * time.Millisecond }); len(asked) < 40 {
					t.Errorf("after a minute it is asked %d times", len(asked))
				}
			})
		})
	}
}

func TestAProbeThatIsNotAllowedEnds(t *testing.T) {
	probing(t, func(n *network) {
		n.fails = fmt.Errorf("pinging: %w", platform.ErrNoProbe)
		asked := n.after(time.Hour, nil)
		if len(asked) != 1 || strings.Count(n.log.String(), "\n") != 1 {
			t.Errorf("it asks %q, and says\n%s", asked, n.log.String())
		}
		if known := n.firstHop(); known.Hop != (platform.Hop{}) || !strings.Contains(known.Silence, "may not send pings") {
			t.Errorf("known: %+v", known)
		}
	})
}

func TestProbingEndsWithItsContext(t *testing.T) {
	probing(t, func(n *network) {
		n.after(5*time.Second, func() { n.rtt = 0 })
	}) // in the middle of a question
}
