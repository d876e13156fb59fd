package background

import (
	"testing"
	"time"

	"ebb/agent/peerwire"
)

func hasAll(kind peerwire.MessageType, pieces int, has ...int) peerwire.Message {
	field := peerwire.NewBitfield(pieces)
	for _, i := range has {
		field.Set(i)
	}
	m := peerwire.Message{Type: kind}
	if kind == peerwire.HaveBitfield {
		m.Bitfield = field.Bytes()
	}
	return m
}

func TestWhatAPeerSaysBeforeTheMetadataIsKnownCountsAfterwards(t *testing.T) {
	c := makeContent(t, 20, false)
	for name, h := range map[string]struct {
		says []peerwire.Message
		want []int
	}{
		"a bitfield and more": {[]peerwire.Message{hasAll(peerwire.HaveBitfield, 20, 3), {Type: peerwire.Have, Index: 7}}, []int{3, 7}},
		"only single pieces":  {[]peerwire.Message{{Type: peerwire.Have, Index: 7}, {Type: peerwire.Have, Index: 8}}, []int{7, 8}},
		"nothing, then more":  {[]peerwire.Message{hasAll(peerwire.HaveNone, 20), hasAll(peerwire.HaveBitfield, 20, 5)}, []int{5}},
		"everything":          {[]peerwire.Message{hasAll(peerwire.HaveAll, 20)}, all(20)},
		"nothing at all":      {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := newAgent(t, 1<<30).directByHash(c)
			p, _ := d.meet()
			d.hear(p, h.says...)
			d.learn(c.raw)
			want := peerwire.NewBitfield(20)
			for _, i := range h.want {
				want.Set(i)
				if d.copies[i] != 1 {
					t.Errorf("piece %d: %d copies", i, d.copies[i])
				}
			}
			if string(p.has.Bytes()) != string(want.Bytes()) {
				t.Errorf("it has %08b, want %08b", p.has.Bytes(), want.Bytes())
			}
			if left := d.us.engine.early.Load(); left != 0 {
				t.Errorf("%d bytes count as kept", left)
			}
		})
	}
}

func TestWhatIsKeptUntilTheMetadataIsKnownIsBounded(t *testing.T) {
	c := makeContent(t, 20, false)
	us := newAgent(t, 1<<30)
	d := us.directByHash(c)
	long := peerwire.Message{Type: peerwire.HaveBitfield, Bitfield: make([]byte, peerwire.MaxPieces/8)}
	kept := 0
	var last *peer
	for range mostEarlyBytes/len(long.Bitfield) + 3 {
		p, _ := d.meet()
		if d.dispatch(p, long) {
			kept++
			last = p
		}
	}
	if want := mostEarlyBytes / len(long.Bitfield); kept != want {
		t.Errorf("the longest bitfields of %d peers are kept; want %d", kept, want)
	}
	d.handleParted(last)
	if p, _ := d.meet(); !d.dispatch(p, long) {
		t.Error("there is no room although a peer has gone")
	}
	p, _ := d.meet()
	for i := range mostEarlyHaves {
		d.hear(p, peerwire.Message{Type: peerwire.Have, Index: uint32(i)})
	}
	if d.dispatch(p, peerwire.Message{Type: peerwire.Have}) {
		t.Error("a peer may name any number of pieces before the metadata is known")
	}
}

func TestAllThatAPeerHasIsSaidOnceAndFirst(t *testing.T) {
	c := makeContent(t, 20, false)
	have := peerwire.Message{Type: peerwire.Have, Index: 1}
	everything, none, some := hasAll(peerwire.HaveAll, 20), hasAll(peerwire.HaveNone, 20), hasAll(peerwire.HaveBitfield, 20, 2)
	for _, known := range []bool{true, false} {
		for name, says := range map[string][]peerwire.Message{
			"everything twice":         {everything, everything},
			"everything, then nothing": {everything, none},
			"nothing twice, and more":  {none, none, some},
			"nothing, and more twice":  {none, some, some},
			"a bitfield after a piece": {have, some},
			"nothing, a piece, all":    {none, have, everything},
			"a bitfield twice":         {some, some},
		} {
			us := newAgent(t, 1<<30)
			d := us.directByHash(c)
			if known {
				d = us.direct(c)
			}
			p, _ := d.meet()
			last := len(says) - 1
			d.hear(p, says[:last]...)
			if d.dispatch(p, says[last]) {
				t.Errorf("%s, with the metadata known %v: accepted", name, known)
			}
		}
	}
}

// Whether a piece that a peer has lost was the only one wanted takes a look at all others; the peer decides how often
// it says so.
func TestLostPiecesAreLookedIntoOnceASecond(t *testing.T) {
	c := makeContent(t, 20, false)
	d := newAgent(t, 1<<30).direct(c)
	p, _ := d.meet()
	d.hear(p, peerwire.Message{Type: peerwire.Have, Index: 4})
	if !p.amInterested {
		t.Fatal("no interest in a wanted piece")
	}
	if !d.takeDontHave(p, []byte{0, 0, 0, 4}) || !p.amInterested {
		t.Error("looked into at once")
	}
	p.tick(time.Now())
	if p.amInterested {
		t.Error("still interested in a peer that has nothing")
	}
}
