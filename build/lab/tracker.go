package lab

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"ebb/agent/swarm"

	"github.com/anacrolix/generics"
	httptracker "github.com/anacrolix/torrent/tracker/http/server"
	trackerserver "github.com/anacrolix/torrent/tracker/server"
	"github.com/anacrolix/torrent/tracker/shared"
	"github.com/anacrolix/torrent/tracker/udp"
	udptracker "github.com/anacrolix/torrent/tracker/udp/server"
)

// announceInterval is short, so that stock peers find newcomers within seconds. Seconds.
const announceInterval = 2

// loopback is where stock peers announce from, wherever they listen.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// tracker remembers who announced what. The protocols on top are a library's.
type tracker struct {
	url, udpURL string
	http        http.Server
	udp         net.PacketConn
	running     sync.WaitGroup

	mu     sync.Mutex
	owners map[uint16]netip.Addr                       // port → the address that its owner listens on
	swarms map[swarm.InfoHash]map[netip.AddrPort]int64 // bytes that each peer lacks
	change chan struct{}                               // closed, and replaced, when an announce has changed swarms
}

// startTracker serves HTTP on listener, and UDP on the same address.
func startTracker(listener net.Listener) (*tracker, error) {
	conn, err := net.ListenPacket("udp4", listener.Addr().String())
	if err != nil {
		return nil, err
	}
	t := &tracker{
		url:    "http://" + listener.Addr().String() + "/announce",
		udpURL: "udp://" + listener.Addr().String() + "/announce",
		udp:    conn,
		owners: make(map[uint16]netip.Addr),
		swarms: make(map[swarm.InfoHash]map[netip.AddrPort]int64),
		change: make(chan struct{}),
	}
	handler := &trackerserver.AnnounceHandler{AnnounceTracker: t}
	t.http = http.Server{
		Handler:           partialSeeds(httptracker.Handler{Announce: handler}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	t.running.Go(func() { _ = t.http.Serve(listener) }) // ends with Close
	t.running.Go(func() { t.serveUDP(handler) })
	return t, nil
}

// partialSeeds makes the library accept the event of BEP 21, which it does not know.
func partialSeeds(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if query := r.URL.Query(); query.Get("event") == "paused" {
			query.Del("event")
			r.URL.RawQuery = query.Encode()
		}
		next.ServeHTTP(w, r)
	})
}

// serveUDP answers one packet after another until the socket is closed.
func (t *tracker) serveUDP(handler *trackerserver.AnnounceHandler) {
	server := &udptracker.Server{
		ConnTracker: make(connections),
		SendResponse: func(_ context.Context, data []byte, to net.Addr) (int, error) {
			return t.udp.WriteTo(data, to)
		},
		Announce: handler,
	}
	packet := make([]byte, 1500)
	for {
		n, from, err := t.udp.ReadFrom(packet)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			// What is no request gets no answer.
			_ = server.HandleRequest(context.Background(), udp.AddrFamilyIpv4, from, packet[:n])
		}
	}
}

func (t *tracker) close() error {
	err := errors.Join(t.http.Close(), t.udp.Close())
	t.running.Wait()
	return err
}

// taken reports whether one of the ports has an owner.
func (t *tracker) taken(begin, end uint16) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for port := begin; port < end; port++ {
		if _, ok := t.owners[port]; ok {
			return true
		}
	}
	return false
}

// assign makes addr the owner of the ports.
func (t *tracker) assign(addr netip.Addr, begin, end uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for port := begin; port < end; port++ {
		t.owners[port] = addr
	}
}

// real returns where a peer that announced from addr listens. The caller holds mu.
func (t *tracker) real(addr netip.AddrPort) netip.AddrPort {
	ip := addr.Addr().Unmap()
	if owner, ok := t.owners[addr.Port()]; ok && ip == loopback {
		ip = owner
	}
	return netip.AddrPortFrom(ip, addr.Port())
}

// forget removes all peers at addr from all swarms.
func (t *tracker) forget(addr netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, peers := range t.swarms {
		maps.DeleteFunc(peers, func(peer netip.AddrPort, _ int64) bool { return peer.Addr() == addr })
	}
	t.changed()
}

// changed wakes those who wait for a change. The caller holds mu.
func (t *tracker) changed() {
	close(t.change)
	t.change = make(chan struct{})
}

// TrackAnnounce records an announce. It is called by the library.
func (t *tracker) TrackAnnounce(_ context.Context, r udp.AnnounceRequest, from netip.AddrPort) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	h, addr := swarm.InfoHash(r.InfoHash), t.real(from)
	if r.Event == shared.Stopped {
		delete(t.swarms[h], addr)
	} else {
		if t.swarms[h] == nil {
			t.swarms[h] = make(map[netip.AddrPort]int64)
		}
		t.swarms[h][addr] = r.Left
	}
	t.changed()
	return nil
}

// GetPeers answers an announce. It is called by the library.
func (t *tracker) GetPeers(_ context.Context, h trackerserver.InfoHash, opts trackerserver.GetPeersOpts, from netip.AddrPort) (answer trackerserver.ServerAnnounceResult) {
	t.mu.Lock()
	defer t.mu.Unlock()
	self := t.real(from)
	for addr := range t.swarms[swarm.InfoHash(h)] {
		if opts.MaxCount.Ok && uint(len(answer.Peers)) >= opts.MaxCount.Value {
			break
		}
		if addr != self {
			answer.Peers = append(answer.Peers, trackerserver.PeerInfo{AnnounceAddr: addr})
		}
	}
	seeders, leechers := t.count(swarm.InfoHash(h))
	answer.Interval = generics.Some[int32](announceInterval)
	answer.Seeders, answer.Leechers = generics.Some(seeders), generics.Some(leechers)
	return answer
}

// Scrape counts the peers of swarms. It is called by the library.
func (t *tracker) Scrape(_ context.Context, hashes []trackerserver.InfoHash) (counts []udp.ScrapeInfohashResult, _ error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range hashes {
		seeders, leechers := t.count(swarm.InfoHash(h))
		counts = append(counts, udp.ScrapeInfohashResult{Seeders: seeders, Leechers: leechers})
	}
	return counts, nil
}

// count returns how many peers have all, and how many do not. The caller holds mu.
func (t *tracker) count(h swarm.InfoHash) (seeders, leechers int32) {
	for _, left := range t.swarms[h] {
		if left == 0 {
			seeders++
		} else {
			leechers++
		}
	}
	return seeders, leechers
}

// Swarm returns the peers that have announced h, by their listening addresses, with the bytes that each said it lacks.
func (w *World) Swarm(h swarm.InfoHash) map[netip.AddrPort]int64 {
	w.tracker.mu.Lock()
	defer w.tracker.mu.Unlock()
	return maps.Clone(w.tracker.swarms[h])
}

// AwaitSwarm waits until the peers that have announced h are as wanted.
func (w *World) AwaitSwarm(ctx context.Context, h swarm.InfoHash, wanted func(peers map[netip.AddrPort]int64) bool) error {
	for {
		w.tracker.mu.Lock()
		change := w.tracker.change
		w.tracker.mu.Unlock()
		if wanted(w.Swarm(h)) {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// connections remembers the connection IDs (BEP 15) of each client. It is used by one goroutine.
type connections map[string]udp.ConnectionId

// Add is called by the library.
func (c connections) Add(_ context.Context, client string, id udp.ConnectionId) error {
	c[client] = id
	return nil
}

// Check is called by the library.
func (c connections) Check(_ context.Context, client string, id udp.ConnectionId) (bool, error) {
	known, ok := c[client]
	return ok && known == id, nil
}
