package background

import (
	"crypto/sha1"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"ebb/agent/peerwire"
)

// largeSwarm is a swarm of 50,000 pieces, of which we hold all but the last
// tenth, and of 30 peers that have what we hold.
func largeSwarm(b *testing.B) (*direct, []*peer) {
	const pieces, pieceLength = 50_000, 16 << 10
	first := make([]byte, pieceLength) // the only piece that is stored
	sum := sha1.Sum(first)
	hashes := append(sum[:], make([]byte, (pieces-1)*sha1.Size)...)
	raw, err := bencode.Marshal(metainfo.Info{Name: "large", PieceLength: pieceLength, Length: pieces * pieceLength, Pieces: hashes})
	if err != nil {
		b.Fatal(err)
	}
	info, err := peerwire.ParseInfo(raw)
	if err != nil {
		b.Fatal(err)
	}
	us := newAgent(b, 1<<40)
	c := content{data: first, raw: raw, info: info}
	us.hold(c, 0)
	d := us.direct(c)
	for i := range pieces * 9 / 10 {
		d.held.Set(i)
	}
	var peers []*peer
	for range 30 {
		p, other := d.meet()
		go func() {
			for range other.heard { // or it would stop reading, and never end
			}
		}()
		d.hear(p, peerwire.Message{Type: peerwire.HaveBitfield, Bitfield: d.held.Clone().Bytes()})
		peers = append(peers, p)
	}
	return d, peers
}

func BenchmarkFragmentStored(b *testing.B) {
	d, _ := largeSwarm(b)
	for b.Loop() {
		d.handleCommitted(commit{fetch: &fetch{index: 0}})
	}
}

func BenchmarkHave(b *testing.B) {
	d, peers := largeSwarm(b)
	for n := 0; b.Loop(); n++ {
		d.dispatch(peers[n%len(peers)], peerwire.Message{Type: peerwire.Have, Index: uint32(n % 45_000)})
	}
}
