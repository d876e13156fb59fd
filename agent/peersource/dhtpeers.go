package peersource

import (
	"net/netip"
	"sync"
	"time"

	"github.com/anacrolix/dht/v2/krpc"
	peer_store "github.com/anacrolix/dht/v2/peer-store"
)

const (
	// What the node remembers for others, as every node does: at most 8192 peers, about 1 MB.
	maxStoredPeers = 8192
	// maxStoredPerHash is more than one answer carries: each carries others of them.
	maxStoredPerHash = 50
	storedPeerTTL    = 30 * time.Minute // peers announce again about every 15
)

// storedPeers are the peers that announced themselves to our node, for others to find. The library's own store grows as
// long as someone cares to feed it. When it is full, it takes new peers as old ones expire.
type storedPeers struct {
	guard Guard

	mu     sync.Mutex // guards what follows
	byHash map[peer_store.InfoHash]map[netip.AddrPort]time.Time
	count  int
	swept  time.Time
}

// AddPeer keeps a peer, whose port is whatever it claimed (peer_store.Interface).
func (s *storedPeers) AddPeer(h peer_store.InfoHash, na krpc.NodeAddr) {
	addr, _ := netip.AddrFromSlice(na.IP)
	if na.Port < 1 || na.Port > 65535 || !s.guard.AllowAddr(addr) {
		return
	}
	peer := netip.AddrPortFrom(addr.Unmap(), uint16(na.Port))
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	peers := s.byHash[h]
	if _, again := peers[peer]; !again {
		if s.count == maxStoredPeers || len(peers) == maxStoredPerHash {
			return
		}
		s.count++
	}
	if peers == nil {
		peers = make(map[netip.AddrPort]time.Time)
		if s.byHash == nil {
			s.byHash = make(map[peer_store.InfoHash]map[netip.AddrPort]time.Time)
		}
		s.byHash[h] = peers
	}
	peers[peer] = now
}

// GetPeers gives what is known of a swarm (peer_store.Interface).
func (s *storedPeers) GetPeers(h peer_store.InfoHash) []krpc.NodeAddr {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(time.Now())
	peers := make([]krpc.NodeAddr, 0, len(s.byHash[h]))
	for peer := range s.byHash[h] {
		peers = append(peers, krpc.NodeAddr{IP: peer.Addr().AsSlice(), Port: int(peer.Port())})
	}
	return peers
}

// sweep drops expired peers, once a minute.
func (s *storedPeers) sweep(now time.Time) {
	if now.Sub(s.swept) < time.Minute {
		return
	}
	s.swept = now
	for h, peers := range s.byHash {
		for peer, seen := range peers {
			if now.Sub(seen) > storedPeerTTL {
				delete(peers, peer)
				s.count--
			}
		}
		if len(peers) == 0 {
			delete(s.byHash, h)
		}
	}
}
