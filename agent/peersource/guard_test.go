package peersource

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestGuardAcceptsPublicTrackerURLs(t *testing.T) {
	for _, raw := range []string{
		"http://tracker.example.org/announce",
		"https://tracker.example.org:8443/announce?passkey=abc",
		"HTTP://Tracker.Example.ORG/announce",
		"udp://tracker.example.org:6969",
		"udp://tracker.example.org:6969/announce",
		"http://93.184.216.34/announce",
		"http://[2606:2800:220:1:248:1893:25c8:1946]:80/announce",
		"http://3com.example.org/announce",
	} {
		if err := (Guard{}).CheckURL(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestGuardRefusesURLs(t *testing.T) {
	always := []string{ // whatever the owner allows
		"",
		"tracker.example.org",
		"ftp://tracker.example.org/announce",
		"file:///etc/passwd",
		"wss://tracker.example.org/announce",
		"http:///announce",
		"http://user:secret@tracker.example.org/announce",
		"http://tracker.example.org:0/announce",
		"http://tracker.example.org:65536/announce",
		"http://tracker.example.org:http/announce",
		"udp://tracker.example.org",
		"udp://tracker.example.org:0",
		"http://0.0.0.0/announce",
		"http://[::]/announce",
		"http://224.0.0.1/announce",
		"http://255.255.255.255/announce",
		"http://[ff02::1]/announce",
		"http://127.1/announce",
		"http://0x7f000001/announce",
		"http://2130706433/announce",
		"http://0177.0.0.1/announce",
		"http://tracker.example.org/\x00",
		"http://" + strings.Repeat("a.", 127) + "org/announce",
		"http://tracker.example.org/" + strings.Repeat("a", maxURL),
	}
	private := []string{ // unless the owner allows them
		"http://127.0.0.1/announce",
		"http://127.255.0.9:6969/announce",
		"http://10.1.2.3/announce",
		"http://172.31.0.1/announce",
		"http://192.168.1.1/announce",
		"http://169.254.169.254/latest/meta-data",
		"http://100.64.0.1/announce",
		"http://0.1.2.3/announce",
		"udp://198.18.0.1:80",
		"http://[::1]/announce",
		"http://[fe80::1]/announce",
		"http://[fe80::1%25eth0]/announce",
		"http://[fd00::1]/announce",
		"http://[::ffff:192.168.1.1]/announce",
		"http://[::192.168.1.1]/announce",
		"http://[64:ff9b::192.168.1.1]/announce",
		"http://[2002:c0a8:101::1]/announce",
		"http://localhost/announce",
		"http://LOCALHOST./announce",
		"http://tracker.localhost/announce",
		"http://nas.local/announce",
		"http://NAS.Local:80/announce",
		"http://router.home.arpa/announce",
		"http://router/announce",
	}
	for _, raw := range always {
		for _, guard := range []Guard{{}, {AllowPrivate: true}} {
			if err := guard.CheckURL(raw); !errors.Is(err, ErrRefused) {
				t.Errorf("%.60q, AllowPrivate %v: error %v", raw, guard.AllowPrivate, err)
			}
		}
	}
	for _, raw := range private {
		if err := (Guard{}).CheckURL(raw); !errors.Is(err, ErrRefused) {
			t.Errorf("%q: error %v", raw, err)
		}
		if err := (Guard{AllowPrivate: true}).CheckURL(raw); err != nil {
			t.Errorf("%q, AllowPrivate: %v", raw, err)
		}
	}
}

func TestGuardErrorsDoNotRepeatPassKeys(t *testing.T) {
	for _, raw := range []string{
		"http://127.0.0.1/sesame/announce?passkey=sesame",
		"http://tracker.example.org:99999/sesame",
		"http://sesame:sesame@tracker.example.org/",
		"http://tracker.example.org/%zz/sesame",
	} {
		err := (Guard{}).CheckURL(raw)
		if err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: error %v", raw, err)
		}
	}
}

func TestGuardJudgesAddresses(t *testing.T) {
	for _, c := range []struct {
		addr            string
		strict, private bool
	}{
		{"8.8.8.8", true, true},
		{"2a00:1450:4001::200e", true, true},
		{"64:ff9b::808:808", true, true},
		{"::ffff:8.8.8.8", true, true},
		{"127.0.0.1", false, true},
		{"::ffff:127.0.0.1", false, true},
		{"192.168.0.1", false, true},
		{"fe80::1%eth0", false, true},
		{"0.0.0.0", false, false},
		{"239.1.2.3", false, false},
		{"ff0e::1", false, false},
	} {
		addr := netip.MustParseAddr(c.addr)
		if got := (Guard{}).AllowAddr(addr); got != c.strict {
			t.Errorf("strict guard, %s: %v", addr, got)
		}
		if got := (Guard{AllowPrivate: true}).AllowAddr(addr); got != c.private {
			t.Errorf("AllowPrivate, %s: %v", addr, got)
		}
	}
	if (Guard{AllowPrivate: true}).AllowAddr(netip.Addr{}) {
		t.Error("the invalid address is allowed")
	}
}
