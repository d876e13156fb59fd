package background

import (
	"testing"
	"time"

	"ebb/agent/peerwire"
)

// offers makes the swarm hear that a peer has the metadata.
func (d *direct) offers(p *peer) {
	d.t.Helper()
	for p.conn.Peer().MetadataSize == 0 {
		m, err := p.conn.Read()
		if err != nil {
			d.t.Fatal(err)
		}
		d.hear(p, m)
	}
}

// meetTeller connects a peer that says that it has the metadata.
func (d *direct) meetTeller() *peer {
	d.t.Helper()
	p, _ := d.meet()
	d.offers(p)
	return p
}

func metadataMessage(m peerwire.MetadataMessage) peerwire.Message {
	return peerwire.Message{Type: peerwire.Extended, Name: peerwire.ExtensionMetadata, Payload: m.Marshal()}
}

func TestMetadataIsAskedForAgainAfterEverybodyFailedOnce(t *testing.T) {
	c := makeContent(t, 3, false)
	d := newAgent(t, 1<<30).directByHash(c)
	d.meet() // which does not say that it has any
	p := d.meetTeller()
	if d.meta.from != p {
		t.Fatal("the peer is not asked")
	}
	late := d.meta.until.Add(time.Second)
	d.seekMetadata(late)
	d.seekMetadata(late.Add(metadataPatience))
	if d.meta.from != p {
		t.Error("the only peer that has the metadata is never asked again")
	}
}

func TestPeerThatRefusesTheMetadataMakesWayForAnother(t *testing.T) {
	c := makeContent(t, 3, false)
	d := newAgent(t, 1<<30).directByHash(c)
	refuser, teller := d.meetTeller(), d.meetTeller()
	d.hear(refuser, metadataMessage(peerwire.MetadataMessage{Kind: peerwire.MetadataReject}))
	if d.meta.from != teller {
		t.Error("the other peer is not asked although the first has refused")
	}
	d.hear(teller, metadataMessage(peerwire.MetadataMessage{Kind: peerwire.MetadataReject}))
	if d.meta.from != nil {
		t.Error("a peer that has just refused is asked again at once")
	}
}

func TestFailureToStoreTheMetadataIsNotRepeatedAtOnce(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	d := us.directByHash(c)
	p := d.meetTeller()
	us.stop() // closes the store: nothing can be written
	d.hear(p, metadataMessage(peerwire.MetadataMessage{Kind: peerwire.MetadataData, TotalSize: int64(len(c.raw)), Data: c.raw}))
	d.seekMetadata(time.Now().Add(time.Second))
	if d.meta.from != nil {
		t.Error("the metadata is downloaded again a second after it could not be stored")
	}
}

func TestFragmentsHeldAreOfferedWhenTheMetadataComesBack(t *testing.T) {
	c := makeContent(t, 3, false)
	us := newAgent(t, 1<<30)
	us.hold(c, 1)
	d := us.directByHash(c) // its metadata was lost
	_, other := d.meet()
	other.heardNext(peerwire.HaveNone)
	d.learn(c.raw)
	if m := other.heardNext(peerwire.Have); m.Index != 1 {
		t.Errorf("have %d, fragment 1 is held", m.Index)
	}
}
