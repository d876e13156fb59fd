package peerwire

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

func TestExtensionHandshakeSurvivesTheWire(t *testing.T) {
	for _, e := range []Extensions{
		{M: map[string]uint8{}},
		{
			M: map[string]uint8{ExtensionMetadata: 1, ExtensionList: 3}, V: "ebb 0.1.0", Reqq: 500, MetadataSize: 31337,
			Port: 51515, UploadOnly: true, YourIP: netip.MustParseAddr("192.0.2.1"),
		},
		{M: map[string]uint8{"x": 255}, YourIP: netip.MustParseAddr("2001:db8::1")},
	} {
		b, err := e.marshal()
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseExtensions(b)
		if err != nil || !reflect.DeepEqual(*got, e) {
			t.Errorf("%s: %+v, %v", b, got, err)
		}
	}
}

func TestExtensionHandshakeIsUnderstoodByAnotherLibrary(t *testing.T) {
	ours := Extensions{M: map[string]uint8{ExtensionPEX: 2}, V: "ebb 0.1.0", Reqq: 500, MetadataSize: 31337, Port: 51515, YourIP: netip.MustParseAddr("192.0.2.1")}
	b, err := ours.marshal()
	if err != nil {
		t.Fatal(err)
	}
	var theirs pp.ExtendedHandshakeMessage
	if err := bencode.Unmarshal(b, &theirs); err != nil {
		t.Fatal(err)
	}
	if theirs.M[pp.ExtensionNamePex] != 2 || theirs.V != ours.V || theirs.Reqq != 500 || theirs.MetadataSize != 31337 || theirs.Port != 51515 || len(theirs.YourIp) != 4 {
		t.Errorf("%+v", theirs)
	}

	theirs.Encryption = true
	got, err := parseExtensions(bencode.MustMarshal(theirs))
	if err != nil || !reflect.DeepEqual(*got, ours) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestFieldsThatMakeNoSenseAreLeftOut(t *testing.T) {
	for _, text := range []string{
		"de",
		"d1:mlee",
		"d1:md1:ai256e1:bi-1e1:c1:1e1:pi65536ee",
		"d13:metadata_sizei-5e1:p2:xx4:reqqi-1e11:upload_only1:11:vi7e6:yourip3:abce",
	} {
		got, err := parseExtensions([]byte(text))
		if err != nil || !reflect.DeepEqual(*got, Extensions{M: map[string]uint8{}}) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestExtensionHandshakeOfAHostilePeerStaysSmall(t *testing.T) {
	var m strings.Builder
	for n := range 5000 {
		name := fmt.Sprintf("x%05d", n)
		fmt.Fprintf(&m, "%d:%si1e", len(name), name)
	}
	long := strings.Repeat("n", 1000)
	text := fmt.Sprintf("d1:md1000:%si1e%se1:v1000:%s4:reqqi9999999999ee", long, m.String(), long)
	e, err := parseExtensions([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(e.M) > maxExtensions || e.M[long] != 0 || len(e.V) > maxClientName || e.Reqq > 1<<15 {
		t.Errorf("%d extensions, name of %d bytes, %d requests", len(e.M), len(e.V), e.Reqq)
	}
	var total Extensions
	for n := range 100 {
		total.merge(&Extensions{M: map[string]uint8{fmt.Sprint(n): 1}})
	}
	if len(total.M) > maxExtensions {
		t.Errorf("%d extensions after many handshakes", len(total.M))
	}
}

func TestClientNamesAreSafeToShow(t *testing.T) {
	for raw, want := range map[string]string{
		"libtorrent/2.0.11":          "libtorrent/2.0.11",
		"µTorrent 3.5.5":             "µTorrent 3.5.5",
		"a\x1b[31mred\n":             "a[31mred",
		"\xff\xfebad\xc3":            "bad",
		"rev\u202etxt.exe":           "revtxt.exe",
		" spaces ":                   "spaces",
		"\x00\x01":                   "",
		"c1 \u0085\u009b and \u2028": "c1  and",
	} {
		if got := displayName([]byte(raw), 64); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
	if got := displayName([]byte("aµ"), 2); got != "a" {
		t.Errorf("cut within a letter: %q", got)
	}
}

func TestLaterExtensionHandshakesAddToEarlierOnes(t *testing.T) {
	var peer Extensions
	peer.merge(&Extensions{M: map[string]uint8{"a": 1, "b": 2}, V: "client", MetadataSize: 10, Port: 1, Reqq: 7})
	before := peer.M
	peer.merge(&Extensions{M: map[string]uint8{"b": 0, "c": 3}, UploadOnly: true})
	want := Extensions{M: map[string]uint8{"a": 1, "b": 0, "c": 3}, V: "client", MetadataSize: 10, Port: 1, Reqq: 7, UploadOnly: true}
	if !reflect.DeepEqual(peer, want) {
		t.Errorf("%+v", peer)
	}
	if len(before) != 2 || before["b"] != 2 {
		t.Error("a map that was handed out has changed")
	}
}

func FuzzExtensionHandshake(f *testing.F) {
	for _, seed := range []string{
		"d1:ei0e1:md6:ut_pexi1e11:ut_metadatai2ee13:metadata_sizei31235e1:pi6881e4:reqqi250e1:v15:Transmission 4.06:yourip4:\x7f\x00\x00\x01e",
		"de", "d1:mdee", "d1:vi1ee", "le",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseExtensions(b)
		if err != nil {
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("%v", err)
			}
			return
		}
		if len(e.M) > maxExtensions || len(e.V) > maxClientName || e.Reqq < 0 || e.MetadataSize < 0 {
			t.Errorf("%+v", e)
		}
		// What was understood can be said again, and is understood the same way.
		again, err := e.marshal()
		if err != nil {
			t.Fatal(err)
		}
		if e2, err := parseExtensions(again); err != nil || !reflect.DeepEqual(e, e2) {
			t.Errorf("%+v became %+v, %v", e, e2, err)
		}
	})
}
