package background

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
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
		return openBlock(w, 16<<10, 1000, false, func() { w.Close() }), nil
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
	openBlock(w, 16<<10, 1000, true, nil)
	if want := []string{"prefetch 16384 2000"}; !slices.Equal(w.done, want) {
		t.Errorf("the fragment saw %v, want %v", w.done, want)
	}
}

// TestEveryRequestOfAPeerThatCannotBeRefusedIsAnswered has a peer without the fast extension ask for far more at once
// than is kept, as rtorrent does on a fast line.
func TestEveryRequestOfAPeerThatCannotBeRefusedIsAnswered(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(4)...)
	us.join(c, true)
	conn, err := net.Dial("tcp", us.port.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(deadline))
	hello := append([]byte("\x13BitTorrent protocol"), make([]byte, 8)...)
	hello = append(append(hello, c.info.Hash[:]...), "-OLD000-abcdefghijkl"...)
	const requests = 3000
	asks := append(hello, 0, 0, 0, 1, byte(peerwire.Interested))
	for i := range requests {
		asks = append(asks, 0, 0, 0, 13, byte(peerwire.Request))
		for _, n := range []uint32{uint32(i % 4), 0, peerwire.BlockSize} {
			asks = binary.BigEndian.AppendUint32(asks, n)
		}
	}
	interested := len(hello) + 5
	if _, err := conn.Write(asks[:interested]); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	if _, err := io.CopyN(io.Discard, in, 68); err != nil {
		t.Fatal(err)
	}
	var sent sync.WaitGroup
	defer sent.Wait()
	for blocks := 0; blocks < requests; {
		var head [5]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			t.Fatalf("after %d of %d blocks: %v", blocks, requests, err)
		}
		if _, err := io.CopyN(io.Discard, in, int64(binary.BigEndian.Uint32(head[:4]))-1); err != nil {
			t.Fatalf("after %d of %d blocks: %v", blocks, requests, err)
		}
		switch peerwire.MessageType(head[4]) {
		case peerwire.Unchoke:
			sent.Go(func() { conn.Write(asks[interested:]) })
		case peerwire.Piece:
			blocks++
		}
	}
}
