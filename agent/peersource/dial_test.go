package peersource

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// nameServer answers every question with the next of its answers, the last one for ever.
func nameServer(t *testing.T, answers ...string) *net.Resolver {
	return nameServerThat(t, func(asked int) []string { return answers[min(asked, len(answers)-1):][:1] })
}

// nameServerOfAll answers every question with all of them.
func nameServerOfAll(t *testing.T, answers ...string) *net.Resolver {
	return nameServerThat(t, func(int) []string { return answers })
}

func nameServerThat(t *testing.T, answers func(asked int) []string) *net.Resolver {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() { conn.Close(); done.Wait() })
	done.Go(func() {
		buf := make([]byte, 512)
		asked := 0
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			query := buf[:n]
			end := 12 // of the question: name, type, class (RFC 1035 §4.1.2)
			for query[end] != 0 {
				end += 1 + int(query[end])
			}
			end += 5
			reply := append([]byte{}, query[:end]...)
			binary.BigEndian.PutUint16(reply[2:], 0x8180) // a response, without error
			clear(reply[6:12])
			kind := binary.BigEndian.Uint16(query[end-4:])
			for _, answer := range answers(asked) {
				ip := netip.MustParseAddr(answer)
				if ip.Is4() != (kind == 1) { // A; and else AAAA, 28
					continue
				}
				reply[7]++
				reply = append(reply, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(ip.BitLen()/8))
				reply = append(reply, ip.AsSlice()...)
			}
			if kind == 1 {
				asked++
			}
			if _, err := conn.WriteTo(reply, from); err != nil {
				return
			}
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp4", conn.LocalAddr().String())
	}}
}

func TestNameThatResolvesToPrivateAddressIsRefused(t *testing.T) {
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	port := netip.MustParseAddrPort(server.Listener.Addr().String()).Port()
	for _, address := range []string{"127.0.0.1", "192.168.1.1", "0.0.0.0"} {
		guard := Guard{Resolver: nameServer(t, address)}
		trackers := NewTrackers(guard, "ebb/test")
		for _, scheme := range []string{"http", "udp"} {
			url := fmt.Sprintf("%s://tracker.example.org:%d/announce", scheme, port)
			if _, err := trackers.Announce(patient(t), url, AnnounceRequest{}); !errors.Is(err, ErrRefused) {
				t.Errorf("%s at %s: error %v", scheme, address, err)
			}
		}
		if _, err := guard.resolve(patient(t), "tracker.example.org"); !errors.Is(err, ErrRefused) {
			t.Errorf("resolve to %s: error %v", address, err)
		}
	}
	if hits.Load() > 0 {
		t.Errorf("the server at loopback was reached %d times", hits.Load())
	}
}

func TestNameThatChangesItsMindIsRefused(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	guard := Guard{Resolver: nameServer(t, "93.184.216.34", "127.0.0.1")}
	if _, err := guard.resolve(patient(t), "rebind.example.org"); err != nil {
		t.Fatalf("first, a public address: %v", err)
	}
	port := netip.MustParseAddrPort(server.Listener.Addr().String()).Port()
	conn, err := guard.DialContext(patient(t), "tcp", fmt.Sprintf("rebind.example.org:%d", port))
	if !errors.Is(err, ErrRefused) {
		t.Errorf("then loopback: connection %v, error %v", conn, err)
	}
}

func TestResolveKeepsOnlyAllowedAddresses(t *testing.T) {
	guard := Guard{AllowPrivate: true, Resolver: nameServer(t, "127.0.0.9")}
	found, err := guard.resolve(patient(t), "tracker.example.org")
	if err != nil || len(found) != 1 || found[0] != netip.MustParseAddr("127.0.0.9") {
		t.Errorf("resolved %v, error %v", found, err)
	}
}

func TestDialLeavesFromTheLocalAddress(t *testing.T) {
	guard := Guard{AllowPrivate: true, Local: netip.MustParseAddr("127.0.0.7")}
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, network := range []string{"tcp", "udp"} {
		conn, err := guard.DialContext(patient(t), network, server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if from := netip.MustParseAddrPort(conn.LocalAddr().String()).Addr(); from != guard.Local {
			t.Errorf("%s: left from %s", network, from)
		}
		conn.Close()
	}
}

func TestClientChecksRedirects(t *testing.T) {
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "secret")
	}))
	defer secret.Close()
	for name, target := range map[string]string{
		"another scheme": "ftp://127.0.0.1/announce",
		"credentials":    "http://me:you@127.0.0.1/announce",
		"port 0":         "http://127.0.0.1:0/announce",
		"multicast":      "http://224.0.0.1/announce",
		"odd address":    "http://127.1/announce",
	} {
		entrance := httptest.NewServer(http.RedirectHandler(target, http.StatusFound))
		client := Guard{AllowPrivate: true}.Client()
		if resp, err := client.Get(entrance.URL); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: response %v, error %v", name, resp, err)
		}
		entrance.Close()
	}

	// A strict guard would not reach the entrance either, so the check that a redirect meets is called directly.
	check := Guard{}.Client().CheckRedirect
	outside, _ := http.NewRequest(http.MethodGet, "http://tracker.example.org/announce", nil)
	inside, _ := http.NewRequest(http.MethodGet, secret.URL, nil)
	if err := check(inside, []*http.Request{outside}); !errors.Is(err, ErrRefused) {
		t.Errorf("redirect to loopback: error %v", err)
	}
	secure, _ := http.NewRequest(http.MethodGet, "https://tracker.example.org/announce", nil)
	if err := check(outside, []*http.Request{secure}); err == nil {
		t.Error("redirect from https to http was followed")
	}
}

func TestClientFollowsFiveRedirects(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		left := len(strings.TrimPrefix(r.URL.Path, "/"))
		if left == 0 {
			io.WriteString(w, "arrived")
			return
		}
		http.Redirect(w, r, r.URL.Path[:left], http.StatusFound)
	}))
	defer server.Close()
	client := Guard{AllowPrivate: true}.Client()
	resp, err := client.Get(server.URL + "/12345")
	if err != nil {
		t.Fatalf("five redirects: %v", err)
	}
	resp.Body.Close()
	if resp, err := client.Get(server.URL + "/123456"); err == nil {
		resp.Body.Close()
		t.Error("six redirects were followed")
	}
}

func TestClientVerifiesCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler()) // with a certificate that nobody vouches for
	defer server.Close()
	server.Config.ErrorLog = quiet()
	resp, err := Guard{AllowPrivate: true}.Client().Get(server.URL)
	if err == nil {
		resp.Body.Close()
		t.Error("an unknown certificate was accepted")
	}
}

func TestClientUsesNoProxy(t *testing.T) {
	if (Guard{}).Client().Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would connect to addresses that the guard never sees")
	}
}

func TestWhatTrackersCostIsCounted(t *testing.T) {
	server := httptest.NewServer(says("d8:intervali900e5:peers0:e"))
	defer server.Close()
	for _, tracker := range []string{server.URL, udpTrackerAt(t, &swarms{}, "127.0.0.1")} {
		var sent, received atomic.Int64
		guard := lab
		guard.Count = func(s, r int) {
			sent.Add(int64(s))
			received.Add(int64(r))
		}
		if _, err := NewTrackers(guard, "ebb/test").Announce(t.Context(), tracker, AnnounceRequest{Port: 1}); err != nil {
			t.Fatal(err)
		}
		// An announce of BEP 15, and its answer. What writes for HTTP may count after the answer has come.
		until(t, tracker+" is counted", func() bool { return sent.Load() >= 98 && received.Load() >= 20 })
	}
}

func TestWhatTheDHTCostsIsCounted(t *testing.T) {
	w := newDHTWorld(t, 1)
	var sent, received atomic.Int64
	guard := lab
	guard.Count = func(s, r int) {
		sent.Add(int64(s))
		received.Add(int64(r))
	}
	node := w.add("10.0.0.7:6881", DHTConfig{Guard: guard, Bootstrap: []string{bootNode}})
	until(t, "it knows a node", func() bool { return node.Nodes() > 0 })
	if sent.Load() < 100 || received.Load() < 100 {
		t.Errorf("%d bytes sent and %d received", sent.Load(), received.Load())
	}
}
