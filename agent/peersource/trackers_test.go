package peersource

import (
	"context"
	"maps"
	"net"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ebb/agent/swarm"

	"github.com/anacrolix/generics"
	httpTrackerServer "github.com/anacrolix/torrent/tracker/http/server"
	trackerServer "github.com/anacrolix/torrent/tracker/server"
	"github.com/anacrolix/torrent/tracker/shared"
	"github.com/anacrolix/torrent/tracker/udp"
	udpTrackerServer "github.com/anacrolix/torrent/tracker/udp/server"
)

// swarms is the memory of a tracker (trackerServer.AnnounceTracker), whose protocols are the library's.
type swarms struct {
	mu       sync.Mutex
	announce []udp.AnnounceRequest // everything that was announced
	peers    map[swarm.InfoHash]map[netip.AddrPort]int64
}

func (s *swarms) TrackAnnounce(_ context.Context, req udp.AnnounceRequest, from netip.AddrPort) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.announce = append(s.announce, req)
	h := swarm.InfoHash(req.InfoHash)
	if s.peers == nil {
		s.peers = make(map[swarm.InfoHash]map[netip.AddrPort]int64)
	}
	if s.peers[h] == nil {
		s.peers[h] = make(map[netip.AddrPort]int64)
	}
	if req.Event == shared.Stopped {
		delete(s.peers[h], from)
	} else {
		s.peers[h][from] = req.Left
	}
	return nil
}

func (s *swarms) GetPeers(_ context.Context, h trackerServer.InfoHash, _ trackerServer.GetPeersOpts, asker netip.AddrPort) (res trackerServer.ServerAnnounceResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seeders, leechers := int32(0), int32(0)
	for peer, left := range s.peers[swarm.InfoHash(h)] {
		if left == 0 {
			seeders++
		} else {
			leechers++
		}
		if peer != asker {
			res.Peers = append(res.Peers, trackerServer.PeerInfo{AnnounceAddr: peer})
		}
	}
	res.Interval = generics.Some[int32](600)
	res.Seeders, res.Leechers = generics.Some(seeders), generics.Some(leechers)
	return res
}

func (s *swarms) Scrape(context.Context, []trackerServer.InfoHash) ([]udp.ScrapeInfohashResult, error) {
	return nil, nil
}

func (s *swarms) sorted(h swarm.InfoHash) []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.peers[h]), netip.AddrPort.Compare)
}

// httpTrackerAt serves s over HTTP, and returns the announce URL.
func httpTrackerAt(t *testing.T, s *swarms) string {
	server := httptest.NewServer(httpTrackerServer.Handler{
		Announce: &trackerServer.AnnounceHandler{AnnounceTracker: s},
	})
	t.Cleanup(server.Close)
	return server.URL + "/announce"
}

// udpTrackerAt serves s over UDP, and returns the announce URL.
func udpTrackerAt(t *testing.T, s *swarms, address string) string {
	conn, err := net.ListenPacket("udp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &udpTrackerServer.Server{
		ConnTracker: new(connectionIDs),
		SendResponse: func(_ context.Context, data []byte, to net.Addr) (int, error) {
			return conn.WriteTo(data, to)
		},
		Announce: &trackerServer.AnnounceHandler{AnnounceTracker: s},
	}
	family := udp.AddrFamily(udp.AddrFamilyIpv4)
	if netip.MustParseAddr(address).Is6() {
		family = udp.AddrFamilyIpv6
	}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if err := server.HandleRequest(context.Background(), family, from, buf[:n]); err != nil {
				t.Errorf("the library's tracker does not understand us: %v", err)
			}
		}
	})
	t.Cleanup(func() { conn.Close(); done.Wait() })
	return "udp://" + conn.LocalAddr().String() + "/announce"
}

// connectionIDs remembers what the UDP server gave out (udpTrackerServer.ConnectionTracker).
type connectionIDs struct{ ids sync.Map }

func (c *connectionIDs) Add(_ context.Context, addr string, id udp.ConnectionId) error {
	c.ids.Store(addr, id)
	return nil
}

func (c *connectionIDs) Check(_ context.Context, addr string, id udp.ConnectionId) (bool, error) {
	stored, ok := c.ids.Load(addr)
	return ok && stored == id, nil
}

// lab is the guard of a world on loopback.
var lab = Guard{AllowPrivate: true}

func TestAnnounceMeetsPeersOnForeignTrackers(t *testing.T) {
	for name, tracker := range map[string]func(*testing.T, *swarms) string{
		"http":     httpTrackerAt,
		"udp":      func(t *testing.T, s *swarms) string { return udpTrackerAt(t, s, "127.0.0.1") },
		"udp IPv6": func(t *testing.T, s *swarms) string { return udpTrackerAt(t, s, "::1") },
	} {
		t.Run(name, func(t *testing.T) {
			var s swarms
			url := tracker(t, &s)
			trackers := NewTrackers(lab, "ebb/test")
			self := "127.0.0.1"
			if name == "udp IPv6" {
				self = "::1"
			}
			at := func(port uint16) netip.AddrPort {
				return netip.AddrPortFrom(netip.MustParseAddr(self), port)
			}
			h := hash('a')
			h[3] = ' ' // which some encodings turn into '+'
			seed := AnnounceRequest{Hash: h, PeerID: [20]byte{1}, Port: 1001, Event: EventStarted, Left: 0, Uploaded: 7}
			leech := AnnounceRequest{Hash: h, PeerID: [20]byte{2}, Port: 1002, Event: EventStarted, Left: 500, Downloaded: 9}
			if _, err := trackers.Announce(patient(t), url, seed); err != nil {
				t.Fatal(err)
			}
			resp, err := trackers.Announce(patient(t), url, leech)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(resp.Peers, []netip.AddrPort{at(1001)}) {
				t.Errorf("peers %v, want the seed", resp.Peers)
			}
			if resp.Interval != 10*time.Minute || resp.Seeds != 1 || resp.Leechers != 1 {
				t.Errorf("interval %v, %d seeders, %d leechers; want 10 min, 1, 1", resp.Interval, resp.Seeds, resp.Leechers)
			}
			seed.Event = EventStopped
			if _, err := trackers.Announce(patient(t), url, seed); err != nil {
				t.Fatal(err)
			}
			if got := s.sorted(h); !slices.Equal(got, []netip.AddrPort{at(1002)}) {
				t.Errorf("after the seed's 'stopped' the tracker has %v", got)
			}
			if _, err := trackers.Announce(patient(t), url, AnnounceRequest{Hash: h, Port: 1003, Left: -1}); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			var events []shared.AnnounceEvent
			for _, a := range s.announce {
				events = append(events, a.Event)
			}
			if want := []shared.AnnounceEvent{shared.Started, shared.Started, shared.Stopped, shared.None}; !slices.Equal(events, want) {
				t.Errorf("events %v, want %v", events, want)
			}
			if left := s.announce[3].Left; left != leftUnknown {
				t.Errorf("an unknown amount was announced as %d bytes left", left)
			}
		})
	}
}

func TestAnnounceLeavesFromTheLocalAddress(t *testing.T) {
	var s swarms
	guard := lab
	guard.Local = netip.MustParseAddr("127.0.0.23")
	trackers := NewTrackers(guard, "ebb/test")
	for i, url := range []string{httpTrackerAt(t, &s), udpTrackerAt(t, &s, "127.0.0.1")} {
		if _, err := trackers.Announce(patient(t), url, AnnounceRequest{Port: uint16(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := s.sorted(swarm.InfoHash{}), addrs("127.0.0.23:1", "127.0.0.23:2"); !slices.Equal(got, want) {
		t.Errorf("the trackers saw %v, want %v", got, want)
	}
}

func TestAnnounceRefusesLoopbackByDefault(t *testing.T) {
	var s swarms
	trackers := NewTrackers(Guard{}, "ebb/test")
	for _, url := range []string{httpTrackerAt(t, &s), udpTrackerAt(t, &s, "127.0.0.1")} {
		if _, err := trackers.Announce(patient(t), url, AnnounceRequest{Port: 1}); err == nil {
			t.Errorf("announced to %s", url)
		}
	}
	if len(s.announce) > 0 {
		t.Errorf("the trackers heard %v", s.announce)
	}
}

func TestAnswerKeepsAtMost200DistinctAllowedPeers(t *testing.T) {
	var peers []netip.AddrPort
	add := func(addr string, port int) {
		peers = append(peers, netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(port)))
	}
	add("127.0.0.1", 80)
	add("192.168.1.1", 80)
	add("8.8.8.8", 0)
	for port := range 500 {
		add("8.8.8.8", port/2+1)
		add("::ffff:8.8.8.8", port/2+1)
	}
	kept := usable(Guard{}, peers)
	if len(kept) != maxPeers {
		t.Errorf("kept %d, want %d", len(kept), maxPeers)
	}
	seen := make(map[netip.AddrPort]bool)
	for _, peer := range kept {
		if peer.Addr() != netip.MustParseAddr("8.8.8.8") || peer.Port() == 0 || seen[peer] {
			t.Errorf("kept %v", peer)
		}
		seen[peer] = true
	}
}

func TestReasonsAreFitToBeShown(t *testing.T) {
	for reason, want := range map[string]string{
		"":                          "no reason given",
		"\x00\x01":                  "no reason given",
		"not\nregistered \x1b[31m!": "not registered [31m!",
		"d\xff\xfed":                "d d",
	} {
		if got := refusal(reason).Reason; got != want {
			t.Errorf("%q became %q, want %q", reason, got, want)
		}
	}
	if n := len(refusal(strings.Repeat("x", 1<<20)).Reason); n > maxReason {
		t.Errorf("a reason of %d bytes was kept", n)
	}
}
