package peerwire

import (
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestMagnetLink(t *testing.T) {
	hash := swarmA.String()
	link := "magnet:?xt=urn:btih:" + hash + "&dn=Some+name%0A&tr=http%3A%2F%2Fa.example%2Fannounce&tr=udp://b.example:1&tr=udp://b.example:1" +
		"&x.pe=192.0.2.1:6881&x.pe=[2001:db8::1]:6882&x.pe=host.example:1&x.pe=192.0.2.1:0&ws=http://seed.example/"
	m, err := ParseMagnet(link)
	if err != nil {
		t.Fatal(err)
	}
	if m.Hash != swarmA || m.Name != "Some name" {
		t.Errorf("%+v", m)
	}
	if !slices.Equal(m.Trackers, []string{"http://a.example/announce", "udp://b.example:1"}) {
		t.Errorf("trackers %q", m.Trackers)
	}
	if !slices.Equal(m.Peers, addresses("192.0.2.1:6881", "[2001:db8::1]:6882")) {
		t.Errorf("peers %v", m.Peers)
	}
}

func TestMagnetLinkInEveryNotation(t *testing.T) {
	hex, b32 := swarmA.String(), base32.StdEncoding.EncodeToString(swarmA[:])
	for _, link := range []string{
		"magnet:?xt=urn:btih:" + hex,
		"MAGNET:?xt=urn:btih:" + strings.ToUpper(hex),
		"magnet:?xt=urn:btih:" + b32,
		"magnet:?xt=URN:BTIH:" + strings.ToLower(b32),
		"magnet:?dn=x&xt=urn%3Abtih%3A" + hex,
		"magnet:?xt=urn:btmh:1220" + strings.Repeat("ab", 32) + "&xt=urn:btih:" + hex,
		"magnet:?xt=urn:sha1:ABC&xt=urn:btih:" + hex,
		" magnet:?xt=urn:btih:" + hex + "\n",
	} {
		if m, err := ParseMagnet(link); err != nil || m.Hash != swarmA {
			t.Errorf("%q: %v, %v", link, m.Hash, err)
		}
	}
}

func TestMagnetWithoutHashIsRefused(t *testing.T) {
	const missing = "it has no BitTorrent info-hash (xt=urn:btih:…)"
	for link, reason := range map[string]string{
		"magnet:?dn=name":                missing,
		"magnet:?":                       missing,
		"magnet:":                        missing,
		"magnet:?xt=":                    missing,
		"magnet:?xt=urn:sha1:abc":        missing,
		"magnet:?xt=urn:btmh:1220abcdef": "v2 only",
		"magnet:?xt=urn:btih:":           "40 hexadecimal",
		"magnet:?xt=urn:btih:" + strings.Repeat("g", 40): "40 hexadecimal",
		"magnet:?xt=urn:btih:" + strings.Repeat("1", 32): "40 hexadecimal",
		"magnet:?xt=urn:btih:" + strings.Repeat("a", 39): "40 hexadecimal",
		"magnet:?xt=urn:btih:" + strings.Repeat("a", 64): "40 hexadecimal",
		"http://example.com/":                            "magnet:?",
		"":                                               "magnet:?",
		"magnet:?xt=%zz":                                 "%zz",
		"magnet:?" + strings.Repeat("x", maxMagnet):      "longer",
	} {
		if m, err := ParseMagnet(link); !errors.Is(err, ErrMagnet) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%.60q: %+v, %v", link, m, err)
		}
	}
}

func TestMagnetLinkIsBounded(t *testing.T) {
	var link strings.Builder
	link.WriteString("magnet:?xt=urn:btih:" + swarmA.String())
	for n := range 500 {
		fmt.Fprintf(&link, "&tr=http://t%d.example/&x.pe=192.0.2.1:%d", n, n+1)
	}
	m, err := ParseMagnet(link.String())
	if err != nil || len(m.Trackers) != MaxTrackers || len(m.Peers) != maxMagnetPeers {
		t.Errorf("%d trackers, %d peers, %v", len(m.Trackers), len(m.Peers), err)
	}
}

func FuzzParseMagnet(f *testing.F) {
	f.Add("magnet:?xt=urn:btih:" + swarmA.String() + "&dn=x&tr=http://a.example/&x.pe=192.0.2.1:1")
	f.Add("magnet:?xt=urn:btih:" + base32.StdEncoding.EncodeToString(swarmA[:]))
	f.Add("magnet:?xt=urn:btmh:1220")
	f.Fuzz(func(t *testing.T, link string) {
		m, err := ParseMagnet(link)
		if err != nil {
			if !errors.Is(err, ErrMagnet) {
				t.Error(err)
			}
			return
		}
		if len(m.Trackers) > MaxTrackers || len(m.Peers) > maxMagnetPeers || len(m.Name) > maxMagnetName {
			t.Errorf("%+v", m)
		}
	})
}
