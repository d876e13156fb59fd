package background

import (
	"bytes"
	"slices"
	"testing"

	"ebb/agent/peerwire"
	"ebb/quota/disk/fragstore"
)

func TestAFragmentStaysOpenForTheNextBlockOnly(t *testing.T) {
	var k kept
	first, second := &watched{}, &watched{}
	if k.take(0) != nil {
		t.Error("something is open before anything was opened")
	}
	k.put(0, first)
	if k.take(0) != reader(first) || k.take(0) != nil {
		t.Error("it is not taken out once")
	}
	k.put(0, first)
	k.tick()
	if len(first.done) > 0 {
		t.Errorf("used since the last tick, it saw %v", first.done)
	}
	k.tick()
	if !slices.Equal(first.done, []string{"close"}) || k.take(0) != nil {
		t.Errorf("not used for a tick, it saw %v", first.done)
	}
	k.put(1, second)
	if k.take(2) != nil || !slices.Equal(second.done, []string{"close"}) {
		t.Errorf("when another piece is wanted, it saw %v", second.done)
	}
	for _, c := range []struct {
		name  string
		end   func(*kept)
		close bool
	}{
		{"held", func(k *kept) { k.lose(func(int) bool { return true }) }, false},
		{"lost", func(k *kept) { k.lose(func(i int) bool { return i != 3 }) }, true},
		{"closed", (*kept).close, true},
		{"another put", func(k *kept) { k.put(4, &watched{}) }, true},
	} {
		w := &watched{}
		k.put(3, w)
		if c.end(&k); (len(w.done) > 0) != c.close {
			t.Errorf("%s: it saw %v", c.name, w.done)
		}
	}
}

func TestADeletedFragmentIsNotServedThoughItWasOpen(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(3)...)
	us.join(c, true)
	p := newScripted(t, c).dial(us)
	p.unchoked()
	for begin := uint32(0); begin < 16<<10; begin += 4 << 10 {
		if got := p.fetch(1, begin, 4<<10); !bytes.Equal(got, c.piece(1)[begin:begin+4<<10]) {
			t.Fatalf("the block at %d is another", begin)
		}
	}
	if _, err := us.store.Delete(fragstore.Key{Hash: c.info.Hash, Index: 1}); err != nil {
		t.Fatal(err)
	}
	if err := p.conn.Send(peerwire.Message{Type: peerwire.Request, Index: 1, Begin: 0, Length: 4 << 10}); err != nil {
		t.Fatal(err)
	}
	if m, ok := p.next("an answer", func(m peerwire.Message) bool { return m.Type == peerwire.Piece || m.Type == peerwire.Reject }); ok && m.Type != peerwire.Reject {
		t.Errorf("answered with %v", m.Type)
	}
}

// BenchmarkSmallRequests asks for blocks of 64 bytes, many at a time.
func BenchmarkSmallRequests(b *testing.B) {
	c := makeContent(b, 4, false)
	us := newAgent(b, 1<<30)
	us.hold(c, all(4)...)
	us.join(c, true)
	p := newScripted(b, c).dial(us)
	p.unchoked()
	const length, window = 64, 100
	ask := func(i int) {
		if err := p.conn.Send(peerwire.Message{Type: peerwire.Request, Index: 1, Begin: uint32(i%256) * length, Length: length}); err != nil {
			b.Fatal(err)
		}
	}
	asked := 0
	for answered := 0; b.Loop(); answered++ {
		for ; asked < answered+window; asked++ {
			ask(asked)
		}
		if _, ok := p.next("a block", func(m peerwire.Message) bool { return m.Type == peerwire.Piece }); !ok {
			b.Fatal("no block")
		}
	}
}
