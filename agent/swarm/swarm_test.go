package swarm

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestInfoHashIsReadAsItIsWritten(t *testing.T) {
	h := HashInfo([]byte("d4:name1:ae"))
	for _, text := range []string{h.String(), strings.ToUpper(h.String())} {
		if got, err := ParseInfoHash(text); err != nil || got != h {
			t.Errorf("%s was read as %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "12", h.String()[1:], h.String() + "0", strings.Repeat("g", 40), strings.Repeat("é", 20)} {
		if got, err := ParseInfoHash(text); err == nil || !got.IsZero() {
			t.Errorf("%q was read as %s", text, got)
		}
	}
}

// Records that were written before an introducer had a type of its own.
func TestWhyOfAnEarlierVersionIsRead(t *testing.T) {
	var byPeer, byOwner Why
	err := json.Unmarshal([]byte(`{"rule":"sources.peers = \"auto\"","kind":"peer","addr":"192.0.2.7:51515",
		"peer_id":"2d4542303130302d303132333435363738396162","client":"ebb 0.1.0","via_hash":"0102030405060708090a0b0c0d0e0f1011121314",
		"via_name":"First Light","heard":"2026-03-01T12:00:00Z","verified":"2026-03-01T12:01:00Z","intro_key":"peer 192.0.2.0/24"}`), &byPeer)
	if err != nil || byPeer.Addr != netip.MustParseAddrPort("192.0.2.7:51515") || string(byPeer.PeerID[:8]) != "-EB0100-" ||
		byPeer.ViaHash[19] != 0x14 || byPeer.Key() != "peer 192.0.2.0/24" || byPeer.ByOwner() || byPeer.Verified.IsZero() {
		t.Errorf("%v: %+v", err, byPeer)
	}
	err = json.Unmarshal([]byte(`{"rule":"the owner asked for it","kind":"owner","addr":"","peer_id":"","client":"","via_hash":"",
		"via_name":"","heard":"2026-03-01T12:00:00Z","verified":"0001-01-01T00:00:00Z","intro_key":""}`), &byOwner)
	if err != nil || !byOwner.ByOwner() || byOwner.Key() != "" || byOwner.Addr.IsValid() {
		t.Errorf("%v: %+v", err, byOwner)
	}
}

func TestIntroducersAreCountedByNetwork(t *testing.T) {
	at := func(addr string) string {
		return Introducer{Kind: KindPeer, Addr: netip.MustParseAddrPort(addr)}.Key()
	}
	if at("192.0.2.1:1") != at("192.0.2.200:2") || at("192.0.2.1:1") != at("[::ffff:192.0.2.9]:1") || at("192.0.2.1:1") == at("192.0.3.1:1") {
		t.Error("IPv4 addresses are not counted by /24")
	}
	if at("[2001:db8::1]:1") != at("[2001:db8::2:1]:2") || at("[2001:db8::1]:1") == at("[2001:db8:0:1::1]:1") {
		t.Error("IPv6 addresses are not counted by /64")
	}
}

func TestIntroducersWithoutAddressesAreToldApartByName(t *testing.T) {
	linux, maps := Introducer{Kind: KindFeed, Client: "Linux"}, Introducer{Kind: KindFeed, Client: "Maps"}
	if linux.Same(maps) || !linux.Same(linux) || linux.String() != "Linux" {
		t.Errorf("%s and %s are taken for one", linux, maps)
	}
	old := Introducer{Kind: KindPeer, Addr: netip.MustParseAddrPort("192.0.2.1:1"), Client: "ebb 0.1.0"}
	updated := old
	updated.Client = "ebb 0.2.0"
	if !old.Same(updated) || old.String() != "ebb 0.1.0 (192.0.2.1:1)" {
		t.Errorf("%s is taken for another after an update", old)
	}
}

func TestEventsAreHeardWhateverTheLevelOfTheLog(t *testing.T) {
	var heard []Event
	var shown strings.Builder
	next := slog.NewTextHandler(&shown, &slog.HandlerOptions{Level: slog.LevelWarn})
	log := slog.New(Listen(next, func(e Event) { heard = append(heard, e) })).With("part", "test")
	h := HashInfo(nil)
	Tell(log, "joined", h, "joined: Old Maps")
	Tell(log, "started", InfoHash{}, "started")
	log.Info("no event", "swarm", h)
	log.Warn("no event either")
	kinds := []string{}
	for _, e := range heard {
		kinds = append(kinds, e.Kind+" "+e.Text)
	}
	if !slices.Equal(kinds, []string{"joined joined: Old Maps", "started started"}) || heard[0].Hash != h || !heard[1].Hash.IsZero() {
		t.Errorf("heard %+v", heard)
	}
	if strings.Contains(shown.String(), "Old Maps") || !strings.Contains(shown.String(), "no event either") {
		t.Errorf("the log shows %s", shown.String())
	}
}
