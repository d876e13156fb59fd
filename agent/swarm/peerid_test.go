package swarm_test

import (
	"net/netip"
	"testing"

	"ebb/agent/swarm"
)

func TestAPeerThatNamesNoClientIsKnownByItsID(t *testing.T) {
	for id, want := range map[string]string{
		"-TR3000-abcdefghijkl":                 "Transmission 3.0.0",
		"-qB4520-\x00\x01\x02\x03\x04\xff\xfe": "qBittorrent 4.5.2",
		"-ZZ1234-abcdefghijkl":                 "-ZZ1234-",
		"M7-10-1-abcdefghijkl":                 "M7-10-1-",
		"-TR\x1b[2J-abcdefghijkl":              "2d54521b5b324a2d6162636465666768696a6b6c",
		"\xff\xfe":                             "fffe000000000000000000000000000000000000",
		"":                                     "",
	} {
		var p swarm.PeerID
		copy(p[:], id)
		if got := p.Client(); got != want {
			t.Errorf("%q is known as %q, not %q", id, got, want)
		}
	}
	named := swarm.Introducer{Kind: swarm.KindPeer, Addr: netip.MustParseAddrPort("192.0.2.1:80"), PeerID: swarm.PeerID([]byte("-TR3000-abcdefghijkl"))}
	if got := named.String(); got != "Transmission 3.0.0 (192.0.2.1:80)" {
		t.Error(got)
	}
}
