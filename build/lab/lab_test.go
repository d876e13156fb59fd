package lab

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/metainfo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// rain's metrics library starts one goroutine for the life of the process.
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"),
	)
}

// newWorld makes a world that ends with the test, and a context that bounds it.
func newWorld(t *testing.T) (*World, context.Context) {
	t.Helper()
	w, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return w, ctx
}

// content makes a content, or ends the test.
func content(t *testing.T, w *World, name string, size, pieceLength int64, options ...ContentOption) *Content {
	t.Helper()
	c, err := w.Content(name, size, pieceLength, options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLeecherDownloadsIdenticalBytesFromSeed(t *testing.T) {
	for name, announce := range map[string]func(*World) string{
		"HTTP tracker": (*World).TrackerURL,
		"UDP tracker":  (*World).UDPTrackerURL,
	} {
		t.Run(name, func(t *testing.T) {
			w, ctx := newWorld(t)
			c := content(t, w, "film.bin", 3<<20+12345, 64<<10, Trackers(announce(w)))
			if _, err := w.Seed(ctx, c); err != nil {
				t.Fatal(err)
			}
			leecher, err := w.Leech(ctx, c)
			if err != nil {
				t.Fatal(err)
			}
			if err := leecher.Wait(ctx); err != nil {
				t.Fatal(err)
			}
			if completed, total := leecher.Progress(); completed != c.Size() || total != c.Size() {
				t.Errorf("progress is %d of %d, not %d", completed, total, c.Size())
			}
		})
	}
}

func TestSeveralContentsAndFilesInOneSwarmWorld(t *testing.T) {
	w, ctx := newWorld(t)
	album := content(t, w, "album", 1<<20, 32<<10, InFiles(7))
	film := content(t, w, "film.bin", 2<<20, 128<<10)
	if _, err := w.Seed(ctx, album, film); err != nil {
		t.Fatal(err)
	}
	leecher, err := w.Leech(ctx, film, album)
	if err != nil {
		t.Fatal(err)
	}
	if err := leecher.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestSeveralLeechersFinishFromOneSeed(t *testing.T) {
	w, ctx := newWorld(t)
	c := content(t, w, "film.bin", 4<<20, 64<<10)
	if _, err := w.Seed(ctx, c); err != nil {
		t.Fatal(err)
	}
	var leechers []*Peer
	for range 3 {
		leecher, err := w.Leech(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		leechers = append(leechers, leecher)
	}
	for _, leecher := range leechers {
		if err := leecher.Wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTrackerKnowsPeersByWhereTheyListen(t *testing.T) {
	w, ctx := newWorld(t)
	c := content(t, w, "film.bin", 1<<20, 64<<10)
	seed, err := w.Seed(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	peers := w.Swarm(c.Hash)
	if left, ok := peers[seed.Addr(c)]; len(peers) != 1 || !ok || left != 0 {
		t.Errorf("the tracker knows %v, not just the seed at %v", peers, seed.Addr(c))
	}
	if seed.Addr(c).Addr() == loopback {
		t.Error("the seed has no address of its own")
	}
	if err := seed.Stop(); err != nil {
		t.Fatal(err)
	}
	if peers := w.Swarm(c.Hash); len(peers) != 0 {
		t.Errorf("after the seed has stopped, the tracker knows %v", peers)
	}
}

func TestAnnouncesFromOtherAddressesCountAsTheyAre(t *testing.T) {
	w, ctx := newWorld(t)
	addr := w.NextAddr()
	port, _, err := w.Ports(w.NextAddr(), 1) // somebody else's, at another address
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))}).DialContext,
	}}
	h := swarm.InfoHash{1}
	// A partial seed (BEP 21).
	query := url.Values{"info_hash": {string(h[:])}, "peer_id": {"-XX0001-abcdefghijkl"}, "port": {strconv.Itoa(int(port))}, "left": {"5"}, "event": {"paused"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.TrackerURL()+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the tracker answers %s", response.Status)
	}
	peers := w.Swarm(h)
	if left, ok := peers[netip.AddrPortFrom(addr, port)]; len(peers) != 1 || !ok || left != 5 {
		t.Errorf("the tracker knows %v", peers)
	}
}

func TestAddPeerWorksWithoutTracker(t *testing.T) {
	w, ctx := newWorld(t)
	c := content(t, w, "film.bin", 1<<20, 64<<10)
	seed, err := w.Seed(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	untracked := content(t, w, "film.bin", 1<<20, 64<<10, Trackers())
	if untracked.Hash != c.Hash {
		t.Fatal("the trackers have changed the info-hash")
	}
	leecher, err := w.Leech(ctx, untracked)
	if err != nil {
		t.Fatal(err)
	}
	if err := leecher.AddPeer(c.Hash, seed.Addr(c)); err != nil {
		t.Fatal(err)
	}
	if err := leecher.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestContentIsTheSameInEveryWorld(t *testing.T) {
	a, _ := newWorld(t)
	b, _ := newWorld(t)
	if a.TrackerURL() == b.TrackerURL() {
		t.Fatal("two worlds share a tracker's address")
	}
	first := content(t, a, "x", 100_000, 32<<10)
	if second := content(t, b, "x", 100_000, 32<<10); first.Hash != second.Hash {
		t.Error("the same content has different info-hashes")
	}
	if other := content(t, b, "y", 100_000, 32<<10); first.Hash == other.Hash {
		t.Error("different contents have the same info-hash")
	}
	if private := content(t, b, "x", 100_000, 32<<10, Private()); first.Hash == private.Hash {
		t.Error("the private flag is not in the info dictionary")
	}
	mi, err := metainfo.LoadFromFile(writeTorrent(t, first))
	if err != nil {
		t.Fatal(err)
	}
	if swarm.InfoHash(mi.HashInfoBytes()) != first.Hash {
		t.Error("the torrent file has another info-hash")
	}
}

func writeTorrent(t *testing.T, c *Content) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.torrent")
	if err := os.WriteFile(path, c.Torrent, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVerifyFindsDamage(t *testing.T) {
	w, _ := newWorld(t)
	c := content(t, w, "x", 100_000, 32<<10)
	data, err := os.ReadFile(filepath.Join(c.Dir, "x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"none":     func(b []byte) []byte { return b },
		"one byte": func(b []byte) []byte { b[99_999] ^= 1; return b },
		"short":    func(b []byte) []byte { return b[:99_999] },
		"long":     func(b []byte) []byte { return append(b, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "x"), damage(append([]byte(nil), data...)), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := c.Verify(dir); (err == nil) != (name == "none") {
				t.Errorf("Verify says %v", err)
			}
		})
	}
}

func TestNextAddrNeverRepeats(t *testing.T) {
	w, _ := newWorld(t)
	seen := map[any]bool{}
	for range 2000 {
		addr := w.NextAddr()
		if seen[addr] || !addr.IsLoopback() || addr == loopback {
			t.Fatalf("address %v after %d others", addr, len(seen))
		}
		seen[addr] = true
	}
}
