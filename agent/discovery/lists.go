package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"ebb/agent/swarm"
)

// The pace of list passing.
const (
	// answerInterval is how often a peer gets our list.
	answerInterval = 10 * time.Minute
	// askInterval is how often we ask one. The margin keeps a request that
	// travels faster than the one before it from coming too early.
	askInterval = answerInterval + 30*time.Second
	// maxMessages is how many messages a peer may send in an answerInterval. A
	// good one sends two: its request and its answer.
	maxMessages = 10
	// maxAnswers is how many peers behind one address get our list in an
	// answerInterval. Peer IDs are free; this bounds what making them up yields.
	maxAnswers = 16
	// maxDealings bounds the memory of whom we dealt with lately.
	maxDealings = 4096
)

// ErrMisbehaved is wrapped by the errors after which a peer is to be dropped.
var ErrMisbehaved = errors.New("peer misbehaved in list passing")

var errUnasked = errors.New("an answer that was not asked for")

// hearsay is a peer as one who names swarms, its texts fit to be shown.
func hearsay(p swarm.Introducer) swarm.Introducer {
	p.Client, p.ViaName = CleanText(p.Client, maxClientRunes), CleanText(p.ViaName, maxNameRunes)
	return p
}

// maxClientRunes is how much is kept of what an introducer calls itself.
const maxClientRunes = 64

// Lists is our side of list passing, without its I/O: it decides whom to ask,
// what to answer and what to take in. Its methods may be called from any
// goroutine.
type Lists struct {
	listed   func() []Entry
	checkURL func(string) error

	mu    sync.Mutex // guards everything below
	peers map[peerKey]*dealings
	hosts map[netip.Prefix]*window // answers by address
}

// NewLists makes the list-passing side of an agent. listed tells what we list,
// most important first; it must hold no private torrent (BEP 27) and nothing
// hidden or vetoed. checkURL says which tracker URLs may be used or told.
func NewLists(listed func() []Entry, checkURL func(string) error) *Lists {
	return &Lists{
		listed:   listed,
		checkURL: checkURL,
		peers:    make(map[peerKey]*dealings),
		hosts:    make(map[netip.Prefix]*window),
	}
}

// peerKey tells peers apart. Behind one address there may be several; one peer
// may show up on several connections.
type peerKey struct {
	id   swarm.PeerID
	addr netip.Addr
}

func keyOf(p swarm.Introducer) peerKey { return peerKey{p.PeerID, p.Addr.Addr()} }

// hostOf is what counts as one host: an address, but a whole /64 of IPv6,
// which is commonly given to one.
func hostOf(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

// dealings is what went on with one peer lately.
type dealings struct {
	messages window    // received
	answered time.Time // when it last got our list
	asked    time.Time // when we last asked for its list
	awaiting bool      // it has not answered that yet
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

// Ask returns the request to send to a peer that speaks ebb_list, or false if
// it was asked less than ten minutes ago.
func (l *Lists) Ask(p swarm.Introducer, now time.Time) (request []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.dealings(p, now)
	if d == nil || now.Sub(d.asked) < askInterval {
		return nil, false
	}
	d.asked, d.awaiting = now, true
	return Message{Type: TypeRequest, Want: MaxEntries}.Marshal(), true
}

// Handle takes an ebb_list message from a peer. It returns the reply to send,
// if any, and what the peer lists, if it was asked. An error wraps
// ErrMisbehaved and means that the peer is to be dropped.
func (l *Lists) Handle(p swarm.Introducer, payload []byte, now time.Time) (reply []byte, heard []Entry, err error) {
	m, err := Parse(payload, l.checkURL)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMisbehaved, err)
	}
	refusal, err := l.take(p, m, now)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%w: %w", ErrMisbehaved, err)
	case m.Type == TypeList:
		return nil, m.Entries, nil
	case m.Type == TypeRefuse:
		return nil, nil, nil
	case refusal != "":
		return Message{Type: TypeRefuse, Reason: refusal}.Marshal(), nil, nil
	}
	return l.answer(p, m.Want), nil, nil
}

// take checks a message against what went on with the peer before. A refusal
// is the answer to a request that came too early.
func (l *Lists) take(p swarm.Introducer, m Message, now time.Time) (refusal string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.dealings(p, now)
	if d == nil {
		if m.Type != TypeRequest {
			return "", errUnasked
		}
		return "too many peers at once", nil
	}
	if d.messages.add(now) > maxMessages {
		return "", fmt.Errorf("more than %d messages in %v", maxMessages, answerInterval)
	}
	if m.Type != TypeRequest {
		if !d.awaiting {
			return "", errUnasked
		}
		d.awaiting = false
		return "", nil
	}
	if now.Sub(d.answered) < answerInterval {
		return "one request in ten minutes", nil
	}
	host := hostOf(p.Addr.Addr())
	w, ok := l.hosts[host]
	if !ok {
		w = new(window)
		l.hosts[host] = w
	}
	if w.add(now) > maxAnswers {
		return "too many requests from your address", nil
	}
	d.answered = now
	return "", nil
}

// answer makes the list that a peer gets.
func (l *Lists) answer(p swarm.Introducer, want int) []byte {
	m := Message{Type: TypeList}
	for _, e := range l.listed() {
		if len(m.Entries) == want {
			break
		}
		// The peer is in the swarm in which we met; and what it would drop
		// as impossible need not be sent.
		if e = e.tidy(l.checkURL); e.Hash != p.ViaHash && e.check() == nil {
			m.Entries = append(m.Entries, e)
		}
	}
	return m.Marshal()
}

// dealings returns what went on with a peer, or nil if it is new and there are
// too many. l.mu is held.
func (l *Lists) dealings(p swarm.Introducer, now time.Time) *dealings {
	key := keyOf(p)
	if d, ok := l.peers[key]; ok {
		return d
	}
	if len(l.peers) >= maxDealings {
		l.forgetOld(now)
		if len(l.peers) >= maxDealings {
			return nil
		}
	}
	d := new(dealings)
	l.peers[key] = d
	return d
}

// forgetOld forgets the dealings that no longer restrain anybody. l.mu is held.
func (l *Lists) forgetOld(now time.Time) {
	for key, d := range l.peers {
		if now.Sub(d.asked) >= askInterval && now.Sub(d.answered) >= answerInterval && d.messages.over(now) {
			delete(l.peers, key)
		}
	}
	for host, w := range l.hosts {
		if w.over(now) {
			delete(l.hosts, host)
		}
	}
}
