package platform

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
)

// routing is what matters of the kernel's routes. It is comparable and of a fixed size, so that looking whether it has
// changed allocates nothing.
type routing struct {
	four, six [8]hop // default routes
	peers     [8]hop // the far ends of point-to-point links (IPv4), each a host's route
}

// hop is one route. The zero hop is no route.
type hop struct {
	name    [interfaceNameSize]byte // of the interface
	metric  uint32
	gateway [16]byte // zero if the link itself leads there; of a peer, its address. IPv4 is in the first four
}

// Flags of routes: linux/route.h and linux/ipv6_route.h.
const (
	routeUp      = 0x0001
	routeGateway = 0x0002
	routeReject  = 0x0200 // packets are refused: "unreachable" routes
)

// lines calls line for each whole line of text[:n], moves the rest to the front, and returns how long that is.
func lines(text []byte, n int, line func([]byte)) int {
	rest := text[:n]
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return copy(text, rest)
		}
		line(rest[:end])
		rest = rest[end+1:]
	}
}

// addIPv4 takes a line of /proc/net/route, if it is a default route or leads to a peer:
//
//	Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
func (r *routing) addIPv4(line []byte) {
	route, ok := parseIPv4(line)
	if !ok || route.flags&routeUp == 0 || route.flags&routeReject != 0 {
		return
	}
	switch {
	case route.bits == 0 && route.to == [4]byte{}:
		h := hop{name: route.name, metric: route.metric}
		if route.flags&routeGateway != 0 {
			copy(h.gateway[:], route.gateway[:])
		}
		add(&r.four, h)
	case route.bits == 32 && route.flags&routeGateway == 0:
		h := hop{name: route.name}
		copy(h.gateway[:], route.to[:])
		add(&r.peers, h)
	}
}

// addIPv6 takes a line of /proc/net/ipv6_route, if it is a default route. A route for some sources only (which is what
// OpenWrt makes of a delegated prefix) is one too.
func (r *routing) addIPv6(line []byte) {
	route, ok := parseIPv6(line)
	if !ok || route.flags&routeUp == 0 || route.flags&routeReject != 0 {
		return
	}
	if route.bits == 0 && route.to == [16]byte{} {
		h := hop{name: route.name, metric: route.metric}
		if route.flags&routeGateway != 0 {
			h.gateway = route.gateway
		}
		add(&r.six, h)
	}
}

// add puts a hop into the first free place. Loopback leads nowhere.
func add(hops *[8]hop, h hop) {
	if h.name == [interfaceNameSize]byte{'l', 'o'} {
		return
	}
	for i := range hops {
		if hops[i] == (hop{}) || hops[i] == h { // the tables of several policies may have the same route
			hops[i] = h
			return
		}
	}
}

// choose picks the default route, of one interface only unless that is empty; tunnel says whether an interface is one.
func (r *routing) choose(only string, tunnel func(name string) bool) (Route, error) {
	four, tunnel4 := best(&r.four, only, tunnel)
	six, tunnel6 := best(&r.six, only, tunnel)
	chosen, isTunnel := four, tunnel4
	if four == nil || (tunnel4 && six != nil && !tunnel6) { // DS-Lite: IPv4 in a tunnel over IPv6
		chosen, isTunnel = six, tunnel6
	}
	if chosen == nil {
		return Route{Interface: only}, ErrNoRoute
	}
	route := Route{Interface: text(chosen.name), Tunnel: isTunnel}
	if four != nil && four.name == chosen.name {
		route.Gateway4 = r.gateway4(four)
	}
	if six != nil && six.name == chosen.name && six.gateway != [16]byte{} {
		route.Gateway6 = netip.AddrFrom16(six.gateway)
		if route.Gateway6.IsLinkLocalUnicast() {
			route.Gateway6 = route.Gateway6.WithZone(route.Interface)
		}
	}
	return route, nil
}

// best returns the hop of the lowest metric, of the links that are no tunnels if there are any; nil if there is none.
func best(hops *[8]hop, only string, tunnel func(string) bool) (*hop, bool) {
	var found *hop
	var foundTunnel bool
	for i := range hops {
		h := &hops[i]
		if *h == (hop{}) {
			break
		}
		name := text(h.name)
		if only != "" && name != only {
			continue
		}
		isTunnel := tunnel(name)
		if found == nil || (foundTunnel && !isTunnel) || (foundTunnel == isTunnel && h.metric < found.metric) {
			found, foundTunnel = h, isTunnel
		}
	}
	return found, foundTunnel
}

// gateway4 returns a route's first hop. A point-to-point link (PPPoE) may have a default route without a gateway: its
// far end is the first hop.
func (r *routing) gateway4(h *hop) netip.Addr {
	gateway := h.gateway
	if gateway == [16]byte{} {
		for _, peer := range r.peers {
			if peer.name == h.name {
				gateway = peer.gateway
				break
			}
		}
	}
	if gateway == [16]byte{} {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(gateway[:4]))
}

func text(name [interfaceNameSize]byte) string {
	return string(bytes.TrimRight(name[:], "\x00"))
}

// route4 and route6 are lines of the tables.
type route4 struct {
	name          [interfaceNameSize]byte
	to, gateway   [4]byte
	flags, metric uint32
	bits          int // of the mask
}

type route6 struct {
	name          [interfaceNameSize]byte
	to, gateway   [16]byte
	flags, metric uint32
	bits          int
}

func parseIPv4(line []byte) (route route4, ok bool) {
	var fields [8][]byte
	if !split(line, fields[:]) || len(fields[0]) >= interfaceNameSize {
		return route, false
	}
	copy(route.name[:], fields[0])
	to, ok1 := hex32(fields[1])
	if !ok1 {
		return route, false
	}
	gateway, ok2 := hex32(fields[2])
	flags, ok3 := hex32(fields[3])
	metric, ok4 := decimal32(fields[6])
	mask, ok5 := hex32(fields[7])
	// Addresses are printed as numbers of this machine, but lie in memory in network order.
	binary.NativeEndian.PutUint32(route.to[:], to)
	binary.NativeEndian.PutUint32(route.gateway[:], gateway)
	var wire [4]byte
	binary.NativeEndian.PutUint32(wire[:], mask)
	route.flags, route.metric = flags, metric
	for bits := binary.BigEndian.Uint32(wire[:]); bits&(1<<31) != 0; bits <<= 1 {
		route.bits++
	}
	return route, ok2 && ok3 && ok4 && ok5
}

// parseIPv6 reads
//
//	destination prefix-length source prefix-length next-hop metric references uses flags interface
//
// all but the last hexadecimal.
func parseIPv6(line []byte) (route route6, ok bool) {
	var fields [10][]byte
	if !split(line, fields[:]) || len(fields[9]) >= interfaceNameSize {
		return route, false
	}
	copy(route.name[:], fields[9])
	ok1 := hex128(&route.to, fields[0])
	bits, ok2 := hex32(fields[1])
	ok3 := hex128(&route.gateway, fields[4])
	metric, ok4 := hex32(fields[5])
	flags, ok5 := hex32(fields[8])
	route.flags, route.metric, route.bits = flags, metric, int(min(bits, 129))
	return route, ok1 && ok2 && ok3 && ok4 && ok5 && bits <= 128
}

// split fills fields with the first words of a line. It reports whether there are as many. Words are apart by blanks
// and tabs; unlike bytes.FieldsSeq it allocates nothing.
func split(line []byte, fields [][]byte) bool {
	for i := range fields {
		line = bytes.TrimLeft(line, " \t")
		end := bytes.IndexAny(line, " \t")
		if end < 0 {
			end = len(line)
		}
		fields[i], line = line[:end], line[end:]
	}
	return len(fields[len(fields)-1]) > 0
}

func hex32(digits []byte) (uint32, bool) {
	if len(digits) > 8 { // of the heading: an error would be made, and allocated
		return 0, false
	}
	n, err := strconv.ParseUint(string(digits), 16, 32)
	return uint32(n), err == nil
}

func decimal32(digits []byte) (uint32, bool) {
	n, err := strconv.ParseUint(string(digits), 10, 32)
	return uint32(n), err == nil
}

func hex128(to *[16]byte, digits []byte) bool {
	if len(digits) != hex.EncodedLen(len(to)) {
		return false
	}
	n, err := hex.Decode(to[:], digits)
	return err == nil && n == len(to)
}
