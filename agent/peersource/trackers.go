package peersource

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"ebb/agent/swarm"
)

const (
	// httpTimeout bounds one HTTP request, redirects and body included.
	httpTimeout = 20 * time.Second
	// udpTimeout is for all addresses of a UDP tracker together: see udpPatience.
	udpTimeout = 35 * time.Second
	// maxPeers is how many peers of one answer are used. Nobody asks for more than 200.
	maxPeers = 200
	// wantPeers is how many peers are asked for.
	wantPeers = 50
	// maxReason is how much of a tracker's own words is kept in an error, in bytes.
	maxReason = 200
	// leftUnknown is announced while nobody knows what is missing (a magnet, a rendezvous): one block. Not 0, which
	// would make a seed of us, and many trackers hide seeds from seeds.
	leftUnknown = 16 << 10
)

// Event is why an announce is made (BEP 3).
type Event uint8

const (
	EventNone      Event = iota // at the regular interval
	EventStarted                // the first one
	EventCompleted              // the download has just completed
	EventStopped                // we leave
)

// AnnounceRequest is what a tracker is told.
type AnnounceRequest struct {
	Hash   swarm.InfoHash
	PeerID [20]byte
	Port   uint16 // where peers reach us
	Event  Event

	// Bytes since EventStarted, and bytes still wanted; Left below 0 means that nobody knows.
	Uploaded, Downloaded, Left int64

	// PartialSeed: we want nothing more, and do not have everything (BEP 21). HTTP trackers are told; for UDP trackers
	// BEP 21 has no words.
	PartialSeed bool

	// Key lets the tracker know us again after our address changed.
	Key uint32
}

// AnnounceResponse is what a tracker answered, checked but not believed.
type AnnounceResponse struct {
	// Interval is how long the tracker wants us to wait, MinInterval how long at least; 0 if it does not say.
	Interval, MinInterval time.Duration

	// Seeds and Leechers are the tracker's own count; −1 if it does not say.
	Seeds, Leechers int

	// Warning is what the tracker wants the owner to know ('warning message'), cleaned; at most 200 bytes.
	Warning string

	// Peers are distinct, allowed by the guard, and at most 200.
	Peers []netip.AddrPort

	// PauseRefused: the tracker refused event=paused and accepted the same announce without it. Who remembers it can
	// leave PartialSeed out next time, and save a request.
	PauseRefused bool
}

// Refusal is the error of a tracker that answered, and whose answer was no.
type Refusal struct {
	Reason  string        // in the tracker's own words, cleaned; at most 200 bytes
	RetryIn time.Duration // how long it wants to be left alone (BEP 31), at most a week; 0 if it does not say
}

func (r *Refusal) Error() string { return "the tracker refuses: " + r.Reason }

// Trackers announces to trackers. It may be used by several goroutines.
type Trackers struct {
	guard       Guard
	userAgent   string
	client      *http.Client
	families    [2]*http.Client // of which one speaks IPv4 and the other IPv6
	connections connections     // of UDP trackers
}

// NewTrackers announces within guard, from guard.Local, naming itself userAgent ("ebb/0.1.0") to HTTP trackers.
func NewTrackers(guard Guard, userAgent string) *Trackers {
	return &Trackers{
		guard: guard, userAgent: userAgent,
		client: guard.client("tcp"), families: [2]*http.Client{guard.client("tcp4"), guard.client("tcp6")},
	}
}

// Announce makes one announce to the tracker at rawURL, and takes at most 30 s (HTTP; 50 s if it refuses a partial seed) or 35 s (UDP). The error wraps
// ErrRefused if the guard forbids the URL or every address of its host, and is a *Refusal if the tracker said no.
// Nothing that it started runs on after it has returned.
func (t *Trackers) Announce(ctx context.Context, rawURL string, req AnnounceRequest) (AnnounceResponse, error) {
	if err := t.guard.CheckURL(rawURL); err != nil {
		return AnnounceResponse{}, err
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return AnnounceResponse{}, err // CheckURL has just parsed the same text
	}
	if req.Left < 0 {
		req.Left = leftUnknown
	}
	var resp AnnounceResponse
	if u.Scheme == "udp" {
		resp, err = t.announceUDP(ctx, u, req)
	} else {
		resp, err = t.announceHTTP(ctx, u, req)
	}
	if err != nil {
		return AnnounceResponse{}, fmt.Errorf("announce to %s: %w", u.Host, err)
	}
	return resp, nil
}

// usable keeps the first 200 distinct peers that the guard allows.
func usable(guard Guard, peers []netip.AddrPort) []netip.AddrPort {
	seen := make(map[netip.AddrPort]struct{}, min(len(peers), maxPeers))
	kept := make([]netip.AddrPort, 0, min(len(peers), maxPeers))
	for _, peer := range peers {
		if len(kept) == maxPeers {
			break
		}
		peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
		if _, dup := seen[peer]; dup || !guard.allowAddrPort(peer) {
			continue
		}
		seen[peer] = struct{}{}
		kept = append(kept, peer)
	}
	return kept
}

// seconds turns a tracker's number of seconds into a duration of at most a week; below 0 is 0, 'does not say'.
func seconds(n int64) time.Duration {
	const week = 7 * 24 * time.Hour
	return time.Duration(min(max(n, 0), int64(week/time.Second))) * time.Second
}

// count takes a tracker's number of peers: −1, 'does not say', for what no swarm has.
func count(n int64) int {
	if n < 0 || n > math.MaxInt32 {
		return -1
	}
	return int(n)
}

// refusal quotes a tracker's reason.
func refusal(reason string) *Refusal {
	reason = oneLine(reason)
	if reason == "" {
		reason = "no reason given"
	}
	return &Refusal{Reason: reason}
}

// oneLine makes a stranger's text fit to be shown: printable, on one line, at most 200 bytes.
func oneLine(text string) string {
	clean := strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text[:min(len(text), maxReason)])
	return strings.Join(strings.Fields(clean), " ")
}

// isRefusal reports whether the tracker answered, and said no.
func isRefusal(err error) bool {
	var r *Refusal
	return errors.As(err, &r)
}
