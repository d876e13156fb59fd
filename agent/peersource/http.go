package peersource

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The announce over HTTP is our own: the library's client never verifies certificates, follows redirects as it likes,
// cannot say event=paused, quotes whole bodies in its errors, and refuses answers that others understand (answer.go).

const (
	// maxBody bounds a tracker's answer in bytes, after decompression: 200 peers in the wordy form of BEP 3 take 20 KiB.
	maxBody = 256 << 10
)

// announceHTTP announces from IPv4 and from IPv6, side by side, if the tracker has addresses of both kinds: it cannot know
// our other address otherwise, and each family's peers learn of those of their own (BEP 7).
func (t *Trackers) announceHTTP(ctx context.Context, u *url.URL, req AnnounceRequest) (AnnounceResponse, error) {
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return t.announceBy(ctx, t.client, u, req)
	}
	found, err := t.guard.resolve(ctx, u.Hostname())
	if err != nil {
		return AnnounceResponse{}, err
	}
	if slices.IndexFunc(found, netip.Addr.Is4) < 0 || slices.IndexFunc(found, netip.Addr.Is6) < 0 {
		return t.announceBy(ctx, t.client, u, req)
	}
	var responses [2]AnnounceResponse
	var errs [2]error
	var both sync.WaitGroup
	for i, client := range t.families {
		both.Go(func() { responses[i], errs[i] = t.announceBy(ctx, client, u, req) })
	}
	both.Wait()
	var heard []AnnounceResponse
	for i, err := range errs {
		if err == nil {
			heard = append(heard, responses[i])
		}
	}
	if len(heard) == 0 {
		return AnnounceResponse{}, worst(errs[0], errs[1])
	}
	return t.merge(heard), nil
}

// announceBy announces as BEP 3, 7, 21 and 23 say. A partial seed says event=paused; where that is refused, as it is by
// trackers that check the event against BEP 3 alone, it asks once more without.
func (t *Trackers) announceBy(ctx context.Context, client *http.Client, u *url.URL, req AnnounceRequest) (AnnounceResponse, error) {
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
	resp, err := t.getHTTP(ctx, client, u, req, event)
	if event != "paused" || !isRefusal(err) {
		return resp, err
	}
	event = ""
	if req.Event == EventStarted {
		event = "started"
	}
	resp, err = t.getHTTP(ctx, client, u, req, event)
	resp.PauseRefused = err == nil
	return resp, err
}

func (t *Trackers) getHTTP(ctx context.Context, client *http.Client, u *url.URL, req AnnounceRequest, event string) (AnnounceResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, announceURL(u, req, event), nil)
	if err != nil {
		return AnnounceResponse{}, err
	}
	get.Header.Set("User-Agent", t.userAgent)
	answer, err := client.Do(get)
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
	if body, err = unpack(body, answer.Header.Get("Content-Encoding")); err != nil {
		return AnnounceResponse{}, err
	}
	resp, err := parseHTTP(t.guard, body)
	if answer.StatusCode/100 != 2 && !isRefusal(err) {
		// Some trackers send their failure reason with a status of 400, so the body goes first.
		return AnnounceResponse{}, refusal(answer.Status)
	}
	return resp, err
}

// unpack undoes the compression of a body that the client has left as it is: because the tracker named none, or one
// that was not asked for. The result is at most maxBody long.
func unpack(body []byte, encoding string) ([]byte, error) {
	if len(body) > maxBody {
		return nil, errTooLong
	}
	var packed io.Reader
	var err error
	switch {
	case bytes.HasPrefix(body, []byte{0x1f, 0x8b}):
		packed, err = gzip.NewReader(bytes.NewReader(body))
	case !strings.EqualFold(encoding, "deflate"):
		return body, nil
	default:
		// RFC 9110 §8.4.1.2: a zlib stream, and many send the bare one.
		if packed, err = zlib.NewReader(bytes.NewReader(body)); err != nil {
			packed, err = flate.NewReader(bytes.NewReader(body)), nil
		}
	}
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(packed, maxBody+1))
	}
	if err != nil {
		return nil, fmt.Errorf("unpack the answer: %w", err)
	}
	if len(body) > maxBody {
		return nil, errTooLong
	}
	return body, nil
}

var errTooLong = fmt.Errorf("the answer is longer than %d bytes", maxBody)

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
