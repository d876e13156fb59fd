package peersource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/anacrolix/torrent/bencode"
	httpTracker "github.com/anacrolix/torrent/tracker/http"
)

// The announce over HTTP is our own, with the library's response types: the library's client never verifies
// certificates, follows redirects as it likes, cannot say event=paused, and quotes whole bodies in its errors.

const (
	// maxBody bounds a tracker's answer in bytes, after decompression: 200 peers in the wordy form of BEP 3 take 20 KiB.
	maxBody = 256 << 10
	// maxAnswerDepth: a dictionary of lists of dictionaries, and as much again for keys that we do not know.
	maxAnswerDepth = 6
)

// httpResponse is the library's, with the key that it leaves out. 256 KiB of the smallest values cost a few MiB for a
// moment; larger things are refused before they are decoded.
type httpResponse struct {
	httpTracker.HttpResponse
	MinInterval int32 `bencode:"min interval"`
}

// announceHTTP announces as BEP 3, 7, 21 and 23 say. A partial seed says event=paused; where that is refused, as it is
// by trackers that check the event against BEP 3 alone, it asks once more without.
func (t *Trackers) announceHTTP(ctx context.Context, u *url.URL, req AnnounceRequest) (AnnounceResponse, error) {
	event := ""
	switch {
	case req.Event == EventStopped:
		event = "stopped"
	case req.Event == EventCompleted:
		event = "completed"
	case req.PartialSeed:
		event = "paused" // BEP 21: in every announce
	case req.Event == EventStarted:
		event = "started"
	}
	resp, err := t.getHTTP(ctx, u, req, event)
	if event != "paused" || !isRefusal(err) {
		return resp, err
	}
	event = ""
	if req.Event == EventStarted {
		event = "started"
	}
	resp, err = t.getHTTP(ctx, u, req, event)
	resp.PauseRefused = err == nil
	return resp, err
}

func (t *Trackers) getHTTP(ctx context.Context, u *url.URL, req AnnounceRequest, event string) (AnnounceResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, announceURL(u, req, event), nil)
	if err != nil {
		return AnnounceResponse{}, err
	}
	get.Header.Set("User-Agent", t.userAgent)
	answer, err := t.client.Do(get)
	if err != nil {
		// *url.Error repeats the URL, pass key and all.
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return AnnounceResponse{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	if err != nil {
		return AnnounceResponse{}, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > maxBody {
		return AnnounceResponse{}, fmt.Errorf("the answer is longer than %d bytes", maxBody)
	}
	resp, err := parseHTTP(t.guard, body)
	if answer.StatusCode != http.StatusOK && !isRefusal(err) {
		// Some trackers send their failure reason with a status of 400, so the body goes first.
		return AnnounceResponse{}, refusal(answer.Status)
	}
	return resp, err
}

// announceURL adds the announce's parameters after those that u already has, which some trackers want first.
func announceURL(u *url.URL, req AnnounceRequest, event string) string {
	numwant := wantPeers
	if event == "stopped" {
		numwant = 0
	}
	var q strings.Builder
	q.WriteString(u.RawQuery)
	add := func(key, value string) {
		if q.Len() > 0 {
			q.WriteByte('&')
		}
		q.WriteString(key)
		q.WriteByte('=')
		// Not every tracker reads '+' as a space.
		q.WriteString(strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
	}
	add("info_hash", string(req.Hash[:]))
	add("peer_id", string(req.PeerID[:]))
	add("port", strconv.Itoa(int(req.Port)))
	add("uploaded", strconv.FormatInt(max(req.Uploaded, 0), 10))
	add("downloaded", strconv.FormatInt(max(req.Downloaded, 0), 10))
	add("left", strconv.FormatInt(req.Left, 10))
	add("compact", "1")
	add("numwant", strconv.Itoa(numwant))
	add("key", fmt.Sprintf("%08x", req.Key))
	if event != "" {
		add("event", event)
	}
	full := *u
	full.RawQuery = q.String()
	full.Fragment = ""
	return full.String()
}

// parseHTTP decodes and checks a tracker's answer.
func parseHTTP(guard Guard, body []byte) (AnnounceResponse, error) {
	if _, ok := eachKey(body, maxAnswerDepth, func(string, []byte) bool { return true }); !ok {
		return AnnounceResponse{}, errors.New("the answer is not a bencoded dictionary, or too deep")
	}
	var r httpResponse
	r.Complete, r.Incomplete = -1, -1 // stay so if the tracker does not say
	err := bencode.Unmarshal(body, &r)
	if trailing := (bencode.ErrUnusedTrailingBytes{}); errors.As(err, &trailing) {
		err = nil // many end with a newline
	}
	if err != nil {
		// The decoder quotes what it could not decode.
		return AnnounceResponse{}, fmt.Errorf("decode the answer: %s", oneLine(err.Error()))
	}
	if r.FailureReason != "" {
		return AnnounceResponse{}, refusal(r.FailureReason)
	}
	peers := make([]netip.AddrPort, 0, len(r.Peers.List)+len(r.Peers6))
	for _, p := range r.Peers.List {
		peers = appendPeer(peers, p.IP, p.Port)
	}
	for _, p := range r.Peers6 {
		peers = appendPeer(peers, p.IP, p.Port)
	}
	return AnnounceResponse{
		Interval:    seconds(r.Interval),
		MinInterval: seconds(r.MinInterval),
		Seeders:     int(max(r.Complete, -1)),
		Leechers:    int(max(r.Incomplete, -1)),
		Peers:       usable(guard, peers),
	}, nil
}

// appendPeer adds a peer of the library's types, whose fields are whatever the tracker sent.
func appendPeer(peers []netip.AddrPort, ip []byte, port int) []netip.AddrPort {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || port < 1 || port > 65535 {
		return peers
	}
	return append(peers, netip.AddrPortFrom(addr, uint16(port)))
}
