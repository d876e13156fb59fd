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
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// httpStub is a tracker that answers every announce with answer, and remembers the requests.
type httpStub struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
}

func newHTTPStub(t *testing.T, answer http.HandlerFunc) *httpStub {
	stub := &httpStub{}
	stub.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stub.mu.Lock()
		stub.requests = append(stub.requests, r)
		stub.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(stub.Close)
	return stub
}

// events are those of the requests so far.
func (s *httpStub) events() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var events []string
	for _, r := range s.requests {
		events = append(events, r.URL.Query().Get("event"))
	}
	return events
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
}

func TestHTTPAnnounceSaysWhatBEP3Asks(t *testing.T) {
	stub := newHTTPStub(t, says("d8:intervali900e12:min intervali300e5:peers0:e\n"))
	req := AnnounceRequest{
		Hash: hash(0xff), PeerID: [20]byte([]byte("-EB0100- +&=%0123456")), Port: 51515, Event: EventStarted,
		Uploaded: 1, Downloaded: 2, Left: 3, Key: 0xbeef,
	}
	req.Hash[0], req.Hash[1] = ' ', '+'
	resp, err := NewTrackers(lab, "ebb/9.9").Announce(patient(t), stub.URL+"/a?passkey=k&b=c", req)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Interval != 15*time.Minute || resp.MinInterval != 5*time.Minute || resp.Seeds != -1 || resp.Leechers != -1 {
		t.Errorf("response %+v", resp)
	}
	stub.mu.Lock()
	got := stub.requests[0]
	stub.mu.Unlock()
	if agent := got.UserAgent(); agent != "ebb/9.9" {
		t.Errorf("user agent %q", agent)
	}
	if !strings.HasPrefix(got.URL.RawQuery, "passkey=k&b=c&info_hash=%20%2B%FF") {
		t.Errorf("query %s", got.URL.RawQuery)
	}
	q := got.URL.Query()
	for key, want := range map[string]string{
		"info_hash": string(req.Hash[:]), "peer_id": string(req.PeerID[:]), "port": "51515", "uploaded": "1",
		"downloaded": "2", "left": "3", "compact": "1", "numwant": "50", "key": "0000beef", "event": "started",
	} {
		if q.Get(key) != want {
			t.Errorf("%s is %q, want %q", key, q.Get(key), want)
		}
	}
}

func TestHTTPAnswerInEveryForm(t *testing.T) {
	want := addrs("8.8.8.8:258", "9.9.9.9:1")
	for name, body := range map[string]string{
		"compact (BEP 23)":      "d5:peers12:\x08\x08\x08\x08\x01\x02\x09\x09\x09\x09\x00\x01e",
		"dictionaries (BEP 3)":  "d5:peersld2:ip7:8.8.8.84:porti258eed2:ip7:9.9.9.97:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti1eeee",
		"some of it not usable": "d5:peersl1:x i5e d2:ip4:host4:porti1eed2:ip7:8.8.8.84:porti258eed2:ip7:9.9.9.94:porti65537eed2:ip7:9.9.9.94:porti1eeee",
	} {
		resp, err := parseHTTP(Guard{}, []byte(strings.ReplaceAll(body, " i5e ", "i5e")))
		if err != nil || !slices.Equal(resp.Peers, want) {
			t.Errorf("%s: peers %v, error %v", name, resp.Peers, err)
		}
	}
	resp, err := parseHTTP(Guard{}, []byte("d8:completei4e10:incompletei5e6:peers618:\x2a\x00\x14\x50\x40\x01\x00\x00\x00\x00\x00\x00\x00\x00\x20\x0e\x00\x50e"))
	if err != nil || !slices.Equal(resp.Peers, addrs("[2a00:1450:4001::200e]:80")) || resp.Seeds != 4 || resp.Leechers != 5 {
		t.Errorf("peers6 (BEP 7): %+v, error %v", resp, err)
	}
}

func TestHostileHTTPAnswersAreErrors(t *testing.T) {
	deep := strings.Repeat("l", 100_000) + strings.Repeat("e", 100_000)
	squeezed := new(bytes.Buffer)
	z := gzip.NewWriter(squeezed)
	z.Write(make([]byte, 4*maxBody))
	z.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"nothing":               says(""),
		"HTML":                  says("<html>"),
		"not a dictionary":      says("le"),
		"cut short":             says("d5:peers12:\x08\x08"),
		"no whole peer":         says("d5:peers5:\x08\x08\x08\x08\x01e"),
		"peers is a number":     says("d5:peersi5ee"),
		"interval is a list":    says("d8:intervallee"),
		"huge string length":    says("d5:peers99999999999:"),
		"negative length":       says("d5:peers-1:e"),
		"10^5 digits":           says("d1:xi" + strings.Repeat("9", 100_000) + "ee"),
		"10^5 deep":             says(deep),
		"10^5 deep in peers":    says("d5:peers" + deep + "e"),
		"10^5 deep unknown key": says("d1:x" + deep + "e"),
		"too long":              says("d5:peers" + fmt.Sprint(maxBody) + ":" + strings.Repeat("x", maxBody) + "e"),
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		},
		"gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(squeezed.Bytes())
		},
		"header without end": func(w http.ResponseWriter, _ *http.Request) {
			for i := range 1000 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 1000))
			}
		},
		"not found": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such page", http.StatusNotFound) },
		"broken":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops", http.StatusInternalServerError) },
	} {
		stub := newHTTPStub(t, answer)
		resp, err := NewTrackers(lab, "ebb/test").Announce(patient(t), stub.URL+"/sesame", AnnounceRequest{Port: 1})
		if err == nil {
			t.Errorf("%s: accepted as %+v", name, resp)
			continue
		}
		if errors.Is(err, context.DeadlineExceeded) || len(err.Error()) > 400 || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: error %.500v", name, err)
		}
	}
}

func TestHTTPFailureReasonIsARefusal(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadRequest} {
		stub := newHTTPStub(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, "d14:failure reason12:unregisterede")
		})
		_, err := NewTrackers(lab, "ebb/test").Announce(patient(t), stub.URL, AnnounceRequest{Port: 1})
		var no *Refusal
		if !errors.As(err, &no) || no.Reason != "unregistered" {
			t.Errorf("status %d: error %v", status, err)
		}
	}
}

func TestPartialSeedIsAnnouncedAsPaused(t *testing.T) {
	stub := newHTTPStub(t, says("d8:intervali900ee"))
	trackers := NewTrackers(lab, "ebb/test")
	for _, event := range []Event{EventStarted, EventNone, EventCompleted, EventStopped} {
		req := AnnounceRequest{Port: 1, Left: 5, PartialSeed: true, Event: event}
		if _, err := trackers.Announce(patient(t), stub.URL, req); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := stub.events(), []string{"paused", "paused", "completed", "stopped"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestTrackerThatRefusesPausedIsAskedWithoutIt(t *testing.T) {
	stub := newHTTPStub(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("event") == "paused" {
			http.Error(w, "unknown event", http.StatusBadRequest)
			return
		}
		io.WriteString(w, "d8:intervali900ee")
	})
	trackers := NewTrackers(lab, "ebb/test")
	for _, event := range []Event{EventStarted, EventNone} {
		resp, err := trackers.Announce(patient(t), stub.URL, AnnounceRequest{Port: 1, Left: 5, PartialSeed: true, Event: event})
		if err != nil || !resp.PauseRefused {
			t.Errorf("response %+v, error %v", resp, err)
		}
	}
	if got, want := stub.events(), []string{"paused", "started", "paused", ""}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestHTTPAnnounceEndsWithItsContext(t *testing.T) {
	arrived := make(chan struct{})
	stub := newHTTPStub(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done() // the client hangs up
	})
	ctx, cancel := context.WithCancel(patient(t))
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := NewTrackers(lab, "ebb/test").Announce(ctx, stub.URL, AnnounceRequest{Port: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// packed is text as a tracker would compress it.
func packed(text string, pack func(io.Writer) io.WriteCloser) string {
	var b strings.Builder
	w := pack(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

func TestOddButValidHTTPAnswersAreUnderstood(t *testing.T) {
	const peers = "5:peers6:\x08\x08\x08\x08\x01\x02"
	const plain = "d8:intervali900e" + peers + "e"
	zip := packed(plain, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	dict := func(fields string) string { return "d8:intervali900e5:peersld" + fields + "eee" }
	ip, port, id := "2:ip7:8.8.8.8", "4:porti258e", "7:peer id20:aaaaaaaaaaaaaaaaaaaa"
	for name, c := range map[string]struct {
		body, encoding string
		status         int
		interval       time.Duration // 15 min if 0
	}{
		"unsorted keys":              {body: "d" + peers + "8:intervali900ee"},
		"peer id, ip, port":          {body: dict(id + ip + port)},
		"port, peer id, ip":          {body: dict(port + id + ip)},
		"ip, peer id, port":          {body: dict(ip + id + port)},
		"mapped address":             {body: dict("2:ip14:::ffff:8.8.8.8" + port)},
		"port as text":               {body: dict(ip + "4:port3:258")},
		"list of compact peers":      {body: "d8:intervali900e5:peersl6:\x08\x08\x08\x08\x01\x02ee"},
		"PHP array with gaps":        {body: "d8:intervali900e5:peersd1:7d" + ip + port + "eee"},
		"a peer and a half":          {body: "d8:intervali900e5:peers9:\x08\x08\x08\x08\x01\x02\x08\x08\x08e"},
		"many complete":              {body: "d8:completei4294967295e10:downloadedi1099511627776e8:intervali900e" + peers + "e"},
		"negative complete":          {body: "d8:completei-1e10:incompletei-1e8:intervali900e" + peers + "e"},
		"interval of 2^32-1":         {body: "d8:intervali4294967295e" + peers + "e", interval: 7 * 24 * time.Hour},
		"interval beyond all bounds": {body: "d8:intervali99999999999999999999e" + peers + "e", interval: 7 * 24 * time.Hour},
		"negative interval":          {body: "d8:intervali-5e" + peers + "e", interval: -1},
		"interval as text":           {body: "d8:interval3:900" + peers + "e"},
		"interval as a fraction":     {body: "d8:interval5:900.0" + peers + "e"},
		"fractional number":          {body: "d8:intervali900.5e" + peers + "e"},
		"number with an exponent":    {body: "d8:interval3:9e2" + peers + "e"},
		"min interval as text":       {body: "d8:intervali900e12:min interval2:30" + peers + "e"},
		"empty failure reason":       {body: "d14:failure reason0:8:intervali900e" + peers + "e"},
		"bytes behind":               {body: plain + "6:peers60:"},
		"newline before":             {body: "\r\n" + plain},
		"byte order mark":            {body: "\xef\xbb\xbf" + plain},
		"status 201":                 {body: plain, status: http.StatusCreated},
		"gzip":                       {body: zip, encoding: "gzip"},
		"gzip that does not say so":  {body: zip},
		"deflate":                    {body: packed(plain, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }), encoding: "deflate"},
		"bare deflate": {encoding: "deflate", body: packed(plain, func(w io.Writer) io.WriteCloser {
			z, _ := flate.NewWriter(w, flate.BestSpeed)
			return z
		})},
	} {
		stub := newHTTPStub(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			if c.encoding != "" {
				w.Header().Set("Content-Encoding", c.encoding)
			}
			w.WriteHeader(max(c.status, http.StatusOK))
			io.WriteString(w, c.body)
		})
		want := c.interval
		switch want {
		case 0:
			want = 15 * time.Minute
		case -1:
			want = 0
		}
		resp, err := NewTrackers(lab, "ebb/test").Announce(patient(t), stub.URL, AnnounceRequest{Port: 1})
		if err != nil || !slices.Equal(resp.Peers, addrs("8.8.8.8:258")) || resp.Interval != want || resp.Seeds != -1 {
			t.Errorf("%s: response %+v, error %v", name, resp, err)
		}
	}
}

func TestWhatTheTrackerWantsTheOwnerToKnowIsKept(t *testing.T) {
	resp, err := parseHTTP(Guard{}, []byte("d8:intervali900e15:warning message7:be niceee"))
	if err != nil || resp.Warning != "be nice" {
		t.Errorf("response %+v, error %v", resp, err)
	}
	for retry, want := range map[string]time.Duration{"": 0, "8:retry ini5e": 5 * time.Minute, "8:retry in5:never": 7 * 24 * time.Hour} {
		_, err := parseHTTP(Guard{}, []byte("d14:failure reason4:busy"+retry+"e"))
		var no *Refusal
		if !errors.As(err, &no) || no.Reason != "busy" || no.RetryIn != want {
			t.Errorf("%q: %+v", retry, err)
		}
	}
}

func FuzzHTTPAnswer(f *testing.F) {
	f.Add([]byte("d8:intervali900e12:min intervali300e5:peers6:\x08\x08\x08\x08\x01\x02e"))
	f.Add([]byte("d5:peersld2:ip7:8.8.8.84:porti258eeee"))
	f.Add([]byte("d6:peers618:aaaaaaaaaaaaaaaaaae"))
	f.Add([]byte("d14:failure reason1:xe"))
	f.Add([]byte("\r\nd5:peersd1:1d4:port3:2582:ip7:8.8.8.8ee8:interval4:60.0e6:peers60:"))
	f.Fuzz(func(t *testing.T, body []byte) {
		resp, err := parseHTTP(Guard{}, body)
		if err != nil {
			return
		}
		if resp.Interval < 0 || resp.MinInterval < 0 || resp.Seeds < -1 || resp.Leechers < -1 || len(resp.Peers) > maxPeers {
			t.Errorf("response %+v", resp)
		}
	})
}

func TestAnnounceURLKeepsTheTrackersOwnParameters(t *testing.T) {
	u, _ := url.Parse("http://tracker.example.org/x/announce?a=1&b=%20#fragment")
	got := announceURL(u, AnnounceRequest{}, "")
	if !strings.HasPrefix(got, "http://tracker.example.org/x/announce?a=1&b=%20&info_hash=") || strings.Contains(got, "#") {
		t.Errorf("URL %s", got)
	}
}

func TestHTTPTrackerIsAnnouncedToByIPv4AndIPv6(t *testing.T) {
	listeners := bothFamilies(t)
	var servers [2]*httptest.Server
	for i, answer := range []string{
		"d8:intervali900e8:completei3e5:peers6:\x08\x08\x08\x08\x00\x50e",
		"d8:intervali1800e8:completei5e15:warning message3:six" +
			"6:peers618:\x2a\x00\x14\x50\x40\x01\x00\x00\x00\x00\x00\x00\x00\x00\x20\x0e\x00\x50e",
	} {
		servers[i] = &httptest.Server{Listener: listeners[i], Config: &http.Server{Handler: says(answer)}}
		servers[i].Start()
		defer servers[i].Close()
	}
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	guard := Guard{AllowPrivate: true, Resolver: nameServerOfAll(t, "::1", "127.0.0.1")}
	tracker := "http://tracker.example.org:" + port + "/announce"
	announce := func() AnnounceResponse {
		resp, err := NewTrackers(guard, "ebb/test").Announce(patient(t), tracker, AnnounceRequest{Port: 1})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	if resp := announce(); len(resp.Peers) != 2 || resp.Interval != 30*time.Minute || resp.Seeds != 5 || resp.Warning != "six" {
		t.Errorf("got %+v", resp)
	}
	servers[1].Close() // one is enough
	if resp := announce(); len(resp.Peers) != 1 || resp.Interval != 15*time.Minute {
		t.Errorf("by IPv4 alone: got %+v", resp)
	}
}

// bothFamilies listens on one port of 127.0.0.1 and of ::1.
func bothFamilies(t *testing.T) (listeners [2]net.Listener) {
	t.Helper()
	for range 50 { // somebody else may have the one port
		four, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(four.Addr().String())
		six, err := net.Listen("tcp6", "[::1]:"+port)
		if err == nil {
			return [2]net.Listener{four, six}
		}
		four.Close()
	}
	t.Fatal("no port that is free in both families")
	return
}
