package discovery

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"ebb/agent/swarm"
)

// The pace of list passing.
const (
	// answerInterval is how often a peer gets our list.
	answerInterval = 10 * time.Minute
	// askInterval is how often we ask one. The margin keeps a request that travels faster than the one before it from
	// coming too early.
	askInterval = answerInterval + 30*time.Second
	// maxMessages is how many messages a peer may send in an answerInterval. A good one sends two: its request and its
	// answer.
	maxMessages = 10
	// maxAnswers is how many lists the peers behind one address get in an answerInterval. Peer IDs are free; this bounds
	// what making them up yields.
	maxAnswers = 16
)

// ErrMisbehaved is wrapped by the errors after which a peer is to be dropped.
var ErrMisbehaved = errors.New("peer misbehaved in list passing")

var errUnasked = errors.New("an answer that was not asked for")

// Lists is our side of list passing, without its I/O: it decides whom to ask and what to answer, and offers what others
// list to the table. The connections are those of the rendezvous and of the background engine. Its methods may be
// called from any goroutine.
type Lists struct {
	candidates *Candidates
	listed     func() []Entry
	checkURL   func(string) error

	mu      sync.Mutex // guards everything below
	known   acquaintances
	replied map[netip.AddrPort]time.Time // when the peer that listens there last answered us
}

// NewLists makes the list-passing side of an agent. listed returns what we list, most important first; it must hold no
// private torrent (BEP 27) and nothing hidden or vetoed. checkURL says which tracker URLs may be used or told.
func NewLists(candidates *Candidates, listed func() []Entry, checkURL func(string) error) *Lists {
	return &Lists{
		candidates: candidates,
		listed:     listed,
		checkURL:   checkURL,
		known:      newAcquaintances(),
		replied:    make(map[netip.AddrPort]time.Time),
	}
}

// Ask returns the request to send to a peer that speaks ebb_list, or false if it is not to be asked now: it was less
// than ten minutes ago, or the owner wants no candidates from its kind.
func (l *Lists) Ask(p swarm.Introducer) (request []byte, ok bool) {
	if !l.candidates.Wants(p.Kind) {
		return nil, false
	}
	return l.ask(p, time.Now())
}

func (l *Lists) ask(p swarm.Introducer, now time.Time) (request []byte, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, _ := l.known.with(p, now)
	if now.Sub(d.asked) < askInterval {
		return nil, false
	}
	d.asked, d.awaiting = now, true
	return Message{Type: TypeRequest, Want: MaxEntries}.Marshal(), true
}

// Handle takes an ebb_list message from a peer, and returns the reply to send, or nil when it was an answer. What the
// peer lists is offered to the table. After an error, which wraps ErrMisbehaved, the peer is to be dropped.
func (l *Lists) Handle(p swarm.Introducer, payload []byte) (reply []byte, err error) {
	reply, heard, err := l.handle(p, payload, time.Now())
	if err == nil && reply == nil {
		l.candidates.Offer(Offer{By: p, Entries: heard})
	}
	return reply, err
}

// handle returns the reply, if any, and what the peer lists, if it was asked.
func (l *Lists) handle(p swarm.Introducer, payload []byte, now time.Time) (reply []byte, heard []Entry, err error) {
	m, err := Parse(payload, l.checkURL)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMisbehaved, err)
	}
	refusal, err := l.check(p, m, now)
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

// check tests a message against what went on with the peer before. A refusal is the answer to a request that came too
// early.
func (l *Lists) check(p swarm.Introducer, m Message, now time.Time) (refusal string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d, host := l.known.with(p, now)
	if d.messages.add(now) > maxMessages {
		return "", fmt.Errorf("more than %d messages in %v", maxMessages, answerInterval)
	}
	if m.Type != TypeRequest {
		if !d.awaiting {
			return "", errUnasked
		}
		d.awaiting = false
		l.noteReply(p.Addr, now)
		return "", nil
	}
	if now.Sub(d.answered) < answerInterval {
		return "one request in ten minutes", nil
	}
	if host.answers.add(now) > maxAnswers {
		return "too many requests from your address", nil
	}
	d.answered = now
	return "", nil
}

// noteReply remembers from where a list, or a refusal, came; the oldest are forgotten. l.mu is held.
func (l *Lists) noteReply(addr netip.AddrPort, now time.Time) {
	if len(l.replied) >= maxDealings {
		maps.DeleteFunc(l.replied, func(_ netip.AddrPort, at time.Time) bool { return now.Sub(at) >= answerInterval })
	}
	if len(l.replied) >= maxDealings {
		all := slices.SortedFunc(maps.Keys(l.replied), func(a, b netip.AddrPort) int { return l.replied[a].Compare(l.replied[b]) })
		for _, addr := range all[:maxDealings/16] {
			delete(l.replied, addr)
		}
	}
	l.replied[addr] = now
}

// Fresh reports whether the peer that listens at addr answered our request less than ten minutes ago, in whichever
// swarm, so that it need not be looked up in another.
func (l *Lists) Fresh(addr netip.AddrPort) bool { return l.freshAt(addr, time.Now()) }

func (l *Lists) freshAt(addr netip.AddrPort, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.replied[addr]
	return ok && now.Sub(at) < answerInterval
}

// answer makes the list that a peer gets.
func (l *Lists) answer(p swarm.Introducer, want int) []byte {
	m := Message{Type: TypeList}
	for _, e := range l.listed() {
		if len(m.Entries) == want {
			break
		}
		e.Trackers = tellable(e.Trackers)
		// The peer is in the swarm in which we met; and what it would drop as impossible need not be sent.
		if e = e.Tidy(l.checkURL); e.Hash != p.ViaHash && e.check() == nil {
			m.Entries = append(m.Entries, e)
		}
	}
	return m.Marshal()
}
