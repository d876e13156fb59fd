package peersource

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"ebb/agent/swarm"

	"github.com/anacrolix/dht/v2/krpc"
	peer_store "github.com/anacrolix/dht/v2/peer-store"
	"golang.org/x/time/rate"
)

// The answers to other nodes' queries are our own (BEP 5, 32): the library gives the nodes nearest to 0 whatever is asked
// for, calls IPv4 addresses IPv6 ones, and sends as much as anyone asks for.

const (
	// All answers together take this many bytes per second, headers included: whoever asks in somebody else's name finds
	// no amplifier here, and the line hardly feels it. Queries that it does not reach for go unanswered.
	answerBytesPerSecond = 8 << 10
	answerBurst          = 16 << 10
	// Of these, one host gets no more than its share; hosts fall into so many shares at random. Nobody keeps the rest
	// from being answered, and nobody is flooded in whose name others ask.
	shares              = 256
	shareBytesPerSecond = 1 << 10
	shareBurst          = 4 << 10
	// packetHeader is what IPv6 and UDP add to an answer, in bytes.
	packetHeader = 48
	// Peers in one answer: 240 and 252 bytes of them.
	maxValues4, maxValues6 = 30, 12
	// nearest is how many nodes are named in an answer (BEP 5).
	nearest = 8
	// nodesAge is how old what is known of the table may be. Looking costs a pass over some hundred nodes.
	nodesAge = time.Second
	// tokenLife is how long a token serves, and then as long again (BEP 5: up to ten minutes).
	tokenLife = 5 * time.Minute
	// A node is named to others only if it has answered us within answeredLife, having been asked within askedLife.
	answeredLife = 15 * time.Minute
	askedLife    = 30 * time.Second
	maxAsked     = 2048 // addresses kept of each kind: 0.2 MB
)

// Errors of BEP 5.
const (
	faultProtocol = 203
	faultMethod   = 204
)

// responder answers queries.
type responder struct {
	id     krpc.ID
	table  func() []krpc.NodeInfo // of the library: those that are not bad
	peers  *storedPeers
	budget *rate.Limiter // in bytes
	shares [shares]*rate.Limiter
	seed   maphash.Seed
	secret [20]byte

	nodes4, nodes6 []contactNode // as of looked
	looked         time.Time

	mu              sync.Mutex // guards what follows
	asked, answered map[netip.AddrPort]time.Time
}

// contactNode is a node in the form in which it is told.
type contactNode struct {
	id      krpc.ID
	compact []byte
}

func newResponder(id krpc.ID, table func() []krpc.NodeInfo, peers *storedPeers) *responder {
	r := &responder{
		id: id, table: table, peers: peers, budget: rate.NewLimiter(answerBytesPerSecond, answerBurst), seed: maphash.MakeSeed(),
		asked: make(map[netip.AddrPort]time.Time), answered: make(map[netip.AddrPort]time.Time),
	}
	for i := range r.shares {
		r.shares[i] = rate.NewLimiter(shareBytesPerSecond, shareBurst)
	}
	rand.Read(r.secret[:]) // never fails
	return r
}

// sent notes that we have asked a node something.
func (r *responder) sent(to netip.AddrPort, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	note(r.asked, to, now, askedLife)
}

// heard notes that a node has answered us, if it had been asked.
func (r *responder) heard(from netip.AddrPort, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if when, ok := r.asked[from]; ok && now.Sub(when) <= askedLife {
		note(r.answered, from, now, answeredLife)
	}
}

// note keeps when in a bounded map, from which what is too old goes first.
func note(of map[netip.AddrPort]time.Time, addr netip.AddrPort, now time.Time, life time.Duration) {
	if _, known := of[addr]; !known && len(of) >= maxAsked {
		for a, when := range of {
			if now.Sub(when) > life {
				delete(of, a)
			}
		}
		for a := range of {
			if len(of) < maxAsked {
				break
			}
			delete(of, a)
		}
	}
	of[addr] = now
}

// query is what is of interest in one.
type query struct {
	method, tag      []byte
	target, infoHash []byte // nil: not said
	token            []byte
	port             int64
	implied          bool
	want4, want6     bool
}

// parseQuery reads a packet that checkKRPC found to be a query.
func parseQuery(b []byte) (q query) {
	eachKey(b, maxKRPCDepth, func(key string, value []byte) bool {
		switch key {
		case "t":
			q.tag, _, _ = cutString(value)
		case "q":
			q.method, _, _ = cutString(value)
		case "a":
			eachKey(value, maxKRPCDepth-1, func(key string, value []byte) bool {
				switch key {
				case "target":
					q.target, _, _ = cutString(value)
				case "info_hash":
					q.infoHash, _, _ = cutString(value)
				case "token":
					q.token, _, _ = cutString(value)
				case "port":
					q.port, _, _ = cutInt(value)
				case "implied_port":
					n, _, _ := cutInt(value)
					q.implied = n != 0
				case "want":
					eachItem(value, func(item []byte) bool {
						s, _, _ := cutString(item)
						q.want4 = q.want4 || string(s) == "n4"
						q.want6 = q.want6 || string(s) == "n6"
						return true
					})
				}
				return true
			})
		}
		return true
	})
	return q
}

// answer is what to send to from, whose query b is; nil if that must not be.
func (r *responder) answer(b []byte, from netip.AddrPort, now time.Time) []byte {
	q := parseQuery(b)
	var answer []byte
	switch string(q.method) {
	case "ping":
		answer = r.reply(q, from, nil)
	case "find_node":
		if len(q.target) != len(krpc.ID{}) {
			answer = fault(q, faultProtocol, "find_node without a target")
			break
		}
		answer = r.reply(q, from, r.nodes(q, krpc.ID(q.target), from, now))
	case "get_peers":
		if len(q.infoHash) != len(krpc.ID{}) {
			answer = fault(q, faultProtocol, "get_peers without an info_hash")
			break
		}
		token := appendKey(nil, "token", r.token(from.Addr(), now))
		if values := r.values(q, from); len(values) > 0 {
			answer = r.reply(q, from, append(token, values...))
		} else {
			answer = r.reply(q, from, append(r.nodes(q, krpc.ID(q.infoHash), from, now), token...))
		}
	case "announce_peer":
		answer = r.announced(q, from, now)
	default:
		answer = fault(q, faultMethod, "Method Unknown")
	}
	size := len(answer) + packetHeader
	share := r.shares[maphash.Comparable(r.seed, swarm.Host(from.Addr()))%shares]
	if share.TokensAt(now) < float64(size) || !r.budget.AllowN(now, size) {
		return nil
	}
	share.AllowN(now, size)
	return answer
}

// announced takes a peer in.
func (r *responder) announced(q query, from netip.AddrPort, now time.Time) []byte {
	port := q.port
	if q.implied {
		port = int64(from.Port())
	}
	switch {
	case len(q.infoHash) != len(krpc.ID{}) || port == 0:
		return fault(q, faultProtocol, "announce_peer without info_hash or port")
	case !hmac.Equal(q.token, r.token(from.Addr(), now)) && !hmac.Equal(q.token, r.token(from.Addr(), now.Add(-tokenLife))):
		return fault(q, faultProtocol, "Bad Token")
	}
	r.peers.AddPeer(peer_store.InfoHash(q.infoHash), krpc.NodeAddr{IP: from.Addr().AsSlice(), Port: int(port)})
	return r.reply(q, from, nil)
}

// token is what somebody must show to announce, who asked from addr (BEP 5).
func (r *responder) token(addr netip.Addr, now time.Time) []byte {
	mac := hmac.New(sha1.New, r.secret[:])
	binary.Write(mac, binary.BigEndian, now.UnixNano()/int64(tokenLife)) // a hash takes everything
	ip := addr.As16()
	mac.Write(ip[:])
	return mac.Sum(nil)[:8]
}

// values are the peers of a swarm that the asker can use.
func (r *responder) values(q query, from netip.AddrPort) []byte {
	want4, want6 := q.families(from)
	var list []byte
	n4, n6 := 0, 0
	for _, peer := range r.peers.GetPeers(peer_store.InfoHash(q.infoHash)) {
		addr, _ := netip.AddrFromSlice(peer.IP)
		n, most, want := &n4, maxValues4, want4
		if addr.Is6() {
			n, most, want = &n6, maxValues6, want6
		}
		if want && *n < most {
			*n++
			list = appendString(list, compactAddr(addr, uint16(peer.Port)))
		}
	}
	if list == nil {
		return nil
	}
	return append(append([]byte("6:valuesl"), list...), 'e')
}

// families says which kinds of address the asker wants: its own unless it says so (BEP 32).
func (q *query) families(from netip.AddrPort) (want4, want6 bool) {
	if q.want4 || q.want6 {
		return q.want4, q.want6
	}
	return from.Addr().Is4(), from.Addr().Is6()
}

// nodes are the good nodes nearest to target, of the families that the asker wants.
func (r *responder) nodes(q query, target krpc.ID, from netip.AddrPort, now time.Time) []byte {
	r.look(now)
	want4, want6 := q.families(from)
	var answer []byte
	if want4 {
		answer = appendKey(answer, "nodes", near(r.nodes4, target))
	}
	if want6 {
		answer = appendKey(answer, "nodes6", near(r.nodes6, target))
	}
	return answer
}

// look brings nodes4 and nodes6 up to date.
func (r *responder) look(now time.Time) {
	if !r.looked.IsZero() && now.Sub(r.looked) < nodesAge {
		return
	}
	r.looked = now
	r.nodes4, r.nodes6 = r.nodes4[:0], r.nodes6[:0]
	table := r.table()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range table {
		addr, _ := netip.AddrFromSlice(n.Addr.IP)
		at := netip.AddrPortFrom(addr.Unmap(), uint16(n.Addr.Port))
		if when, ok := r.answered[at]; !ok || now.Sub(when) > answeredLife {
			continue
		}
		node := contactNode{n.ID, append(n.ID[:len(n.ID):len(n.ID)], compactAddr(at.Addr(), at.Port())...)}
		if at.Addr().Is4() {
			r.nodes4 = append(r.nodes4, node)
		} else {
			r.nodes6 = append(r.nodes6, node)
		}
	}
}

// near joins the nodes nearest to target, the nearest first.
func near(nodes []contactNode, target krpc.ID) []byte {
	distance := func(n contactNode) (d krpc.ID) {
		for i := range d {
			d[i] = n.id[i] ^ target[i]
		}
		return d
	}
	var best []contactNode
	for _, n := range nodes {
		d := distance(n)
		at, _ := slices.BinarySearchFunc(best, d, func(other contactNode, d krpc.ID) int {
			o := distance(other)
			return bytes.Compare(o[:], d[:])
		})
		if at < nearest {
			best = slices.Insert(best, at, n)
			best = best[:min(len(best), nearest)]
		}
	}
	var all []byte
	for _, n := range best {
		all = append(all, n.compact...)
	}
	return all
}

// reply is a response with what follows the ID in it, which also tells the asker its address (BEP 42).
func (r *responder) reply(q query, to netip.AddrPort, rest []byte) []byte {
	b := appendKey([]byte("d"), "ip", compactAddr(to.Addr(), to.Port()))
	b = append(b, "1:rd"...)
	b = appendKey(b, "id", r.id[:])
	b = append(b, rest...)
	b = append(b, 'e')
	b = appendKey(b, "t", q.tag)
	return append(b, "1:y1:re"...)
}

// fault is an error (BEP 5).
func fault(q query, code int, text string) []byte {
	b := append([]byte("d1:eli"), strconv.Itoa(code)...)
	b = append(b, 'e')
	b = appendString(b, []byte(text))
	b = append(b, 'e')
	b = appendKey(b, "t", q.tag)
	return append(b, "1:y1:ee"...)
}

func appendKey(b []byte, key string, value []byte) []byte {
	return appendString(appendString(b, []byte(key)), value)
}

func appendString(b, s []byte) []byte {
	return append(append(strconv.AppendInt(b, int64(len(s)), 10), ':'), s...)
}

func compactAddr(addr netip.Addr, port uint16) []byte {
	return binary.BigEndian.AppendUint16(addr.AsSlice(), port)
}
