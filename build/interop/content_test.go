//go:build linux

package interop

import (
	"os"
	"path/filepath"
	"testing"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/metainfo"
)

func makeContent(t *testing.T, seed byte) (dir string, c *Content) {
	t.Helper()
	dir = t.TempDir()
	c, err := MakeContent(dir, "two files", seed, 16<<10, []string{"http://127.0.0.1:1/announce", "udp://127.0.0.1:1/announce"},
		File{"first", 20 << 10}, File{"deep/second", 13})
	if err != nil {
		t.Fatal(err)
	}
	return dir, c
}

func TestContentDependsOnTheSeedAlone(t *testing.T) {
	_, first := makeContent(t, 1)
	_, again := makeContent(t, 1)
	_, other := makeContent(t, 2)
	if first.Hash != again.Hash || first.Hash == other.Hash {
		t.Errorf("hashes %v, %v of one seed and %v of another", first.Hash, again.Hash, other.Hash)
	}
}

func TestTorrentIsPublicWithATierPerTracker(t *testing.T) {
	dir, c := makeContent(t, 1)
	path, err := c.WriteTorrent(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := metainfo.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := m.UnmarshalInfo()
	if err != nil {
		t.Fatal(err)
	}
	if swarm.InfoHash(m.HashInfoBytes()) != c.Hash || info.TotalLength() != c.Length || info.NumPieces() != c.Pieces() || info.Private != nil {
		t.Errorf("torrent %v of %d bytes in %d pieces, private %v; content %+v", m.HashInfoBytes(), info.TotalLength(), info.NumPieces(), info.Private, c)
	}
	if len(m.AnnounceList) != 2 || len(m.AnnounceList[0]) != 1 {
		t.Errorf("announce-list %v, want two tiers of one", m.AnnounceList)
	}
}

func TestCheckFindsADamagedCopy(t *testing.T) {
	dir, c := makeContent(t, 1)
	if err := c.Check(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "two files", "deep", "second")
	if err := os.WriteFile(path, []byte("thirteen byte"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(dir); err == nil {
		t.Error("a damaged file passes")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(dir); err == nil {
		t.Error("a missing file passes")
	}
}

func TestCheckPieceFindsADamagedFragment(t *testing.T) {
	dir, c := makeContent(t, 1)
	first, err := os.ReadFile(filepath.Join(dir, "two files", "first"))
	if err != nil {
		t.Fatal(err)
	}
	fragment := filepath.Join(dir, "fragment")
	if err := os.WriteFile(fragment, first[:16<<10], 0o600); err != nil {
		t.Fatal(err)
	}
	// Files are in the torrent in the order of their paths, so piece 0 holds the 13 bytes of deep/second first.
	if err := c.CheckPiece(0, fragment); err == nil {
		t.Error("bytes that are not the piece pass")
	}
	second, err := os.ReadFile(filepath.Join(dir, "two files", "deep", "second"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fragment, append(second, first...)[:16<<10], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.CheckPiece(0, fragment); err != nil {
		t.Error(err)
	}
	if err := c.CheckPiece(2, fragment); err == nil {
		t.Error("a piece that the torrent has not got passes")
	}
}

func TestFreePortsAreOnTheAddressThatIsAskedFor(t *testing.T) {
	addr := NewLoopback().Next()
	port, err := freePort(addr)
	if err != nil || port < firstPort || port >= lastPort {
		t.Errorf("port %d on %v, error %v", port, addr, err)
	}
}
