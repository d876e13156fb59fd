package discovery

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"ebb/agent/swarm"
)

// Whom we remember to have dealt with. Peer IDs cost nothing, and addresses little, so that nobody is turned away
// because somebody else came often: the one who came longest ago is forgotten instead, first among those of one host
// that has more than its part. What a host gets by that is bounded all the same, by maxAnswers.
const (
	maxDealings  = 4096 // peers
	maxHostPeers = 64   // peers at one address: a household, a school, or a provider's customers behind one
)

// peerKey tells peers apart. Behind one address there may be several; one peer may show up on several connections.
type peerKey struct {
	id   swarm.PeerID
	addr netip.Addr
}

func keyOf(p swarm.Introducer) peerKey { return peerKey{p.PeerID, p.Addr.Addr()} }

// dealings is what went on with one peer lately.
type dealings struct {
	messages window    // received
	answered time.Time // when it last got our list
	asked    time.Time // when we last asked for its list
	awaiting bool      // it has not answered that yet
	last     time.Time // when we last dealt with it
}

// over reports whether they restrain the peer no longer.
func (d *dealings) over(now time.Time) bool {
	return now.Sub(d.asked) >= askInterval && now.Sub(d.answered) >= answerInterval && d.messages.over(now)
}

// host is what went on with one host lately.
type host struct {
	peers   []peerKey
	answers window // given
}

// window counts events in an answerInterval that starts with the first one.
type window struct {
	start time.Time
	n     int
}

func (w *window) over(now time.Time) bool { return now.Sub(w.start) >= answerInterval }

// add counts one more event, and returns how many there are.
func (w *window) add(now time.Time) int {
	if w.over(now) {
		*w = window{start: now}
	}
	w.n++
	return w.n
}

// acquaintances is whom we dealt with lately.
type acquaintances struct {
	peers map[peerKey]*dealings
	hosts map[netip.Prefix]*host // those of all peers, and those that have got answers
}

func newAcquaintances() acquaintances {
	return acquaintances{peers: make(map[peerKey]*dealings), hosts: make(map[netip.Prefix]*host)}
}

// with returns what went on with a peer, and with its host.
func (a *acquaintances) with(p swarm.Introducer, now time.Time) (*dealings, *host) {
	key := keyOf(p)
	h := a.host(key.addr, now)
	d, ok := a.peers[key]
	if !ok {
		if len(h.peers) >= maxHostPeers {
			a.forget(slices.MinFunc(h.peers, a.compareLast))
		}
		if len(a.peers) >= maxDealings {
			a.forgetOld(now)
		}
		d = new(dealings)
		a.peers[key] = d
		h.peers = append(h.peers, key)
	}
	d.last = now
	return d, h
}

// host returns what went on with a host.
func (a *acquaintances) host(addr netip.Addr, now time.Time) *host {
	prefix := swarm.Host(addr)
	h, ok := a.hosts[prefix]
	if !ok {
		if len(a.hosts) >= 2*maxDealings { // half of them, and more, without a peer
			idle := slices.Collect(maps.Keys(a.hosts))
			idle = slices.DeleteFunc(idle, func(p netip.Prefix) bool { return len(a.hosts[p].peers) > 0 })
			slices.SortFunc(idle, func(x, y netip.Prefix) int { return a.hosts[x].answers.start.Compare(a.hosts[y].answers.start) })
			for _, p := range idle[:min(maxDealings/16, len(idle))] {
				delete(a.hosts, p)
			}
		}
		h = new(host)
		a.hosts[prefix] = h
	}
	return h
}

// compareLast orders peers: those whose answer we wait for come last, then by when we dealt with them last.
func (a *acquaintances) compareLast(x, y peerKey) int {
	dx, dy := a.peers[x], a.peers[y]
	if dx.awaiting != dy.awaiting {
		if dx.awaiting {
			return 1
		}
		return -1
	}
	return cmp.Or(dx.last.Compare(dy.last), dx.asked.Compare(dy.asked))
}

// forgetOld makes room: it forgets the peers that nothing restrains any more, or else those with whom we dealt longest
// ago, so many that this is not done for each.
func (a *acquaintances) forgetOld(now time.Time) {
	var over []peerKey
	all := slices.Collect(maps.Keys(a.peers))
	for _, key := range all {
		if a.peers[key].over(now) {
			over = append(over, key)
		}
	}
	if len(over) == 0 {
		slices.SortFunc(all, a.compareLast)
		over = all[:maxDealings/16]
	}
	for _, key := range over {
		a.forget(key)
	}
	maps.DeleteFunc(a.hosts, func(_ netip.Prefix, h *host) bool { return len(h.peers) == 0 && h.answers.over(now) })
}

// forget forgets one peer.
func (a *acquaintances) forget(key peerKey) {
	delete(a.peers, key)
	h := a.hosts[swarm.Host(key.addr)]
	h.peers = slices.DeleteFunc(h.peers, func(k peerKey) bool { return k == key })
}
