package platform

import (
	"maps"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestPositionOfARouter(t *testing.T) {
	p, err := tree(t, router).Position("pppoe-wan")
	if err != nil {
		t.Fatal(err)
	}
	want := Position{
		Forwarding: true,
		LAN: []LAN{
			{"br-lan", []netip.Prefix{netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("2001:db8:1::/64")}, true},
			{"docker0", []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")}, false},
		},
		Received: 5000 + 700, Forwarded: 4000 + 600,
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
}

func TestPositionOfANAS(t *testing.T) {
	p, err := tree(t, map[string]string{
		"proc/sys/net/ipv4/ip_forward": "0\n",
		"proc/net/route":               heading4 + route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 0) + route4Line("eth0", "192.168.1.0/24", "", 0),
		"proc/net/snmp":                "Ip: Forwarding InReceives\nIp: 2 1000\n",
	}).Position("eth0")
	if want := (Position{Received: 1000}); err != nil || !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestPositionOfAVirtualMachine(t *testing.T) {
	virtual := map[string]string{"sys/class/net/eth0/type": "1\n"}
	if p, _ := tree(t, virtual).Position("eth0"); !p.Virtual {
		t.Error("an interface without a socket is not taken for a virtual one")
	}
	virtual["sys/class/net/eth0/device/vendor"] = "0x8086\n"
	if p, _ := tree(t, virtual).Position("eth0"); p.Virtual {
		t.Error("an interface with a socket is taken for a virtual one")
	}
}

func TestPositionForwardingEitherProtocolCounts(t *testing.T) {
	for _, path := range []string{"proc/sys/net/ipv4/ip_forward", "proc/sys/net/ipv6/conf/all/forwarding"} {
		if p, _ := tree(t, map[string]string{path: "1\n"}).Position("wan"); !p.Forwarding {
			t.Errorf("%s alone does not count", path)
		}
	}
}

func TestPositionSaysWhatIsNotKnown(t *testing.T) {
	p, err := tree(t, nil).Position("wan")
	if err == nil || !reflect.DeepEqual(p, Position{}) {
		t.Fatalf("got %+v, %v", p, err)
	}
	for _, part := range []string{"forwarded is not known", "networks", "how much is forwarded"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not mention %q", err, part)
		}
	}
	files := maps.Clone(router)
	delete(files, "proc/net/snmp")
	delete(files, "proc/net/snmp6")
	if p, err = tree(t, files).Position("pppoe-wan"); err == nil || !p.Forwarding || len(p.LAN) != 2 {
		t.Errorf("the rest does not hold: %+v, %v", p, err)
	}
}

func TestAWordyKernelCountsWhatItNames(t *testing.T) {
	for text, want := range map[string]uint64{
		"Ip: A ForwDatagrams B\nIp: 1 2 3\n":             2,
		"Ip: ForwDatagrams\nIp: 2\nIp: 3\nIp: x y z\n":   2,
		"Ip: ForwDatagrams InReceives\nIp: 2\n":          2,
		"Ip: ForwDatagrams\nIp: -2\n":                    0,
		"Icmp: ForwDatagrams\nIcmp: 9\nIp:\nIp: 1\nIp\n": 0,
	} {
		f := tree(t, map[string]string{"proc/net/snmp": text})
		if _, got, err := f.forwarded(); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestPhysicalInterfacesEndInASocketOrARadio(t *testing.T) {
	f := tree(t, map[string]string{
		netFile("eth0", "device/x"): "", netFile("br0", "lower_vlan7/x"): "", netFile("vlan7", "lower_eth0/x"): "",
		netFile("docker0", "lower_veth1/x"): "", netFile("veth1", "type"): "1\n",
		netFile("loop1", "lower_loop2/x"): "", netFile("loop2", "lower_loop1/x"): "", // which the kernel would not allow
	})
	for name, want := range map[string]bool{"eth0": true, "vlan7": true, "br0": true, "docker0": false, "veth1": false, "loop1": false, "none": false} {
		if got := f.physical(name, stacked); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLinkSpeed(t *testing.T) {
	for text, want := range map[string]int64{"1000\n": 125_000_000, "10\n": 1_250_000, "-1\n": 0, "0\n": 0, "4294967295\n": 0, "": 0, "fast\n": 0, "400000\n": 50_000_000_000} {
		speed, ok := tree(t, map[string]string{netFile("eth0", "speed"): text}).LinkSpeed("eth0")
		if speed != want || ok != (want > 0) {
			t.Errorf("%q: got %d, %v", text, speed, ok)
		}
	}
	if speed, ok := tree(t, nil).LinkSpeed("eth0"); ok {
		t.Errorf("not there: got %d", speed)
	}
}

func TestPositionOfThisMachine(t *testing.T) {
	if _, err := os.Stat("/proc/net/snmp"); err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	p, err := System.Position("lo")
	if err != nil {
		t.Fatal(err)
	}
	for _, lan := range p.LAN {
		if _, err := os.Stat("/sys/class/net/" + lan.Interface); err != nil || len(lan.Networks) == 0 {
			t.Errorf("%+v: %v", lan, err)
		}
	}
}
