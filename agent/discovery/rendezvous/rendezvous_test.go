package rendezvous

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/discovery"
	"ebb/agent/peersource"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

func TestKeyIsTheDocumentedHash(t *testing.T) {
	h := hash(1)
	want := sha1.Sum(append([]byte("ebb rendezvous 1"), h[:]...))
	if got := Key(h); got != swarm.InfoHash(want) || got == Key(hash(2)) {
		t.Errorf("got %s", got)
	}
	// printf '%s' 'ebb rendezvous 1' with 20 zero bytes, through sha1sum.
	if got := Key(swarm.InfoHash{}); hex.EncodeToString(got[:]) != "7dd30cbff639563f81c41b3b262b346cc5d133bf" {
		t.Errorf("got %s", got)
	}
}

// The swarms of these tests: A is the foreground of both X and Y.
const swarmA, swarmB, swarmC = 1, 2, 3

func TestAgentFindsAndVerifiesTheBackgroundSwarmOfAnother(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x, y := w.agent("192.0.2.1:51515", listed(swarmB)), w.agent("198.51.100.1:51515")
		for _, a := range []*agent{x, y} {
			a.rendezvous.SetForeground([]Foreground{public(swarmA)})
			a.run()
		}
		y.finds(hash(swarmA), x.addr)

		ready := y.candidates.Ready()
		if len(ready) != 1 || ready[0].Hash != hash(swarmB) {
			t.Fatalf("ready: %+v\nstory:\n%s", ready, y.told())
		}
		k := ready[0]
		in := k.Introducer()
		if in.PeerID != x.id || in.Addr != x.addr || in.Client != "ebb 0.1.0" || in.ViaHash != hash(swarmA) || in.ViaName != "swarm 1" {
			t.Errorf("introducer: %+v", in)
		}
		if k.Heard.IsZero() || k.Verified.IsZero() || k.Rule != `sources.peers = "auto"` || k.Name != "swarm 2" || len(k.Trackers) != 1 {
			t.Errorf("candidate: %+v", k)
		}
		want := "ebb 0.1.0 (192.0.2.1:51515) is in a swarm we are not in: swarm 2\n" +
			"verified: ebb 0.1.0 (192.0.2.1:51515) shook hands with us in swarm 2"
		if got := y.told(); got != want {
			t.Errorf("the story is\n%s\nwant\n%s", got, want)
		}
		if len(x.candidates.List()) != 0 {
			t.Errorf("X learned of %+v", x.candidates.List())
		}
	})
}

func TestBothSidesLearnFromOneMeeting(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x, y := w.agent("192.0.2.1:51515", listed(swarmB)), w.agent("198.51.100.1:51515", listed(swarmC))
		for _, a := range []*agent{x, y} {
			a.rendezvous.SetForeground([]Foreground{public(swarmA)})
			a.run()
		}
		y.finds(hash(swarmA), x.addr)
		if got := hashes(y.candidates.Ready()); !reflect.DeepEqual(got, []swarm.InfoHash{hash(swarmB)}) {
			t.Errorf("Y has ready %v", got)
		}
		// X has to dial the port that Y named, not the one it came from.
		if got := x.candidates.Ready(); len(got) != 1 || got[0].Hash != hash(swarmC) || got[0].Introducer().Addr != y.addr {
			t.Errorf("X has ready %+v", got)
		}
		// The meeting the other way round would tell nothing new.
		x.finds(hash(swarmA), y.addr)
		for _, d := range w.dialsTo(y.addr) {
			if d.hash == hash(swarmA) && d.from == x.addr {
				t.Error("X dialled Y although it has just had its list")
			}
		}
	})
}

func TestConnectionsAreClosedSoonAfterTheExchange(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x, y := w.agent("192.0.2.1:51515", listed(swarmB)), w.agent("198.51.100.1:51515")
		for _, a := range []*agent{x, y} {
			a.rendezvous.SetForeground([]Foreground{public(swarmA)})
			a.run()
		}
		y.finds(hash(swarmA), x.addr)
		x.rendezvous.mu.Lock()
		guests := len(x.rendezvous.guests)
		x.rendezvous.mu.Unlock()
		if guests != 1 {
			t.Fatalf("%d guests right after the exchange", guests)
		}
		pass(linger)
		x.rendezvous.mu.Lock()
		defer x.rendezvous.mu.Unlock()
		y.rendezvous.mu.Lock()
		defer y.rendezvous.mu.Unlock()
		if len(x.rendezvous.guests) != 0 || y.rendezvous.meetings != 0 {
			t.Errorf("still %d guests at X, %d meetings of Y", len(x.rendezvous.guests), y.rendezvous.meetings)
		}
	})
}

func TestOnlyPublicTorrentsHaveARendezvous(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := w.agent("192.0.2.1:51515")
		private, magnet := public(2), public(3)
		private.Private, magnet.MetadataKnown = true, false
		x.rendezvous.SetForeground([]Foreground{public(swarmA), private, magnet})
		for n, want := range map[int]bool{1: true, 2: false, 3: false} {
			if _, announced := x.posted(Key(hash(n))); announced != want || x.rendezvous.Knows(hash(n)) != want {
				t.Errorf("swarm %d announced: %v", n, announced)
			}
			if _, announced := x.posted(hash(n)); announced {
				t.Errorf("swarm %d announced under its own hash", n)
			}
		}
		got, _ := x.posted(Key(hash(swarmA)))
		if !reflect.DeepEqual(got.Trackers, public(swarmA).Trackers) || got.Port != x.addr.Port() || !got.DHT || got.Onlooker {
			t.Errorf("announced as %+v", got)
		}
		for h := range x.rendezvous.InfoHashes() {
			if h != hash(swarmA) {
				t.Errorf("%s is offered", h)
			}
		}
	})
}

func TestRendezvousFollowsTheForeground(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x := w.agent("192.0.2.1:51515")
		magnet := Foreground{Hash: hash(2), Name: "a magnet"}
		x.rendezvous.SetForeground([]Foreground{public(1), magnet})
		late := public(2)
		late.Trackers = []string{"udp://tracker.example.org:6969"}
		x.rendezvous.SetForeground([]Foreground{late})
		if _, still := x.posted(Key(hash(1))); still || x.rendezvous.Knows(hash(1)) {
			t.Error("a torrent that was removed is still announced")
		}
		if got, ok := x.posted(Key(hash(2))); !ok || !reflect.DeepEqual(got.Trackers, late.Trackers) {
			t.Errorf("once its metadata is known: %+v, %v", got, ok)
		}
		late.Trackers = append(late.Trackers, "http://tracker.example.org/announce")
		x.rendezvous.SetForeground([]Foreground{late})
		if got, _ := x.posted(Key(hash(2))); len(got.Trackers) != 2 {
			t.Errorf("with another tracker: %+v", got)
		}
		late.Private = true
		x.rendezvous.SetForeground([]Foreground{late})
		if _, still := x.posted(Key(hash(2))); still {
			t.Error("a torrent that turned out to be private is still announced")
		}
	})
}

func TestAnswersAtAForgottenRendezvousAreIgnored(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x, y := w.agent("192.0.2.1:51515"), w.agent("198.51.100.1:51515")
		y.rendezvous.SetForeground([]Foreground{public(swarmA)})
		old, _ := y.posted(Key(hash(swarmA)))
		y.rendezvous.SetForeground(nil)
		y.run()
		old.Found(peersource.Result{Peers: []netip.AddrPort{x.addr}})
		synctest.Wait()
		if d := w.dialsTo(x.addr); len(d) != 0 {
			t.Errorf("dialled %+v", d)
		}
	})
}

func TestNobodyIsDialledTwiceInTenMinutes(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.rendezvous.SetForeground([]Foreground{public(swarmA), public(swarmC)})
		y.run()
		x := w.agent("192.0.2.1:51515")
		x.rendezvous.SetForeground([]Foreground{public(swarmA), public(swarmC)})
		nobody := netip.MustParseAddrPort("203.0.113.1:6881")
		mapped := netip.AddrPortFrom(netip.AddrFrom16(nobody.Addr().As16()), nobody.Port())

		y.finds(hash(swarmA), nobody, x.addr)
		y.finds(hash(swarmA), nobody, mapped, x.addr)
		y.finds(hash(swarmC), x.addr) // its list would be the same
		pass(redialInterval - time.Second)
		y.finds(hash(swarmA), nobody, x.addr)
		if n, m := len(w.dialsTo(nobody)), len(w.dialsTo(x.addr)); n != 1 || m != 1 {
			t.Errorf("dialled %d and %d times within ten minutes", n, m)
		}
		pass(2 * time.Second)
		y.finds(hash(swarmA), nobody, x.addr)
		if n, m := len(w.dialsTo(nobody)), len(w.dialsTo(x.addr)); n != 2 || m != 2 {
			t.Errorf("dialled %d and %d times after ten minutes", n, m)
		}
	})
}

func TestOwnAddressIsDialledOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.rendezvous.SetForeground([]Foreground{public(swarmA), public(swarmC)})
		y.run()
		for range 5 {
			y.finds(hash(swarmA))
			y.finds(hash(swarmC))
			pass(redialInterval)
		}
		if d := w.dialsTo(y.addr); len(d) > 2 {
			t.Errorf("dialled itself %d times", len(d))
		}
	})
}

func TestDialsAreBounded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.rendezvous.SetForeground([]Foreground{public(swarmA)})
		y.run()
		var addrs []netip.AddrPort
		for i := range 200 {
			p := &inhabitant{addr: netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:6881", i)), hangs: true}
			w.add(p)
			addrs = append(addrs, p.addr)
		}
		y.finds(hash(swarmA), addrs...)
		if n := len(w.dialled()); n != maxMeetings {
			t.Fatalf("%d dials at once", n)
		}
		pass(30 * time.Second)
		if n := len(w.dialled()); n != 2*maxMeetings {
			t.Fatalf("%d dials after the first timed out", n)
		}
		pass(time.Hour)
		if n := len(w.dialled()); n != maxQueuedSwarm {
			t.Errorf("%d dials in all, of those that one tracker named", n)
		}
	})
}

func TestNobodyIsMetForATorrentThatIsGone(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.rendezvous.SetForeground([]Foreground{public(swarmA)})
		y.run()
		var addrs []netip.AddrPort
		for i := range 20 {
			p := &inhabitant{addr: netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:6881", i)), hangs: true}
			w.add(p)
			addrs = append(addrs, p.addr)
		}
		y.finds(hash(swarmA), addrs...)
		y.rendezvous.SetForeground(nil)
		pass(time.Hour)
		if n := len(w.dialled()); n != maxMeetings {
			t.Errorf("%d dials, %d of them after the owner removed the torrent", n, n-maxMeetings)
		}
	})
}

func TestTrackerCannotMakeUsFloodAHost(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.rendezvous.SetForeground([]Foreground{public(swarmA), public(swarmC)})
		y.run()
		var ports []netip.AddrPort
		for port := range uint16(100) {
			ports = append(ports, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), 1+port))
		}
		y.finds(hash(swarmA), ports...)
		y.finds(hash(swarmC), ports...)
		pass(time.Minute)
		if n := len(w.dialled()); n > maxQueuedHost+2 { // and itself, in both swarms
			t.Errorf("%d dials to one host", n)
		}
	})
}

func TestRunEndsWithItsContextAndWaits(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		y := w.agent("198.51.100.1:51515")
		y.rendezvous.SetForeground([]Foreground{public(swarmA)})
		hung := &inhabitant{addr: netip.MustParseAddrPort("192.0.2.1:6881"), hangs: true}
		w.add(hung)
		silent := w.stranger("192.0.2.2:6881", func(_ context.Context, c *end, _ swarm.InfoHash) { c.next(t) })
		ctx, cancel := context.WithCancel(w.ctx)
		ended := make(chan error, 1)
		go func() { ended <- y.rendezvous.Run(ctx) }()
		y.finds(hash(swarmA), hung.addr, silent.addr)
		began := time.Now()
		cancel()
		if err := <-ended; err != nil || time.Since(began) > 0 {
			t.Errorf("ended after %v with %v", time.Since(began), err)
		}
		y.rendezvous.mu.Lock()
		defer y.rendezvous.mu.Unlock()
		if y.rendezvous.meetings != 0 {
			t.Errorf("%d meetings outlived it", y.rendezvous.meetings)
		}
	})
}

func TestPeersOffMeansNobodyIsAsked(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		x, y := w.agent("192.0.2.1:51515", listed(swarmB)), w.agent("198.51.100.1:51515", listed(swarmC))
		x.consent = prefs.Sources{Peers: prefs.ModeOff}
		for _, a := range []*agent{x, y} {
			a.rendezvous.SetForeground([]Foreground{public(swarmA)})
			a.run()
		}
		x.finds(hash(swarmA), y.addr)
		if d := w.dialsTo(y.addr); len(d) != 0 {
			t.Errorf("dialled %+v", d)
		}
		y.finds(hash(swarmA), x.addr)
		pass(time.Minute)
		if got := x.candidates.List(); len(got) != 0 {
			t.Errorf("learned of %+v", got)
		}
		// What it lists itself is another preference's business.
		if got := y.candidates.Ready(); len(got) != 1 || got[0].Hash != hash(swarmB) {
			t.Errorf("Y has ready %+v", got)
		}
	})
}

func TestOnlyTheStartOfALongListIsTold(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var many []discovery.Entry
		for i := range 50 {
			e := listed(100 + i)
			if i%2 == 1 {
				e.TTL = 2
			}
			many = append(many, e)
		}
		x, y := w.agent("192.0.2.1:51515", many...), w.agent("198.51.100.1:51515")
		for _, a := range []*agent{x, y} {
			a.rendezvous.SetForeground([]Foreground{public(swarmA)})
		}
		x.run()
		y.run()
		y.finds(hash(swarmA), x.addr)
		heard := 0
		for line := range strings.Lines(y.told()) {
			if !strings.HasPrefix(line, "verified") {
				heard++
			}
		}
		if heard != 5+1 || !strings.Contains(y.told(), "listed 45 more swarms that we are not in") ||
			!strings.Contains(y.told(), "has heard of a swarm we are not in: swarm 101") {
			t.Errorf("the story:\n%s", y.told())
		}
		if n := len(y.candidates.Ready()); n != 25 {
			t.Errorf("%d of the 25 swarms that X is in are ready", n)
		}
	})
}
