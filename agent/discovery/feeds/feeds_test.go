package feeds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"ebb/agent/discovery"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// saver keeps values in memory.
type saver map[swarm.InfoHash]time.Time

func (s saver) All() (map[swarm.InfoHash]time.Time, error) { return s, nil }
func (s saver) Put(h swarm.InfoHash, at time.Time) error   { s[h] = at; return nil }
func (s saver) Delete(h swarm.InfoHash) error              { delete(s, h); return nil }

// world has one feed, on a server that is played.
type world struct {
	t          *testing.T
	feeds      []prefs.Feed
	candidates *discovery.Candidates
	asked      saver
	requests   []*http.Request
	answer     func(*http.Request) (status int, header map[string]string, body string)
	told       []string
}

const address = "https://lists.example/feed"

func newWorld(t *testing.T) *world {
	w := &world{t: t, feeds: []prefs.Feed{{URL: address}}, asked: saver{}}
	var err error
	w.candidates, err = discovery.NewCandidates(discovery.CandidatesConfig{
		Sources: func() prefs.Sources { return prefs.Sources{Feeds: prefs.ModeAuto} },
		Feeds:   func() []prefs.Feed { return w.feeds },
		Member:  func(h swarm.InfoHash) bool { return h[0] == 0xee },
		Log:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// RoundTrip plays the server.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	w.requests = append(w.requests, r)
	status, header, body := w.answer(r)
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	answer := &http.Response{StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
	for name, value := range header {
		answer.Header.Set(name, value)
	}
	return answer, nil
}

// run follows the feeds for a while.
func (w *world) run(d time.Duration) {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	f := New(Config{
		Feeds: func() []prefs.Feed { return w.feeds }, Candidates: w.candidates, Client: &http.Client{Transport: w},
		CheckURL: func(u string) error {
			if strings.Contains(u, "192.168.") {
				return errors.New("inside")
			}
			return nil
		},
		Asked: w.asked, UserAgent: "ebb/test", Log: slog.New(swarm.Listen(slog.DiscardHandler, func(e swarm.Event) { w.told = append(w.told, e.Text) })),
	})
	if err := f.Run(ctx); err != nil {
		w.t.Error(err)
	}
}

func TestAFeedIsAskedHourlyAndConditionally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(r *http.Request) (int, map[string]string, string) {
			if r.Header.Get("If-None-Match") == `"1"` && r.Header.Get("If-Modified-Since") == "yesterday" {
				return 304, nil, ""
			}
			return 200, map[string]string{"ETag": `"1"`, "Last-Modified": "yesterday"}, hex1 + " Old Maps\n" + "ee" + hex1[2:] + " ours already\n"
		}
		w.run(10*time.Hour + 30*time.Minute)
		if n := len(w.requests); n < 9 || n > 11 {
			t.Errorf("asked %d times in ten hours and a half", n)
		}
		if ua := w.requests[0].Header.Get("User-Agent"); ua != "ebb/test" || w.requests[1].Header.Get("If-None-Match") == "" {
			t.Errorf("as %q, then %v", ua, w.requests[1].Header)
		}
		list := w.candidates.List()
		if len(list) != 1 || list[0].Name != "Old Maps" || list[0].Introducer().Client != "lists.example" || list[0].State != swarm.CandidateHeard {
			t.Errorf("candidates: %+v", list)
		}
		// A restart does not ask sooner.
		w.requests = nil
		w.run(30 * time.Minute)
		if len(w.requests) > 1 {
			t.Errorf("asked %d times within half an hour of a restart", len(w.requests))
		}
	})
}

func TestAFeedSaysHowLongItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(*http.Request) (int, map[string]string, string) {
			return 200, nil, "<rss><channel><ttl>300</ttl></channel></rss>"
		}
		w.run(24 * time.Hour)
		if n := len(w.requests); n < 4 || n > 5 {
			t.Errorf("asked %d times in a day", n)
		}
	})
}

func TestAFeedThatFailsIsLeftAloneForLongerAndLongerAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(*http.Request) (int, map[string]string, string) { return 503, nil, "" }
		w.run(48 * time.Hour)
		if n := len(w.requests); n > 7 {
			t.Errorf("asked %d times in two days", n)
		}
		if len(w.told) != 1 || !strings.Contains(w.told[0], `lists.example cannot be read: it answers "503 Service Unavailable"`) {
			t.Errorf("told %q", w.told)
		}
	})
}

func TestAFeedIsNotAskedWhenTheOwnerDoesNotWantIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.feeds[0].Policy = prefs.ModeOff
		w.answer = func(*http.Request) (int, map[string]string, string) { return 200, nil, hex1 }
		w.run(3 * time.Hour)
		if len(w.requests) > 0 {
			t.Error("it was asked")
		}
	})
}

func TestWhatIsTooLargeOrKeyedIsNotOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.feeds[0].MaxSize = prefs.LimitTo(1000)
		w.answer = func(*http.Request) (int, map[string]string, string) {
			return 200, nil, `[{"hash":"` + hex1 + `","size":1001},{"hash":"` + hex2 + `","size":1000,"tracker":"http://192.168.1.1/announce"}]`
		}
		w.run(time.Minute)
		list := w.candidates.List()
		if len(list) != 1 || list[0].Hash.String() != hex2 || len(list[0].Trackers) > 0 {
			t.Errorf("%+v", list)
		}
	})
}

// torrentFile is a .torrent file.
func torrentFile(t *testing.T, name, tracker string, private bool) string {
	t.Helper()
	info := metainfo.Info{Name: name, PieceLength: 32 << 10, Length: 40000, Pieces: make([]byte, 40)}
	if private {
		info.Private = &private
	}
	raw, err := bencode.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	file, err := bencode.Marshal(metainfo.MetaInfo{InfoBytes: raw, Announce: tracker})
	if err != nil {
		t.Fatal(err)
	}
	return string(file)
}

func TestTorrentFilesTellWhatFeedsDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = func(r *http.Request) (int, map[string]string, string) {
			switch r.URL.Path {
			case "/good.torrent":
				return 200, nil, torrentFile(t, "good", "http://tracker.example/announce", false)
			case "/private.torrent":
				return 200, nil, torrentFile(t, "private", "http://tracker.example/announce", true)
			case "/keyed.torrent":
				return 200, nil, torrentFile(t, "keyed", "http://tracker.example/0123456789abcdef/announce", false)
			case "/broken.torrent":
				return 200, nil, "d"
			case "/feed":
				list := ""
				for _, name := range []string{"good", "private", "keyed", "broken", "missing"} {
					list += "https://lists.example/" + name + ".torrent\n"
				}
				return 200, nil, list + "http://192.168.1.1/inside.torrent\n"
			}
			return 404, nil, ""
		}
		w.run(90 * time.Minute)
		list := w.candidates.List()
		if len(list) != 1 || list[0].Name != "good" || list[0].Pieces != 2 || list[0].Length != 40000 || len(list[0].Trackers) != 1 {
			t.Errorf("%+v", list)
		}
		if n := len(w.requests); n != 2+5 { // the feed twice, each file once, none inside
			t.Errorf("%d requests", n)
		}
	})
}

// finder finds what it is told to, and conn is a connection to it.
type finder struct {
	found []netip.AddrPort
	err   error
}

func (f finder) Find(_ context.Context, _ swarm.InfoHash, _ uint16, _ []string, found func([]netip.AddrPort) bool) error {
	for _, addr := range f.found {
		if found([]netip.AddrPort{addr, addr}) {
			break
		}
	}
	return f.err
}

type conn struct{ discovery.Conn }

func TestASwarmOfAFeedIsProvenByAPeerThatIsInIt(t *testing.T) {
	good := netip.MustParseAddrPort("192.0.2.9:9")
	var others []netip.AddrPort
	for i := range 9 {
		others = append(others, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + i)}), 1))
	}
	for name, test := range map[string]struct {
		finder
		dials int
		err   string
	}{
		"at once":           {finder{found: []netip.AddrPort{good}}, 1, ""},
		"the third":         {finder{found: []netip.AddrPort{others[0], others[1], good}}, 3, ""},
		"none answers":      {finder{found: others}, maxDialled, "none of the 6 peers that were found answered"},
		"nobody":            {finder{}, 0, "no peers were found"},
		"nobody, and a why": {finder{err: errors.New("the tracker fails")}, 0, "no peers were found: the tracker fails"},
	} {
		dials := 0
		p := Proof{Finder: test.finder, Dialer: func(_ context.Context, addr netip.AddrPort, _ swarm.InfoHash) (discovery.Conn, error) {
			if dials++; addr == good {
				return conn{}, nil
			}
			return nil, errors.New("no")
		}}
		claim := discovery.Claim{Introducer: swarm.Introducer{Kind: swarm.KindFeed, Client: "Archive"}, Entry: discovery.Entry{Hash: swarm.InfoHash{1}, Name: "Old Maps"}}
		got, err := p.Prove(t.Context(), claim)
		if dials != test.dials || test.err == "" && (err != nil || got.Conn == nil) || test.err != "" && (err == nil || err.Error() != test.err) {
			t.Errorf("%s: %d dials, %+v, %v", name, dials, got, err)
		}
		if err == nil && got.Text != "192.0.2.9:9 shook hands with us in Old Maps, which Archive lists" {
			t.Errorf("%s: %s", name, got.Text)
		}
	}
}
