package background

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/quota/disk/fragstore"
)

func TestPeerThatCameToUsIsNotDialled(t *testing.T) {
	c := makeContent(t, 3, false)
	listens := addr("127.0.0.1:7")
	t.Run("once it has said where it listens", func(t *testing.T) {
		d := newAgent(t, 1<<30).direct(c)
		d.book.Add(listens)
		p, _ := d.meet()
		d.hear(p, peerwire.Message{Type: peerwire.ExtensionHandshake, Extensions: &peerwire.Extensions{Port: listens.Port()}})
		if a, ok := d.book.Due(time.Now()); ok {
			t.Errorf("%v is dialled, where a connected peer listens", a)
		}
		d.handleParted(p)
		if _, ok := d.book.Due(time.Now().Add(peersource.RedialInterval + time.Second)); !ok {
			t.Error("it is not dialled after it has parted")
		}
	})
	t.Run("once it was dialled and found to be connected", func(t *testing.T) {
		d := newAgent(t, 1<<30).direct(c)
		d.book.Add(listens)
		p, other := d.meet()
		d.book.Met(listens)
		again, err := d.us.port.Dial(t.Context(), other.addr(), c.info.Hash)
		if err != nil {
			t.Fatal(err)
		}
		d.handleJoined(&peer{conn: again, addr: listens})
		if _, ok := d.book.Due(time.Now().Add(peersource.RedialInterval + time.Second)); ok {
			t.Error("it is dialled again and again while it is connected")
		}
		d.handleParted(p)
		if _, ok := d.book.Due(time.Now().Add(peersource.RedialInterval + time.Second)); !ok {
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
	d.book.Add(p.addr)
	d.book.Met(p.addr)
	d.hear(p, peerwire.Message{Type: peerwire.HaveAll})
	d.handleParted(p)
	later := time.Now().Add(peersource.RedialInterval + time.Second)
	if _, ok := d.book.Due(later); ok {
		t.Error("a seed dials a seed every two minutes")
	}
	if _, err := us.store.Delete(fragstore.Key{Hash: c.info.Hash, Index: 2}); err != nil {
		t.Fatal(err)
	}
	d.handleLost([]uint32{2})
	if _, ok := d.book.Due(later); !ok {
		t.Error("it is not dialled although it has the fragment that was lost")
	}
}

// mostAddresses is how many a peersource.Book takes.
const mostAddresses = 500

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
	if n := d.book.Len(); n > mostAddresses/2 {
		t.Errorf("one peer has filled %d of the %d places for addresses", n, mostAddresses)
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

// TestEstablishedConnectionOutlivesANewerThatSaysNothing has a peer dial us just after we dialled it, and close the newer
// connection, as aria2 does, whichever of the two has the higher ID.
func TestEstablishedConnectionOutlivesANewerThatSaysNothing(t *testing.T) {
	c := makeContent(t, 4, false)
	for _, letter := range []string{"!", "~"} { // below and above ours
		us := newAgent(t, 1<<30)
		us.hold(c, all(4)...)
		us.join(c, true)
		other := newScriptedAs(t, c, "127.0.0.1", [20]byte([]byte(strings.Repeat(letter, 20))))
		heard := make(chan peerwire.Message, 1000)
		other.heard = heard
		us.find(c, other.addr())
		us.wait("the peer to be dialled", other.met)

		newer, err := other.port.Dial(t.Context(), us.port.Addr(), c.info.Hash)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newer.Read(); err != nil && letter == "~" {
			t.Errorf("the newer connection, which outranks the older, was not greeted: %v", err)
		}
		newer.Close()
		<-newer.Done()
		us.wait("one connection to be left", func() bool { open, _ := us.places(); return open == 1 })
		if other.ended() {
			t.Errorf("ID %q: the established connection was closed for one that said nothing", letter)
		}
	}
}

func TestNewerConnectionTakesThePlaceOfTheOlderWhenItSpeaks(t *testing.T) {
	c := makeContent(t, 4, false)
	us := newAgent(t, 1<<30)
	us.hold(c, all(4)...)
	us.join(c, true)
	other := newScriptedAs(t, c, "127.0.0.1", [20]byte([]byte(strings.Repeat("~", 20))))
	other.heard = make(chan peerwire.Message, 1000)
	us.find(c, other.addr())
	us.wait("the peer to be dialled", other.met)
	newer := (&scripted{t: t, content: c, port: other.port}).dial(us)
	newer.unchoked()
	us.wait("the older connection to end", other.ended)
	newer.works()
	if open, _ := us.places(); open != 1 {
		t.Errorf("%d connections to one peer", open)
	}
}
