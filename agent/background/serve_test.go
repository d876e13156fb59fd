package background

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/peerwire"
	"ebb/quota/disk/fragstore"
)

// served lists which of the peers are unchoked.
func served(peers []*peer) (who []int) {
	for i, p := range peers {
		if !p.amChoking {
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
	d.blockSent(peers[0], fragstore.Key{Hash: c.info.Hash}, 1<<20)
	for range 4 * len(peers) {
		now = now.Add(10 * time.Second)
		d.unchoke(now)
		for _, i := range served(peers) {
			turns[i]++
			d.blockSent(peers[i], fragstore.Key{Hash: c.info.Hash}, 1<<20)
		}
	}
	for i, n := range turns {
		if n < 3 || n > 5 { // the first to come is served at once
			t.Errorf("peer %d was served %d times in 12 turns of 3 peers", i, n)
		}
	}
}

func TestPeerThatPartsLeavesItsSlotAndNoOther(t *testing.T) {
	c := makeContent(t, 2, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(2)...)
	d := us.direct(c)
	us.engine.cfg.UploadLimit = func() int64 { return 3 * choose.BytesPerSlot }
	var peers []*peer
	for range 5 {
		p, _ := d.meet()
		d.hear(p, peerwire.Message{Type: peerwire.Interested})
		peers = append(peers, p)
	}
	for i, p := range peers[:3] {
		p.cost.Add(int64(3-i) << 20)
	}
	d.handleParted(peers[2])
	if peers[0].amChoking || peers[1].amChoking || len(served(peers[3:])) != 1 {
		t.Errorf("after peer 2 of 0, 1 and 2 parted, %v are served", served(peers))
	}
	if peers[0].turns.had != 0 || peers[0].turns.taken != 0 {
		t.Error("the turns of others were ended")
	}
	d.hear(peers[0], peerwire.Message{Type: peerwire.NotInterested})
	if !peers[0].amChoking || len(served(peers[3:])) != 2 {
		t.Errorf("a peer that wants nothing any more keeps its slot: %v are served", served(peers))
	}
}

// watched is an open fragment that notes what is done to it.
type watched struct {
	memory
	done []string
}

func (w *watched) Prefetch(off, n int64) {
	w.done = append(w.done, fmt.Sprint("prefetch ", off, " ", n))
}
func (w *watched) Served(off, n int64) { w.done = append(w.done, fmt.Sprint("served ", off, " ", n)) }
func (w *watched) Close() error        { w.done = append(w.done, "close"); return nil }
func (w *watched) ReadAt(b []byte, off int64) (int, error) {
	w.done = append(w.done, "read")
	return w.memory.ReadAt(b, off)
}

func TestBlockIsFetchedWithoutHurryAndLeavesTheCacheOnceItIsSent(t *testing.T) {
	c := makeContent(t, 3, false)
	from, to := newScripted(t, c), newScripted(t, c)
	to.heard = make(chan peerwire.Message, 10)
	conn, err := from.port.Dial(t.Context(), to.addr(), c.info.Hash)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{memory: memory{block: c.piece(1)}}
	err = conn.SendBlock(peerwire.BlockRequest{Index: 1, Begin: 16 << 10, Length: 1000, Source: func() (peerwire.BlockSource, error) {
		return openBlock(w, 16<<10, 1000, false), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if m := to.heardNext(peerwire.Piece); !bytes.Equal(m.Block, c.piece(1)[16<<10:16<<10+1000]) {
		t.Error("another block came")
	}
	conn.Close()
	<-conn.Done()
	if want := []string{"prefetch 16384 1000", "read", "served 16384 1000", "close"}; !slices.Equal(w.done, want) {
		t.Errorf("the fragment saw %v, want %v", w.done, want)
	}
}

func TestNextBlockIsFetchedWhileOneIsSent(t *testing.T) {
	w := &watched{}
	openBlock(w, 16<<10, 1000, true)
	if want := []string{"prefetch 16384 2000"}; !slices.Equal(w.done, want) {
		t.Errorf("the fragment saw %v, want %v", w.done, want)
	}
}
