package background

import (
	"testing"
	"time"

	"ebb/agent/peerwire"
)

// served lists which of the peers are unchoked.
func served(peers []*peer) (who []int) {
	for i, p := range peers {
		if !p.choked {
			who = append(who, i)
		}
	}
	return who
}

func TestEverybodyIsServedInTurn(t *testing.T) {
	c := makeContent(t, 2, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(2)...)
	d := us.direct(c)
	us.engine.cfg.UploadLimit = func() int64 { return 1 } // one slot
	var peers []*peer
	for range 3 {
		p, _ := d.meet()
		d.hear(p, peerwire.Message{Type: peerwire.Interested})
		peers = append(peers, p)
	}
	turns := make([]int, len(peers))
	now := time.Now()
	for range 4 * len(peers) {
		now = now.Add(unchokeInterval)
		d.unchoke(now)
		for _, i := range served(peers) {
			turns[i]++
		}
	}
	for i, n := range turns {
		if n != 4 {
			t.Errorf("peer %d was served %d times in 12 turns of 3 peers", i, n)
		}
	}
}

func TestPeerThatPartsLeavesItsSlotAndNoOther(t *testing.T) {
	c := makeContent(t, 2, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(2)...)
	d := us.direct(c)
	us.engine.cfg.UploadLimit = func() int64 { return 3 * bytesPerSlot }
	var peers []*peer
	for range 5 {
		p, _ := d.meet()
		d.hear(p, peerwire.Message{Type: peerwire.Interested})
		peers = append(peers, p)
	}
	for i, p := range peers[:3] {
		p.sent.n.Add(int64(3-i) << 20)
	}
	d.handleParted(peers[2])
	if peers[0].choked || peers[1].choked || len(served(peers[3:])) != 1 {
		t.Errorf("after peer 2 of 0, 1 and 2 parted, %v are served", served(peers))
	}
	if peers[0].sentBefore != 0 {
		t.Error("what was sent in the ten seconds before the next choice is forgotten")
	}
	d.hear(peers[0], peerwire.Message{Type: peerwire.NotInterested})
	if !peers[0].choked || len(served(peers[3:])) != 2 {
		t.Errorf("a peer that wants nothing any more keeps its slot: %v are served", served(peers))
	}
}
