package platform

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDefaultRoute(t *testing.T) {
	addr := netip.MustParseAddr
	for name, c := range map[string]struct {
		four, six string
		links     map[string]string
		only      string
		want      Route
	}{
		"a NAS": {
			four: route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 0) + route4Line("eth0", "192.168.1.0/24", "", 0),
			six: route6Line("eth0", "2001:db8:1::/64", "", 256) + route6Line("eth0", "::/0", "fe80::1", 1024) +
				route6Line("lo", "::1/128", "", 0) + unreachable6,
			want: Route{Interface: "eth0", Gateway4: addr("192.168.1.1"), Gateway6: addr("fe80::1%eth0")},
		},
		"PPPoE, the far end being the first hop": {
			four: route4Line("pppoe-wan", "0.0.0.0/0", "", 0) + route4Line("br-lan", "192.168.1.0/24", "", 0) +
				route4Line("wg0", "10.9.9.9/32", "", 0) + route4Line("pppoe-wan", "10.8.8.8/32", "100.64.3.1", 0) + route4Line("pppoe-wan", "100.64.3.1/32", "", 0),
			links: map[string]string{netFile("pppoe-wan", "type"): "512\n"},
			want:  Route{Interface: "pppoe-wan", Gateway4: addr("100.64.3.1")},
		},
		"PPP without a word on the far end": {
			four: route4Line("ppp0", "0.0.0.0/0", "", 0),
			want: Route{Interface: "ppp0"},
		},
		"a VLAN": {
			four: route4Line("eth0.2", "0.0.0.0/0", "198.51.100.1", 0),
			want: Route{Interface: "eth0.2", Gateway4: addr("198.51.100.1")},
		},
		"a port of a switch, as it comes": {
			four: route4Line("wan@eth0", "0.0.0.0/0", "198.51.100.1", 0),
			want: Route{Interface: "wan@eth0", Gateway4: addr("198.51.100.1")},
		},
		"the lowest metric": {
			four: route4Line("wwan0", "0.0.0.0/0", "10.0.0.1", 20) + route4Line("wan", "0.0.0.0/0", "198.51.100.1", 10) +
				route4Line("wlan0", "0.0.0.0/0", "10.1.0.1", 600),
			six: route6Line("wwan0", "::/0", "fe80::2", 1) + route6Line("wan", "::/0", "fe80::3", 512) + route6Line("wan", "::/0", "fe80::1", 256),
			// IPv6 by another interface is not the way.
			want: Route{Interface: "wan", Gateway4: addr("198.51.100.1")},
		},
		"the owner's choice": {
			four: route4Line("wwan0", "0.0.0.0/0", "10.0.0.1", 20) + route4Line("wan", "0.0.0.0/0", "198.51.100.1", 10),
			only: "wwan0",
			want: Route{Interface: "wwan0", Gateway4: addr("10.0.0.1")},
		},
		"IPv6 only, for a delegated prefix": {
			six: strings.Replace(route6Line("wan", "::/0", "fe80::1", 512),
				"00000000000000000000000000000000 00 00000000000000000000000000000000 00",
				"00000000000000000000000000000000 00 20010db8000100000000000000000000 38", 1),
			want: Route{Interface: "wan", Gateway6: addr("fe80::1%wan")},
		},
		"DS-Lite": {
			four:  route4Line("ds-wan", "0.0.0.0/0", "192.0.0.1", 0),
			six:   route6Line("pppoe-wan", "::/0", "", 512),
			links: map[string]string{netFile("ds-wan", "type"): "769\n", netFile("pppoe-wan", "type"): "512\n"},
			want:  Route{Interface: "pppoe-wan"},
		},
		"a VPN beside the line": {
			four:  route4Line("wg0", "0.0.0.0/0", "", 0) + route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 100),
			links: map[string]string{netFile("wg0", "type"): "65534\n", netFile("eth0", "type"): "1\n"},
			want:  Route{Interface: "eth0", Gateway4: addr("192.168.1.1")},
		},
		"a VPN only": {
			four:  route4Line("tun0", "0.0.0.0/0", "10.8.0.1", 0),
			links: map[string]string{netFile("tun0", "type"): "65534\n", netFile("tun0", "tun_flags"): "0x1001\n"},
			want:  Route{Interface: "tun0", Gateway4: addr("10.8.0.1"), Tunnel: true},
		},
		"a bridged VPN beside the line": {
			four:  route4Line("tap0", "0.0.0.0/0", "10.8.0.1", 0) + route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 9),
			links: map[string]string{netFile("tap0", "type"): "1\n", netFile("tap0", "tun_flags"): "0x1002\n"},
			want:  Route{Interface: "eth0", Gateway4: addr("192.168.1.1")},
		},
		"a modem that looks like a tunnel": {
			four:  route4Line("wwan0", "0.0.0.0/0", "10.0.0.1", 0),
			links: map[string]string{netFile("wwan0", "type"): "65534\n", netFile("wwan0", "device/vendor"): "\n"},
			want:  Route{Interface: "wwan0", Gateway4: addr("10.0.0.1")},
		},
		"IPv6 in a tunnel": {
			four:  route4Line("wan", "0.0.0.0/0", "198.51.100.1", 0),
			six:   route6Line("6in4-wan6", "::/0", "", 1),
			links: map[string]string{netFile("6in4-wan6", "type"): "776\n"},
			want:  Route{Interface: "wan", Gateway4: addr("198.51.100.1")},
		},
		"routes that refuse, or are down": {
			four: strings.Replace(route4Line("eth9", "0.0.0.0/0", "10.0.0.1", 0), "\t0003\t", "\t0002\t", 1) +
				strings.Replace(route4Line("*", "0.0.0.0/0", "", 0), "\t0001\t", "\t0201\t", 1) +
				route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 5),
			want: Route{Interface: "eth0", Gateway4: addr("192.168.1.1")},
		},
		"IPv6 routes that refuse, are down, are loopback or not all of the internet": {
			six: strings.Replace(route6Line("eth8", "::/0", "fe80::8", 1), " 00000003 ", " 00000203 ", 1) +
				strings.Replace(route6Line("eth9", "::/0", "fe80::9", 2), " 00000003 ", " 00000002 ", 1) +
				route6Line("lo", "::/0", "", 3) + route6Line("eth7", "::/96", "fe80::7", 4) +
				route6Line("a-name-of-16-char", "::/0", "fe80::6", 5) + route6Line("eth0", "::/0", "fe80::1", 1024),
			want: Route{Interface: "eth0", Gateway6: addr("fe80::1%eth0")},
		},
		"of equals, the first": {
			four: route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 5) + route4Line("eth1", "0.0.0.0/0", "192.168.2.1", 5),
			want: Route{Interface: "eth0", Gateway4: addr("192.168.1.1")},
		},
		"the same in many tables": {
			six:  strings.Repeat(route6Line("eth0", "::/0", "fe80::1", 9), 20) + route6Line("eth1", "::/0", "fe80::2", 5),
			want: Route{Interface: "eth1", Gateway6: addr("fe80::2%eth1")},
		},
		"names that are too long, and loopback": {
			four: route4Line("a-name-of-16-char", "0.0.0.0/0", "192.168.1.1", 0) + route4Line("lo", "0.0.0.0/0", "", 0) + route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 5),
			want: Route{Interface: "eth0", Gateway4: addr("192.168.1.1")},
		},
		"half of the internet is not a default route": {
			four: route4Line("tun0", "0.0.0.0/1", "10.8.0.1", 0) + route4Line("tun0", "128.0.0.0/1", "10.8.0.1", 0) +
				route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 5),
			want: Route{Interface: "eth0", Gateway4: addr("192.168.1.1")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"proc/net/route": heading4 + c.four, "proc/net/ipv6_route": c.six}
			for path, text := range c.links {
				files[path] = text
			}
			routes := tree(t, files).Routes(c.only)
			defer routes.Close()
			for range 2 { // at once, and from what is remembered
				if got, err := routes.Default(); err != nil || got != c.want {
					t.Errorf("got %+v, %v; want %+v", got, err, c.want)
				}
			}
		})
	}
}

func TestWithoutADefaultRouteThereIsNoWay(t *testing.T) {
	lan := heading4 + route4Line("br-lan", "192.168.1.0/24", "", 0)
	for name, files := range map[string]map[string]string{
		"a LAN":      {"proc/net/route": lan, "proc/net/ipv6_route": unreachable6},
		"no IPv6":    {"proc/net/route": lan},
		"no IPv4":    {"proc/net/ipv6_route": unreachable6},
		"no routes":  {"proc/net/route": "", "proc/net/ipv6_route": ""},
		"no line":    {"proc/net/route": strings.Repeat("x", 3*tableSize)},
		"no numbers": {"proc/net/route": heading4 + "eth0 00000000 zz 0003 0 0 0 00000000\neth0 0 0 0 0 0 -1 0\n\n\t\n"},
	} {
		if got, err := tree(t, files).DefaultRoute(); !errors.Is(err, ErrNoRoute) || got != (Route{}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if got, err := tree(t, nil).DefaultRoute(); err == nil || errors.Is(err, ErrNoRoute) {
		t.Errorf("no files: got %+v, %v", got, err)
	}
	routes := tree(t, map[string]string{"proc/net/route": heading4 + route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 5)}).Routes("wan")
	defer routes.Close()
	if got, err := routes.Default(); !errors.Is(err, ErrNoRoute) || got != (Route{Interface: "wan"}) {
		t.Errorf("by the owner's interface: got %+v, %v", got, err)
	}
}

func TestTheDefaultRouteIsFollowed(t *testing.T) {
	f := tree(t, map[string]string{"proc/net/route": ""})
	routes := f.Routes("")
	defer routes.Close()
	for _, step := range []struct {
		table, want string
	}{
		{route4Line("wan", "0.0.0.0/0", "198.51.100.1", 10) + route4Line("wwan0", "0.0.0.0/0", "10.0.0.1", 20), "wan"},
		{route4Line("wwan0", "0.0.0.0/0", "10.0.0.1", 20), "wwan0"},
		{"", ""},
		{"", ""},
		{route4Line("pppoe-wan", "0.0.0.0/0", "", 0), "pppoe-wan"},
	} {
		write(t, filepath.Join(f.Proc, "net/route"), heading4+step.table)
		got, err := routes.Default()
		if got.Interface != step.want || (err == nil) != (step.want != "") {
			t.Errorf("got %+v, %v; want %q", got, err, step.want)
		}
	}
}

func TestALongTableIsReadInParts(t *testing.T) {
	var b strings.Builder
	b.WriteString(heading4)
	for i := range 1000 {
		line := route4Line("eth1", netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}).String()+"/24", "", i)
		b.WriteString(line[:len(line)-1-i%20] + "\n") // so that lines end anywhere in a part
	}
	last := strings.TrimRight(route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 0), " \n") // and no line feed
	whole := b.String() + last
	f := tree(t, map[string]string{"proc/net/route": whole})
	read := table{path: filepath.Join(f.Proc, "net/route")}
	defer read.close()
	var got []string
	if err := read.read(func(line []byte) { got = append(got, string(line)) }); err != nil || !slices.Equal(got, strings.Split(whole, "\n")) {
		t.Errorf("%d lines, %v", len(got), err)
	}
	if got, err := f.DefaultRoute(); err != nil || got.Interface != "eth0" {
		t.Errorf("got %+v, %v", got, err)
	}
	lans, err := f.networks("eth0")
	if err != nil || len(lans) != 1 || len(lans[0].Networks) != 32 {
		t.Errorf("got %v, %v", lans, err)
	}
}

func TestDefaultRouteOfThisMachine(t *testing.T) {
	got, err := DefaultRoute()
	if errors.Is(err, ErrNoRoute) {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/sys/class/net/" + got.Interface); err != nil {
		t.Errorf("%+v: %v", got, err)
	}
}

func FuzzRoutes(f *testing.F) {
	f.Add([]byte(heading4+route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 3)), []byte(route6Line("eth0", "::/0", "fe80::1", 1024)+unreachable6))
	f.Add([]byte(route4Line("ppp0", "0.0.0.0/0", "", 3)+route4Line("ppp0", "100.64.0.1/32", "", 3)), []byte("\n\n"))
	f.Fuzz(func(t *testing.T, four, six []byte) {
		var r routing
		lines(slices.Clone(four), len(four), r.addIPv4)
		lines(slices.Clone(six), len(six), r.addIPv6)
		route, err := r.choose("", func(name string) bool { return strings.HasPrefix(name, "t") })
		if (err == nil) != (route.Interface != "") {
			t.Fatalf("%+v, %v", route, err)
		}
		if len(route.Interface) >= interfaceNameSize || (route.Gateway4.IsValid() && !route.Gateway4.Is4()) || (route.Gateway6.IsValid() && !route.Gateway6.Is6()) {
			t.Fatalf("%+v", route)
		}
	})
}

func BenchmarkDefaultRoute(b *testing.B) {
	routes := System.Routes("")
	defer routes.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := routes.Default(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDefaultRouteOpeningTheFiles(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DefaultRoute(); err != nil {
			b.Fatal(err)
		}
	}
}
