package choose

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"ebb/agent/swarm"
)

func TestLeastUsefulConnectionsAreSurplus(t *testing.T) {
	const s = time.Second
	conns := []ConnView[string]{
		{Peer: "served now", Open: 900 * s, Unused: 0},
		{Peer: "new", Open: 1 * s, Unused: Never},
		{Peer: "idle for ever", Open: 800 * s, Unused: Never},
		{Peer: "served slowly", Open: 40 * s, Unused: 20 * s},
		{Peer: "served a minute ago", Open: 900 * s, Unused: 60 * s},
		{Peer: "served long ago", Open: 900 * s, Unused: 600 * s},
	}
	worstFirst := []string{"idle for ever", "served long ago", "served a minute ago", "new", "served slowly", "served now"}
	for most := range len(conns) + 2 {
		want := worstFirst[:max(len(conns)-most, 0)]
		if got := Surplus(conns, most); !slices.Equal(got, want) {
			t.Errorf("with places for %d, closed are %q, want %q", most, got, want)
		}
	}
	if got := Surplus(conns, -1); len(got) != len(conns) {
		t.Errorf("with places for -1, closed are %q", got)
	}
}

func host(addr string) netip.Prefix { return swarm.Host(netip.MustParseAddr(addr)) }

func TestWhoMakesWayForANewcomer(t *testing.T) {
	const s = time.Second
	a, b, c := host("192.0.2.1"), host("192.0.2.2"), host("192.0.2.3")
	crowd := func(n int, of ConnView[string]) (conns []ConnView[string]) {
		return slices.Repeat([]ConnView[string]{of}, n)
	}
	working := ConnView[string]{Peer: "working", Host: b, Open: 900 * s, Unused: 1 * s}
	idle := ConnView[string]{Peer: "idle", Host: b, Open: 900 * s, Unused: Never}
	wanted := ConnView[string]{Peer: "wanted", Host: c, Open: 999 * s, Unused: Never, Wants: true}
	fresh := ConnView[string]{Peer: "fresh", Host: c, Open: 1 * s, Unused: Never}
	crowding := ConnView[string]{Peer: "crowding", Host: a, Open: 2 * s, Unused: Never, Wants: true}
	busy := ConnView[string]{Peer: "busy", Host: a, Open: 900 * s, Unused: 1 * s}
	for name, c := range map[string]struct {
		conns   []ConnView[string]
		from    netip.Prefix
		dialled bool
		want    string
	}{
		"the longest idle":                 {[]ConnView[string]{working, idle, fresh}, a, false, "idle"},
		"nobody wants anything there":      {[]ConnView[string]{working, wanted, idle}, a, false, "idle"},
		"all are of use":                   {[]ConnView[string]{working, working}, a, false, ""},
		"none has had its trial":           {[]ConnView[string]{working, fresh}, a, false, ""},
		"a host with too many":             {append(crowd(mostPerHost+1, crowding), idle), c, false, "crowding"},
		"not for one of its own":           {append(crowd(mostPerHost+1, crowding), fresh), a, false, ""},
		"of its own what has been idle":    {append(crowd(mostPerHost+1, ConnView[string]{Peer: "own", Host: a, Open: 99 * s, Unused: Never}), working), a, false, "own"},
		"nor what is idle elsewhere":       {append(crowd(mostPerHost+1, crowding), idle), a, false, ""},
		"a host with too many that work":   {append(crowd(mostPerHost+1, busy), working), c, false, "busy"},
		"a few of one host":                {append(crowd(mostPerHost, busy), working), c, false, ""},
		"who is dialled displaces no idle": {[]ConnView[string]{idle}, a, true, ""},
		"but one of a host with too many":  {append(crowd(mostPerHost+1, crowding), idle), c, true, "crowding"},
		"nobody, if nobody is there":       {nil, a, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Displaced(c.conns, c.from, c.dialled)
			if got != c.want || ok != (c.want != "") {
				t.Errorf("%q, %v makes way; want %q", got, ok, c.want)
			}
		})
	}
}
