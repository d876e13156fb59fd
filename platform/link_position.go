package platform

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Position is what tells whether the household's traffic passes through this machine.
type Position struct {
	Forwarding bool  // the kernel forwards packets of others, IPv4 or IPv6
	LAN        []LAN // networks that this machine is in, other than by the WAN interface and tunnels; sorted by name
	// Forwarded counts the packets that were forwarded since the machine was started, IPv4 and IPv6. Kernels and
	// hardware that speed up known flows count the first packets of each only. Packets of containers on this machine
	// count too.
	Forwarded uint64
	// Received counts the packets that arrived, whoever they were for.
	Received uint64
	// Virtual says that the WAN interface itself has no socket or radio, though it should: on such a machine Physical
	// says nothing.
	Virtual bool
}

// LAN is an interface with a network of its own.
type LAN struct {
	Interface string
	Networks  []netip.Prefix
	Physical  bool // a socket or a radio is part of it; not a bridge of containers
}

// Position gathers what there is to know, given the name of the WAN interface. What it could not find out is in the
// error; the rest holds.
func (f Files) Position(wan string) (Position, error) {
	var p Position
	var errs []error
	if dir, err := f.link(wan); err == nil && exists(dir) {
		p.Virtual = !f.ppp(wan) && !f.physical(wan, stacked) // what PPP runs on, it does not tell
	}

	four, err4 := number(filepath.Join(f.Proc, "sys/net/ipv4/ip_forward"))
	six, err6 := number(filepath.Join(f.Proc, "sys/net/ipv6/conf/all/forwarding"))
	p.Forwarding = four > 0 || six > 0
	if err4 != nil && err6 != nil {
		errs = append(errs, fmt.Errorf("whether packets are forwarded is not known: %w", err4))
	}

	var err error
	if p.LAN, err = f.networks(wan); err != nil {
		errs = append(errs, fmt.Errorf("the networks of this machine are not known: %w", err))
	}
	if p.Received, p.Forwarded, err = f.forwarded(); err != nil {
		errs = append(errs, fmt.Errorf("how much is forwarded is not known: %w", err))
	}
	return p, errors.Join(errs...)
}

// networks finds the networks that are directly reached, by their routes: there is one for each address.
func (f Files) networks(wan string) ([]LAN, error) {
	found := map[string][]netip.Prefix{}
	add := func(name [interfaceNameSize]byte, flags uint32, network netip.Prefix) {
		addr := network.Addr()
		if flags&routeUp == 0 || flags&(routeGateway|routeReject) != 0 || network.Bits() == 0 || network.IsSingleIP() ||
			addr.IsLoopback() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
			return
		}
		if name := text(name); name != wan && name != "lo" && len(found[name]) < 32 {
			found[name] = append(found[name], network)
		}
	}
	four, six := table{path: filepath.Join(f.Proc, "net/route")}, table{path: filepath.Join(f.Proc, "net/ipv6_route")}
	defer four.close()
	defer six.close()
	err4 := four.read(func(line []byte) {
		if r, ok := parseIPv4(line); ok {
			add(r.name, r.flags, netip.PrefixFrom(netip.AddrFrom4(r.to), r.bits))
		}
	})
	err6 := six.read(func(line []byte) {
		if r, ok := parseIPv6(line); ok {
			add(r.name, r.flags, netip.PrefixFrom(netip.AddrFrom16(r.to), r.bits))
		}
	})
	if err4 != nil && err6 != nil {
		return nil, err4
	}
	var lans []LAN
	for name, networks := range found {
		if !f.tunnel(name) {
			slices.SortFunc(networks, netip.Prefix.Compare)
			lans = append(lans, LAN{name, slices.Compact(networks), f.physical(name, stacked)})
		}
	}
	slices.SortFunc(lans, func(a, b LAN) int { return strings.Compare(a.Interface, b.Interface) })
	return lans, nil
}

// forwarded reads the counters of the Internet Protocol: /proc/net/snmp has a line of names and one of values for each
// protocol, /proc/net/snmp6 a line for each value.
func (f Files) forwarded() (received, forwarded uint64, err error) {
	const size = 64 << 10
	snmp, err4 := readAtMost(filepath.Join(f.Proc, "net/snmp"), size)
	snmp6, err6 := readAtMost(filepath.Join(f.Proc, "net/snmp6"), size)
	if err4 != nil && err6 != nil {
		return 0, 0, err4
	}
	count := func(name, value string) {
		n, _ := strconv.ParseUint(value, 10, 64) // what is no number counts nothing
		switch name {
		case "InReceives", "Ip6InReceives":
			received += n
		case "ForwDatagrams", "Ip6OutForwDatagrams":
			forwarded += n
		}
	}
	var names []string
	for line := range strings.Lines(string(snmp)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Ip:" {
			continue
		}
		for i := range min(len(names), len(fields)) {
			count(names[i], fields[i])
		}
		names = fields
	}
	for line := range strings.Lines(string(snmp6)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			count(fields[0], fields[1])
		}
	}
	return received, forwarded, nil
}
