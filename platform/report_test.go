package platform

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// router is an OpenWrt router: PPPoE on a VLAN of the port wan; the LAN is a bridge of a port and a radio; a VPN for
// people on the road, and a bridge of containers.
var router = map[string]string{
	"proc/net/route": heading4 +
		route4Line("pppoe-wan", "0.0.0.0/0", "100.64.0.1", 0) +
		route4Line("wg0", "10.9.0.0/24", "", 0) +
		route4Line("pppoe-wan", "100.64.0.1/32", "", 0) +
		route4Line("lo", "10.255.0.0/24", "", 0) +
		route4Line("wan.7", "169.254.0.0/16", "", 0) +
		route4Line("docker0", "172.17.0.0/16", "", 0) +
		route4Line("br-lan", "192.168.1.0/24", "", 0),
	"proc/net/ipv6_route": route6Line("br-lan", "2001:db8:1::/64", "", 1024) +
		route6Line("br-lan", "fe80::/64", "", 256) +
		route6Line("pppoe-wan", "::/0", "fe80::1", 512) +
		route6Line("br-lan", "2001:db8:1::1/128", "", 0) +
		strings.Replace(route6Line("br-lan", "2001:db8:9::/64", "", 256), " 40 ", " ff ", 1) +
		route6Line("br-lan", "ff00::/8", "", 256) + unreachable6,
	netFile("pppoe-wan", "type"):                "512\n",
	netFile("pppoe-wan", "ifindex"):             "12\n",
	netFile("pppoe-wan", "statistics/rx_bytes"): "5368709120\n",
	netFile("pppoe-wan", "statistics/tx_bytes"): "1048576\n",
	netFile("wan.7", "lower_wan/x"):             "",
	netFile("wan", "device/x"):                  "",
	netFile("wg0", "type"):                      "65534\n",
	netFile("br-lan", "type"):                   "1\n",
	netFile("br-lan", "lower_lan1/x"):           "",
	netFile("lan1", "device/x"):                 "",
	netFile("docker0", "lower_veth1/x"):         "",
	netFile("veth1", "type"):                    "1\n",

	"etc/config/sqm": "config queue 'eth1'\n\toption enabled '1'\n\toption interface 'pppoe-wan'\n\toption download '50000'\n\toption upload '10000'\n",

	"proc/sys/net/ipv4/ip_forward":          "1\n",
	"proc/sys/net/ipv6/conf/all/forwarding": "1\n",
	"proc/net/snmp": "Ip: Forwarding DefaultTTL InReceives InHdrErrors ForwDatagrams InDelivers\nIp: 1 64 5000 0 4000 900\n" +
		"Icmp: InMsgs ForwDatagrams\nIcmp: 17 99\n",
	"proc/net/snmp6": "Ip6InReceives                   \t700\nIp6OutForwDatagrams             \t600\n",

	"proc/meminfo": "MemTotal:         262144 kB\nMemFree:           16384 kB\nMemAvailable:     131072 kB\nBuffers:               0 kB\nCached:            65536 kB\n",
	"proc/loadavg": "0.42 0.30 0.20 1/77 4242\n",
	"proc/pressure/memory": "some avg10=1.50 avg60=0.00 avg300=0.00 total=12345\n" +
		"full avg10=0.25 avg60=0.00 avg300=0.00 total=2345\n",

	"sys/class/thermal/thermal_zone0/type":              "cpu-thermal\n",
	"sys/class/thermal/thermal_zone0/temp":              "48000\n",
	"sys/class/thermal/thermal_zone0/trip_point_0_type": "critical\n",
	"sys/class/thermal/thermal_zone0/trip_point_0_temp": "115000\n",
}

func TestReportOfARouter(t *testing.T) {
	ping := func(_ context.Context, addr netip.Addr) (time.Duration, error) {
		if addr != netip.MustParseAddr("100.64.0.1") {
			return 0, errors.New("not this one")
		}
		return 2345 * time.Microsecond, nil
	}
	expectFindings(t, tree(t, router).Report(t.Context(), "", ping), []Finding{
		{"internet", "the way to the internet is pppoe-wan (default route via 100.64.0.1 and fe80::1)", true},
		{"counters", "pppoe-wan has received 5 GiB and sent 1 MiB", true},
		{"line", "SQM has 50 Mbit/s down and 10 Mbit/s up for pppoe-wan", true},
		{"link", "pppoe-wan does not say how fast it is", false},
		{"position", "this machine forwards packets (4600 so far) for br-lan, docker0 (virtual)", true},
		{"first hop", "the first hop, 100.64.0.1, answers in 2.3 ms", true},
		{"memory", "128 MiB of 256 MiB of memory are available", true},
		{"memory pressure", "programs waited for memory 1.5 % of the last ten seconds", true},
		{"load", "the load is 0.42; there are processors for ", true},
		{"processor pressure", "how long programs wait for a processor is not known: this kernel does not measure it", false},
		{"temperature", "temperature (cpu-thermal): 48 °C, switched off at 115 °C", true},
		{"power", "this machine does not say where its power comes from", false},
	})
}

func TestReportOfAMachineThatTellsNothing(t *testing.T) {
	expectFindings(t, tree(t, nil).Report(t.Context(), "", Probe{}.RTT), []Finding{
		{"internet", "the way to the internet is not known: reading the routes of this machine: ", false},
		{"first hop", "the address of the first hop is not known", false},
		{"memory", "how much memory there is is not known", false},
		{"memory pressure", "how long programs wait for memory is not known: this kernel does not measure it", false},
		{"load", "how busy the processors (", false},
		{"processor pressure", "how long programs wait for a processor is not known: this kernel does not measure it", false},
		{"temperature", "this machine has no thermometer that the kernel knows", false},
		{"power", "this machine does not say where its power comes from", false},
	})
}

func TestReportOfTheOwnersInterface(t *testing.T) {
	files := maps.Clone(router)
	files["proc/net/route"] = heading4 + route4Line("wan", "0.0.0.0/0", "198.51.100.1", 0) + route4Line("wwan0", "0.0.0.0/0", "10.0.0.1", 99)
	delete(files, "proc/net/ipv6_route")
	files["etc/config/sqm"] = "config queue\n option enabled 1\n option interface wwan0\n option download 0\n option upload '2500"
	files[netFile("wwan0", "speed")] = "100\n"
	files["proc/sys/net/ipv4/ip_forward"], files["proc/sys/net/ipv6/conf/all/forwarding"] = "0\n", "0\n"
	files["sys/class/power_supply/ac/type"], files["sys/class/power_supply/ac/online"] = "Mains\n", "0\n"
	files["sys/class/power_supply/bat/type"], files["sys/class/power_supply/bat/status"] = "Battery\n", "Discharging\n"
	files["sys/class/power_supply/bat/capacity"] = "64\n"
	silent := func(context.Context, netip.Addr) (time.Duration, error) { return 0, errors.New("silence") }
	got := tree(t, files).Report(t.Context(), "wwan0", silent)
	expectFindings(t, got, []Finding{
		{"internet", "the way to the internet is wwan0 (default route via 10.0.0.1)", true},
		{"counters", "what passes through wwan0 cannot be seen: ", false},
		{"line", "the SQM configuration cannot be used: reading ", false},
		{"link", "wwan0 could carry 100 Mbit/s at most", true},
		{"position", "this machine forwards nothing for others: it is not the household's router", true},
		{"first hop", "the first hop does not answer: silence", false},
		{"memory", "128 MiB", true},
		{"memory pressure", "programs waited", true},
		{"load", "the load is", true},
		{"processor pressure", "how long", false},
		{"temperature", "temperature", true},
		{"power", "the machine runs on its battery, the battery is at 64 %", true},
	})
	files["etc/config/sqm"] += "'"
	for _, finding := range tree(t, files).Report(t.Context(), "wwan0", nil) {
		switch finding.About {
		case "line":
			if want := "SQM has no limit down and 2.5 Mbit/s up for wwan0"; finding.Text != want || !finding.Known {
				t.Errorf("got %+v, want %q", finding, want)
			}
		case "first hop":
			t.Errorf("nobody was to be asked, got %+v", finding)
		}
	}
}

func TestReportSaysThatATunnelIsOne(t *testing.T) {
	f := tree(t, map[string]string{"proc/net/route": heading4 + route4Line("wg0", "0.0.0.0/0", "", 0), netFile("wg0", "type"): "65534\n"})
	got := f.Report(t.Context(), "", nil)[0]
	if want := "the way to the internet is wg0 (default route; it is a tunnel, and what carries the tunnel is not known)"; got.Text != want {
		t.Errorf("got %+v, want %q", got, want)
	}
}

// expectFindings compares; a text that is wanted may be the beginning of one.
func expectFindings(t *testing.T, got, want []Finding) {
	t.Helper()
	for i, g := range got {
		if i < len(want) && (g.About != want[i].About || !strings.HasPrefix(g.Text, want[i].Text) || g.Known != want[i].Known) {
			t.Errorf("got  %+v\nwant %+v", g, want[i])
		}
		if strings.Contains(g.Text, "\n") {
			t.Errorf("%q has several lines", g.Text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d findings, want %d", len(got), len(want))
	}
}

func TestReportOfThisMachineHasAWordOnEverything(t *testing.T) {
	about := map[string]bool{}
	for _, finding := range System.Report(t.Context(), "", nil) {
		t.Logf("%+v", finding)
		if finding.Text == "" {
			t.Errorf("%+v", finding)
		}
		about[finding.About] = true
	}
	for _, want := range []string{"internet", "memory", "memory pressure", "load", "processor pressure", "temperature", "power"} {
		if !about[want] {
			t.Errorf("nothing about %s", want)
		}
	}
}

func TestAmountsAndRatesForPeople(t *testing.T) {
	for got, want := range map[string]string{
		amount(0): "0 bytes", amount(1023): "1023 bytes", amount(1 << 10): "1 KiB", amount(1536): "1.5 KiB", amount(1<<64 - 1): "16 EiB",
		bitRate(0): "0 kbit/s", bitRate(1_250_000): "10 Mbit/s", bitRate(1_012_500): "8.1 Mbit/s", bitRate(125_000_000): "1 Gbit/s", bitRate(1 << 62): "36893488.1 Tbit/s",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
