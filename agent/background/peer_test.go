package background

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"ebb/agent/peerwire"
	"ebb/quota/disk/fragstore"
)

func TestPeerThatCameToUsIsNotDialled(t *testing.T) {
	c := makeContent(t, 3, false)
	listens := addr("127.0.0.1:7")
	t.Run("once it has said where it listens", func(t *testing.T) {
		d := newAgent(t, 1<<30).direct(c)
		d.book.add(listens)
		p, _ := d.meet()
		d.hear(p, peerwire.Message{Type: peerwire.ExtensionHandshake, Extensions: &peerwire.Extensions{Port: listens.Port()}})
		if a, entry := d.book.due(time.Now()); entry != nil {
			t.Errorf("%v is dialled, where a connected peer listens", a)
		}
		d.handleParted(p)
		if _, entry := d.book.due(time.Now().Add(redialInterval + time.Second)); entry == nil {
			t.Error("it is not dialled after it has parted")
		}
	})
	t.Run("once it was dialled and found to be connected", func(t *testing.T) {
		d := newAgent(t, 1<<30).direct(c)
		d.book.add(listens)
		p, other := d.meet()
		d.book.entries[listens].connected = true
		again, err := d.us.port.Dial(t.Context(), other.addr(), c.info.Hash)
		if err != nil {
			t.Fatal(err)
		}
		d.handleJoined(&peer{conn: again, addr: listens})
		if _, entry := d.book.due(time.Now().Add(redialInterval + time.Second)); entry != nil {
			t.Error("it is dialled again and again while it is connected")
		}
		d.handleParted(p)
		if _, entry := d.book.due(time.Now().Add(redialInterval + time.Second)); entry == nil {
			t.Error("it is not dialled after it has parted")
		}
	})
}

func TestSeedIsNotDialledAgainByASeed(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(3)...)
	d := us.direct(c)
	p, other := d.meet()
	p.addr = other.addr()
	d.book.add(p.addr)
	d.book.entries[p.addr].connected = true
	d.hear(p, peerwire.Message{Type: peerwire.HaveAll})
	d.handleParted(p)
	later := time.Now().Add(redialInterval + time.Second)
	if _, entry := d.book.due(later); entry != nil {
		t.Error("a seed dials a seed every two minutes")
	}
	if _, err := us.store.Delete(fragstore.Key{Hash: c.info.Hash, Index: 2}); err != nil {
		t.Fatal(err)
	}
	d.handleLost([]uint32{2})
	if _, entry := d.book.due(later); entry == nil {
		t.Error("it is not dialled although it has the fragment that was lost")
	}
}

func TestOnePeerDoesNotFillTheAddressBook(t *testing.T) {
	c := makeContent(t, 3, false)
	d := newAgent(t, 1<<30).direct(c)
	p, _ := d.meet()
	d.cancel() // none of them is really dialled
	for n := range 20 {
		var made []netip.AddrPort
		for i := range 200 {
			made = append(made, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), uint16(i+1)))
		}
		d.hear(p, peerwire.Message{Type: peerwire.Extended, Name: peerwire.ExtensionPEX, Payload: peerwire.MarshalPEX(made, nil)})
	}
	if n := len(d.book.entries); n > maxAddresses/2 {
		t.Errorf("one peer has filled %d of the %d places for addresses", n, maxAddresses)
	}
}

func TestBothSidesMayDialAtOnce(t *testing.T) {
	c := makeContent(t, 8, false)
	for range 10 {
		one, two := newAgent(t, 1<<30), newAgent(t, 1<<30)
		one.hold(c, all(8)[:4]...)
		two.hold(c, all(8)[4:]...)
		one.join(c, true)
		two.join(c, true)
		var both sync.WaitGroup
		both.Go(func() { one.find(c, two.port.Addr()) })
		both.Go(func() { two.find(c, one.port.Addr()) })
		both.Wait()
		for _, a := range []*agent{one, two} {
			a.wait("all fragments", func() bool { return a.holds(c, 8) })
		}
		one.stop()
		two.stop()
	}
}
