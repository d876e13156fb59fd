package owner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"

	"ebb/webui"
)

const (
	someHash   = "0123456789abcdef0123456789abcdef01234567"
	someBase32 = "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH"
	someMagnet = "magnet:?xt=urn:btih:" + someHash
)

// soundFile is a sound .torrent file.
func soundFile(t *testing.T) []byte {
	t.Helper()
	info := map[string]any{"name": "x", "piece length": 1 << 15, "pieces": string(make([]byte, 20)), "length": 1 << 15}
	file, err := bencode.Marshal(map[string]any{"info": info, "announce": "http://tracker.example/announce"})
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// web serves .torrent files, links to them, and everything that is none.
func web(t *testing.T) *httptest.Server {
	t.Helper()
	file := soundFile(t)
	mux := http.NewServeMux()
	for path, answer := range map[string]string{
		"/good":                     string(file),
		"/my film 100% Ünï.torrent": string(file),
		"/text":                     "\ufeff" + someMagnet + "&dn=a b\r\n",
		"/page":                     "<!DOCTYPE html>",
		"/large":                    strings.Repeat("d", webui.MaxTorrentFile+1),
	} {
		mux.HandleFunc("GET "+(&url.URL{Path: path}).EscapedPath(), func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
	}
	mux.HandleFunc("/said-to-be-large", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1000000000000") })
	mux.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for path, location := range map[string]string{
		"/elsewhere": "file:///etc/passwd",
		"/nowhere":   "",
		"/magnet":    someMagnet + "&dn=100% free; a#1&tr=http://tracker.example/a",
		"/shouted":   "MAGNET:?xt=urn:btih:" + someBase32,
		"/hop1":      "good", "/hop2": "/hop1", "/hop3": "hop2", "/hop4": "/hop3", "/hop5": "/hop4", "/hop6": "/hop5",
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Location"] = []string{location}
			w.WriteHeader(http.StatusFound)
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

func newReader() *Owner {
	return &Owner{cfg: Config{Transport: &http.Transport{DisableKeepAlives: true}}}
}

func TestLinksAreReadAsTheyAreWritten(t *testing.T) {
	server := web(t)
	for _, link := range []string{
		someHash, strings.ToUpper(someHash), someBase32, strings.ToLower(someBase32), "urn:btih:" + someHash, " " + someHash + "\n",
		someMagnet, "MAGNET" + strings.TrimPrefix(someMagnet, "magnet"), "<" + someMagnet + ">", "“" + someMagnet + "”", "<URL:" + someMagnet + ">",
		"\ufeff" + someMagnet + "\u200b", someMagnet + "&amp;dn=100% a;b#c&amp;tr=http%3A%2F%2Ftracker.example%2Fa",
		"magnet%3A%3Fxt%3Durn%3Abtih%3A" + someHash, someMagnet + "&dn=a\r\n&tr=http://tracker.example/a",
		server.URL + "/magnet", server.URL + "/shouted", server.URL + "/text", "HTTP" + strings.TrimPrefix(server.URL, "http") + "/magnet?a=1&amp;b=2",
	} {
		g, err := newReader().read(t.Context(), webui.Source{URI: link})
		if err != nil || g.hash().String() != someHash || g.file != nil {
			t.Errorf("%q is read as %v, %v", link, g.hash(), err)
		}
	}
	want, err := readFile(soundFile(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/good", "/hop5", "/my film 100% Ünï.torrent", "/my%20film%20100%25%20Ünï.torrent"} {
		g, err := newReader().read(t.Context(), webui.Source{URI: " " + server.URL + path + "\n"})
		if err != nil || g.hash() != want.hash() || len(g.file) == 0 {
			t.Errorf("%s is read as %v, %v", path, g.hash(), err)
		}
	}
}

func TestWhatIsNoLinkIsSaidSo(t *testing.T) {
	server := web(t)
	for link, want := range map[string]string{
		"":                            "is no link",
		"film.torrent":                "is no link",
		"/etc/passwd":                 "is no link",
		"file:///etc/passwd":          "is no link",
		"javascript:alert(1)":         "is no link",
		"ftp://example.org/x.torrent": "is no link",
		someHash[1:]:                  "info-hash of 40",
		strings.Repeat("g", 40):       "info-hash of 40",
		"http://":                     "with a host",
		"http:///x":                   "with a host",
		"https://[::1":                "with a host",
		"magnet:?dn=no+hash":          "no BitTorrent info-hash",
		"magnet:?xt=urn:btih:123":     "neither 40",
		"magnet:?xt=urn:btmh:1220" + strings.Repeat("00", 32): "v2 only",
		someMagnet + "\n" + someMagnet:                        "one at a time",
		server.URL + "/page?passkey=secret":                   "web page",
		server.URL + "/large?passkey=secret":                  "longer than 10 MiB",
		server.URL + "/said-to-be-large?passkey=secret":       "longer than 10 MiB",
		server.URL + "/missing?passkey=secret":                "404",
		server.URL + "/nowhere?passkey=secret":                "where to",
		server.URL + "/hop6?passkey=secret":                   "redirects more than 5 times",
		server.URL + "/elsewhere?passkey=secret":              "unsupported protocol scheme",
		server.URL + "/slow?passkey=secret":                   "deadline",
	} {
		ctx := t.Context()
		if strings.Contains(link, "/slow") {
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			ctx = short
		}
		_, err := newReader().read(ctx, webui.Source{URI: link})
		var bad *webui.BadRequest
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.80q: %v, and not %q", link, err, want)
		}
	}
}

func TestURLsAreFetchedThroughTheGuard(t *testing.T) {
	refused := errors.New("refused by the guard")
	o := &Owner{cfg: Config{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, refused })}}
	if _, err := o.read(t.Context(), webui.Source{URI: "http://example.org/x.torrent"}); !errors.Is(err, refused) {
		t.Errorf("the error is %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
