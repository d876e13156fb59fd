package platform

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"testing"
)

func TestTheFirstHopBeyondTheLine(t *testing.T) {
	ours, ours6 := netip.MustParseAddr("192.168.1.3"), netip.MustParseAddr("2001:db8:1:2::3")
	for name, c := range map[string]struct {
		local netip.Addr
		way   []string // "": silent
		want  string   // "": none
	}{
		"on the router":                        {ours, []string{"203.0.113.1"}, "203.0.113.1"},
		"behind it":                            {ours, []string{"192.168.1.1", "203.0.113.1", "203.0.113.2"}, "203.0.113.1"},
		"behind two":                           {ours, []string{"192.168.1.1", "10.0.0.1", "203.0.113.1"}, "203.0.113.1"},
		"a provider's own NAT":                 {ours, []string{"192.168.1.1", "100.64.0.1", "203.0.113.1"}, "100.64.0.1"},
		"silent ones":                          {ours, []string{"", "", "172.16.0.1", "", "203.0.113.1"}, "203.0.113.1"},
		"too far":                              {ours, []string{"", "", "", "", "", "203.0.113.1"}, ""},
		"nobody":                               {ours, nil, ""},
		"what no machine has":                  {ours, []string{"0.0.0.0", "127.0.0.1", "169.254.1.1", "224.0.0.1", "255.255.255.255"}, ""},
		"the address itself":                   {ours, []string{"192.168.1.1", "8.8.8.8"}, "8.8.8.8"},
		"IPv6, behind the router":              {ours6, []string{"2001:db8:1:2::1", "2001:db8:9::1"}, "2001:db8:9::1"},
		"IPv6, on it":                          {ours6, []string{"fe80::1", "fd00::1", "2001:db8:9::1"}, "2001:db8:9::1"},
		"IPv6, and we do not know who we are":  {netip.Addr{}, []string{"2001:db8:1:2::1"}, "2001:db8:1:2::1"},
		"IPv6, what no machine on the way has": {ours6, []string{"::", "::1", "ff02::1", "fe80::1", "fd00::1"}, ""},
	} {
		asked := 0
		hop, err := firstWANHop(t.Context(), netip.MustParseAddr("8.8.8.8"), func(n int) (Hop, error) {
			asked = n
			if n > len(c.way) || c.way[n-1] == "" {
				return Hop{}, os.ErrDeadlineExceeded
			}
			return Hop{Number: n, Addr: netip.MustParseAddr(c.way[n-1]), local: c.local}, nil
		})
		if c.want == "" && err == nil || c.want != "" && (err != nil || hop.Addr.String() != c.want || hop.Number != asked) || asked > farthestHop {
			t.Errorf("%s: %+v, %v, after %d questions", name, hop, err, asked)
		}
	}
}

func TestLookingForAHopEnds(t *testing.T) {
	home := netip.MustParseAddr("192.168.1.9")
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		ctx   context.Context
		hop   Hop
		err   error
		asked int
	}{
		"where it is not allowed":  {t.Context(), Hop{}, ErrNoProbe, 1},
		"with its context":         {ended, Hop{}, context.Canceled, 1},
		"at a neighbour":           {t.Context(), Hop{Addr: home}, nil, 1},
		"when nobody is reachable": {t.Context(), Hop{}, os.ErrDeadlineExceeded, farthestHop},
	} {
		asked := 0
		_, err := firstWANHop(c.ctx, home, func(int) (Hop, error) { asked++; return c.hop, c.err })
		if err == nil || c.err != nil && !errors.Is(err, c.err) || asked != c.asked {
			t.Errorf("%s: %v, after %d questions", name, err, asked)
		}
	}
	for _, n := range []int{-1, 0, 256} {
		if hop, err := (Probe{}).Hop(t.Context(), netip.MustParseAddr("127.0.0.1"), n); err == nil {
			t.Errorf("hop %d is %+v", n, hop)
		}
	}
}

// FuzzQuote: a message is ours only if all of it that is there is.
func FuzzQuote(f *testing.F) {
	request := [echoSize]byte{echoRequest4, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
	f.Add(request[:], true)
	f.Add(request[:echoHeader], false)
	f.Add(append(request[:], 1, 2, 3), true)
	f.Add(request[:echoHeader-1], true)
	f.Fuzz(func(t *testing.T, message []byte, raw bool) {
		if !quotes(message, request, raw) {
			return
		}
		if len(message) < echoHeader || message[0] != echoRequest4 || raw && message[4] != 3 {
			t.Fatalf("%x is taken for a part of ours", message)
		}
		for i := 6; i < min(len(message), echoSize); i++ {
			if message[i] != request[i] {
				t.Fatalf("%x is taken for a part of ours", message)
			}
		}
	})
}
