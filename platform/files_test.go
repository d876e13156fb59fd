package platform

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
)

// tree lays out a machine: paths start with proc/, sys/ or etc/.
func tree(t testing.TB, files map[string]string) Files {
	t.Helper()
	dir := t.TempDir()
	for path, text := range files {
		write(t, filepath.Join(dir, path), text)
	}
	return Files{Proc: filepath.Join(dir, "proc"), Sys: filepath.Join(dir, "sys"), Etc: filepath.Join(dir, "etc")}
}

// netFile is the path of an interface's file in a tree.
func netFile(name, below string) string {
	return filepath.Join("sys/class/net", name, below)
}

const heading4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

// route4Line is a line of /proc/net/route; no gateway is "".
func route4Line(name, to, gateway string, metric int) string {
	prefix := netip.MustParsePrefix(to)
	flags, via := routeUp, netip.IPv4Unspecified()
	if gateway != "" {
		flags |= routeGateway
		via = netip.MustParseAddr(gateway)
	}
	mask := ^uint32(0)
	if prefix.Bits() < 32 {
		mask = ^(mask >> prefix.Bits())
	}
	var m [4]byte
	binary.BigEndian.PutUint32(m[:], mask)
	number := func(b [4]byte) uint32 { return binary.NativeEndian.Uint32(b[:]) }
	line := fmt.Sprintf("%s\t%08X\t%08X\t%04X\t0\t0\t%d\t%08X\t0\t0\t0", name, number(prefix.Addr().As4()), number(via.As4()), flags, metric, number(m))
	return fmt.Sprintf("%-127s\n", line)
}

// route6Line is a line of /proc/net/ipv6_route; no gateway is "".
func route6Line(name, to, gateway string, metric int) string {
	prefix := netip.MustParsePrefix(to)
	flags, via := routeUp, netip.IPv6Unspecified()
	if gateway != "" {
		flags |= routeGateway
		via = netip.MustParseAddr(gateway)
	}
	digits := func(a netip.Addr) string { b := a.As16(); return hex.EncodeToString(b[:]) }
	return fmt.Sprintf("%s %02x %032x 00 %s %08x %08x %08x %08x %8s\n", digits(prefix.Addr()), prefix.Bits(), 0, digits(via), metric, 1, 0, flags, name)
}

const unreachable6 = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 " +
	"ffffffff 00000001 00000000 00200200       lo\n"

func TestNamesThatAreNoInterfacesAreNotMadeIntoPaths(t *testing.T) {
	f := tree(t, map[string]string{"sys/class/secret/speed": "1000", netFile("eth0", "speed"): "1000", "sys/class/net/speed": "1000"})
	for _, name := range []string{"", ".", "..", "../secret", "eth0/../../secret", "a:b", "a b", "a\x00", strings.Repeat("a", 16)} {
		if _, err := f.link(name, "speed"); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
		if speed, ok := f.LinkSpeed(name); ok {
			t.Errorf("%q has a speed of %d", name, speed)
		}
		if traffic, err := f.Counters(name).Read(); err == nil {
			t.Errorf("%q has counters: %+v", name, traffic)
		}
	}
	for _, name := range []string{"eth0", "eth0.2", "pppoe-wan", "br-lan", "wan@eth0", "123456789012345"} {
		if _, err := f.link(name, "speed"); err != nil {
			t.Error(err)
		}
	}
}

func TestOnlyTheBeginningOfAFileIsRead(t *testing.T) {
	f := tree(t, map[string]string{"proc/loadavg": strings.Repeat("1", 10<<20)})
	text, err := attribute(filepath.Join(f.Proc, "loadavg"))
	if err != nil || len(text) != attributeSize {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
