package foreground_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"ebb/agent/foreground"
	"ebb/agent/swarm"
	"ebb/build/lab"
)

// dict is a bencoded dictionary in the making.
type dict map[string]any

func (d dict) encode(t *testing.T) []byte {
	t.Helper()
	text, err := bencode.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// badInfos are info dictionaries that must not get anywhere.
func badInfos() map[string]dict {
	good := func() dict {
		return dict{"name": "x", "piece length": 1 << 15, "pieces": string(make([]byte, 20)), "length": 1 << 15}
	}
	with := func(change func(dict)) dict {
		d := good()
		change(d)
		return d
	}
	files := func(path ...string) func(dict) {
		return func(d dict) {
			delete(d, "length")
			d["files"] = []dict{{"length": 1 << 15, "path": path}}
		}
	}
	var nest any = "x"
	for range 1000 {
		nest = []any{nest}
	}
	return map[string]dict{
		"a name that leads out":         with(func(d dict) { d["name"] = ".." }),
		"a second name that leads out":  with(func(d dict) { d["name.utf-8"] = ".." }),
		"a file path that leads out":    with(files("..", "..", "etc", "passwd")),
		"no pieces":                     with(func(d dict) { d["pieces"] = "" }),
		"too few pieces":                with(func(d dict) { d["length"] = 1 << 20 }),
		"half a hash":                   with(func(d dict) { d["pieces"] = "1234567890" }),
		"no piece length":               with(func(d dict) { d["piece length"] = 0 }),
		"pieces too long for memory":    with(func(d dict) { d["piece length"], d["length"] = 32<<20, 32<<20 }),
		"a negative length":             with(func(d dict) { d["length"] = -1 }),
		"numbers for texts":             with(func(d dict) { d["name"] = 5 }),
		"BitTorrent v2 only":            {"name": "x", "piece length": 1 << 15, "meta version": 2, "file tree": dict{}},
		"lists in lists in lists (...)": with(func(d dict) { d["x"] = nest }),
	}
}

func TestBadTorrentFilesAreRefusedAndNothingIsStored(t *testing.T) {
	w := newWorld(t)
	s := w.open()
	bad := map[string][]byte{
		"nothing":             nil,
		"garbage":             []byte("<html>"),
		"a cut off file":      []byte("d4:info"),
		"no info dictionary":  []byte("d8:announce3:urle"),
		"an endless list":     bytes.Repeat([]byte("l"), 100_000),
		"a too large file":    make([]byte, foreground.MaxTorrentFile+1),
		"an info that is one": []byte("d4:infoi1ee"),
	}
	for name, info := range badInfos() {
		bad[name] = dict{"info": info}.encode(t)
	}
	for name, file := range bad {
		if _, err := s.AddTorrent(w.ctx, file, true); !errors.Is(err, foreground.ErrBadSource) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list := s.Torrents(); len(list) != 0 {
		t.Errorf("there are downloads: %+v", list)
	}
	w.nothingStored()
}

func TestBadURIsAreRefused(t *testing.T) {
	w := newWorld(t)
	s := w.open()
	for _, uri := range []string{
		"", "film.torrent", "ftp://example.org/x.torrent", "file:///etc/passwd", "http://", "http:///x", "https://[::1",
		"magnet:?dn=no+hash", "magnet:?xt=urn:btih:123", "magnet:?xt=urn:btmh:1220" + strings.Repeat("00", 32),
	} {
		if _, err := s.AddURI(w.ctx, uri, true); !errors.Is(err, foreground.ErrBadSource) {
			t.Errorf("%s: %v", uri, err)
		}
	}
	w.nothingStored()
}

func TestTrackersThatAreNotAllowedAreLeftOut(t *testing.T) {
	w := newWorld(t)
	w.cfg.CheckURL = func(url string) error {
		if strings.Contains(url, "forbidden") {
			return errors.New("forbidden")
		}
		return nil
	}
	c := w.content("film.bin", 1<<20, 64<<10, lab.Trackers("http://forbidden.example/announce", w.TrackerURL()))
	d := w.content("other.bin", 1<<20, 64<<10, lab.Trackers("udp://forbidden.example:1", w.TrackerURL()))
	s := w.open()
	w.add(c)
	if _, err := s.AddURI(w.ctx, d.Magnet(), true); err != nil {
		t.Fatal(err)
	}
	for _, picture := range s.Torrents() {
		if len(picture.Trackers) != 1 || picture.Trackers[0] != w.TrackerURL() {
			t.Errorf("the trackers of %s are %q", picture.Name, picture.Trackers)
		}
		for _, tracker := range s.RainTrackers(picture.Hash) {
			if strings.Contains(tracker, "forbidden") {
				t.Errorf("rain announces %s to %s", picture.Name, tracker)
			}
		}
	}
}

func TestWebSeedsAreKept(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10, lab.Trackers())
	server := httptest.NewServer(http.FileServer(http.Dir(c.Dir)))
	t.Cleanup(server.Close)
	mi, err := metainfo.Load(bytes.NewReader(c.Torrent))
	if err != nil {
		t.Fatal(err)
	}
	mi.UrlList = metainfo.UrlList{server.URL + "/film.bin"}
	var file bytes.Buffer
	if err := mi.Write(&file); err != nil {
		t.Fatal(err)
	}
	if _, err := w.open().AddTorrent(w.ctx, file.Bytes(), true); err != nil {
		t.Fatal(err)
	}
	w.complete(c)
}

func TestPrivateTorrents(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10, lab.Private())
	w.seed(c)
	s := w.open()
	// From a file and from a magnet link they work, and are marked.
	w.add(c)
	if picture := w.complete(c); !picture.Private {
		t.Error("from a file it is not marked as private")
	}
	if err := s.Remove(c.Hash, true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddURI(w.ctx, c.Magnet(), true); err != nil {
		t.Fatal(err)
	}
	if picture := w.complete(c); !picture.Private {
		t.Error("from a magnet link it is not marked as private")
	}
}

func TestMetadataOfMagnetsIsCheckedBeforeAnythingIsStored(t *testing.T) {
	for name, info := range badInfos() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.open()
			raw := info.encode(t)
			h := swarm.HashInfo(raw)
			peer := liar(t, w.NextAddr(), h, raw)
			if _, err := s.AddURI(w.ctx, fmt.Sprintf("magnet:?xt=urn:btih:%s&dn=bait&x.pe=%s", h.String(), peer), true); err != nil {
				t.Fatal(err)
			}
			picture := w.awaitState(h, foreground.Failed)
			if picture.Why() == "" || picture.Name != "bait" || picture.MetadataKnown {
				t.Errorf("the picture is %+v", picture)
			}
			w.nothingStored()
			if w.has("../x") {
				t.Error("something was stored next to the download directory")
			}
			w.close()
			if list := w.open().Torrents(); len(list) != 0 {
				t.Errorf("after a restart there is %+v", list)
			}
		})
	}
}
