package peerwire

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

func addresses(texts ...string) (list []netip.AddrPort) {
	for _, text := range texts {
		list = append(list, netip.MustParseAddrPort(text))
	}
	return list
}

func TestPeerExchangeSurvivesTheWire(t *testing.T) {
	added := addresses("192.0.2.1:6881", "198.51.100.7:51413")
	added6 := addresses("[2001:db8::1]:6881")
	dropped := addresses("203.0.113.9:1", "[2001:db8::2]:65535")
	got, gone, err := ParsePEX(MarshalPEX(append(added, added6...), dropped))
	if err != nil || !slices.Equal(got, append(added, added6...)) || !slices.Equal(gone, dropped) {
		t.Errorf("added %v, dropped %v, %v", got, gone, err)
	}
}

func TestPeerExchangeIsUnderstoodByAnotherLibrary(t *testing.T) {
	m, err := pp.LoadPexMsg(MarshalPEX(addresses("192.0.2.1:6881", "[2001:db8::1]:6882"), addresses("192.0.2.3:1")))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Added) != 1 || m.Added[0].Port != 6881 || len(m.AddedFlags) != 1 || len(m.Added6) != 1 || len(m.Added6Flags) != 1 || len(m.Dropped) != 1 {
		t.Errorf("%+v", m)
	}
}

func TestPeerExchangeKeepsFiftyOfEach(t *testing.T) {
	var many []netip.AddrPort
	for n := range 300 {
		many = append(many, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(n / 200), byte(n % 200)}), 6881))
	}
	added, dropped, err := ParsePEX(MarshalPEX(many, many))
	if err != nil || len(added) != 50 || len(dropped) != 50 {
		t.Errorf("written: %d added, %d dropped, %v", len(added), len(dropped), err)
	}
	compact, _ := compactAddresses(many[:50])
	more, _ := compactAddresses(many[50:100])
	text := fmt.Sprintf("d5:added%d:%s%s7:dropped%d:%s%se", 2*len(compact), compact, more, 2*len(compact), compact, more)
	added, dropped, err = ParsePEX([]byte(text))
	if err != nil || len(added) != 50 || len(dropped) != 50 {
		t.Errorf("read: %d added, %d dropped, %v", len(added), len(dropped), err)
	}
}

func TestPeersThatNobodyCanDialAreLeftOut(t *testing.T) {
	useless := addresses("192.0.2.1:0", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "[::]:1", "[ff02::1]:1", "[2001:db8::1]:0")
	good := addresses("192.0.2.1:5", "192.0.2.1:5")
	added, _, err := ParsePEX(MarshalPEX(append(useless, good...), nil))
	if err != nil || !slices.Equal(added, good[:1]) {
		t.Errorf("%v, %v", added, err)
	}
}

func TestBadPeerExchangeBreaksTheProtocol(t *testing.T) {
	for _, text := range []string{"", "le", "i1e", "d5:added5:12345e", "d5:addedi1ee", "d6:added66:123456e", "d7:dropped1:xe", "d5:added0:5:added0:e"} {
		if _, _, err := ParsePEX([]byte(text)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if added, dropped, err := ParsePEX([]byte("d5:other3:abce")); err != nil || added != nil || dropped != nil {
		t.Errorf("empty message: %v", err)
	}
}

func FuzzPEX(f *testing.F) {
	f.Add(MarshalPEX(addresses("192.0.2.1:6881", "[2001:db8::1]:6882"), addresses("192.0.2.3:1")))
	f.Add([]byte("d5:added" + "6:" + strings.Repeat("x", 6) + "e"))
	f.Fuzz(func(t *testing.T, b []byte) {
		added, dropped, err := ParsePEX(b)
		if len(added) > maxPEX || len(dropped) > maxPEX {
			t.Errorf("%d added, %d dropped", len(added), len(dropped))
		}
		if err != nil && !errors.Is(err, ErrProtocol) {
			t.Error(err)
		}
		for _, addr := range append(added, dropped...) {
			if !addr.IsValid() || addr.Port() == 0 || addr.Addr().Is4In6() {
				t.Errorf("address %v", addr)
			}
		}
	})
}
