package peerwire

import (
	"encoding/base32"
	"errors"
	"fmt"
	"reflect"
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
		"magnet:xt=urn:btih:" + hex,
		"magnet://?xt=urn:btih:" + hex,
		"magnet:/?xt=urn:btih:" + hex,
		"magnet:?&xt=urn:btih:" + hex,
		"magnet:?XT=urn:btih:" + hex,
		"magnet:?xt.1=urn:btih:" + hex,
		"magnet:?xt[]=urn:btih:" + hex,
		"magnet:?xt=urn%253Abtih%253A" + hex,
		"magnet%3A%3Fxt%3Durn%3Abtih%3A" + hex,
		"magnet:?xt=urn:btih:" + hex[:20] + "\r\n" + hex[20:],
		"magnet:?xt=urn:btih:abc&xt=urn:btih:" + hex,
		"magnet:?dn=Best of #1 hits&xt=urn:btih:" + hex,
	} {
		if m, err := ParseMagnet(link); err != nil || m.Hash != swarmA {
			t.Errorf("%q: %v, %v", link, m.Hash, err)
		}
	}
}

// Names and trackers as they stand in links in the wild. The trackers follow the name in each.
func TestNamesOfMagnetLinksAreText(t *testing.T) {
	const trackers = "http://a.example/announce?key=1+2 udp://b.example:6969/announce"
	for parameters, name := range map[string]string{
		"dn=Plain+name&tr=http%3A%2F%2Fa.example%2Fannounce%3Fkey%3D1%2B2&tr=udp://b.example:6969/announce":        "Plain name",
		"dn=My File 2020&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":                    "My File 2020",
		"dn=100% Wolf&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":                       "100% Wolf",
		"dn=100%25 Wolf%&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":                    "100% Wolf%",
		"dn=100%zz%4&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":                        "100%zz%4",
		"dn=Best of #1&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":                      "Best of #1",
		"dn=Steins;Gate&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":                     "Steins;Gate",
		"dn=Tom & Jerry&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":                     "Tom & Jerry",
		"dn=Tom &amp; Jerry&amp;tr=http://a.example/announce?key=1+2&amp;tr=udp://b.example:6969/announce":         "Tom & Jerry",
		"dn=Tom%20%26%20Jerry&tr.1=http://a.example/announce?key=1+2&tr.2=udp://b.example:6969/announce":           "Tom & Jerry",
		"dn=Howl&#039;s+Castle&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":              "Howl's Castle",
		"dn=&quot;Q&quot;&amp;amp;tr=http://a.example/announce?key=1+2&#38;tr=udp://b.example:6969/announce":       `"Q"`,
		"dn=A=B&tr=http%253A%252F%252Fa.example%252Fannounce%253Fkey%253D1%252B2&tr=udp://b.example:6969/announce": "A=B",
		"DN=Песня №1&TR=http://a.example/announce?key=1+2&tr[]=udp://b.example:6969/announce":                      "Песня №1",
		"dn=first&dn=second&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":                 "first",
		"copy=1&lt=2&dn=x&copy=3&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":            "x",
		"dn=\xff\xfex&tr=http://a.example/announce?key=1+2&tr=udp://b.example:6969/announce":                       "x",
	} {
		m, err := ParseMagnet("magnet:?xt=urn:btih:" + swarmA.String() + "&" + parameters)
		if err != nil || m.Name != name || strings.Join(m.Trackers, " ") != trackers {
			t.Errorf("%s:\n%q, %q, %v", parameters, m.Name, m.Trackers, err)
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
		"magnet:?xt=%zz":                                 missing,
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
	f.Add("magnet:?xt=urn:btih:" + swarmA.String() + "&amp;dn=Tom & Jerry; 100% #1&#039;s&amp;tr.1=http%253A%252F%252Fa.example/")
	f.Add("magnet%3A%3Fxt%3Durn%3Abtih%3A" + swarmA.String() + "%26dn%3D%2541")
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
		// What is written anew means the same.
		if again, err := ParseMagnet(m.String()); len(m.String()) <= maxMagnet && (err != nil || !reflect.DeepEqual(again, m)) {
			t.Errorf("%q\n%+v\n%+v\n%v", m, m, again, err)
		}
	})
}
