package platform

import (
	"strings"
)

// Types of interfaces: linux/if_arp.h. The packets of all but PPP travel inside those of another interface.
const (
	typePPP    = "512"
	typeIPIP   = "768"
	typeIP6IP  = "769"
	typeSIT    = "776"
	typeGRE    = "778"
	typeIP6GRE = "823"
	typeNone   = "65534" // WireGuard, TUN; also some mobile modems, which are devices
)

// tunnel reports whether an interface sends its packets by way of another one. PPP is taken for a line: PPPoE is how
// many households are connected, and the link below it has no address.
func (f Files) tunnel(name string) bool {
	dir, err := f.link(name)
	if err != nil {
		return false
	}
	switch kind, _ := attribute(dir + "/type"); kind {
	case typeIPIP, typeIP6IP, typeSIT, typeGRE, typeIP6GRE:
		return true
	case typeNone:
		return !exists(dir + "/device")
	}
	return exists(dir + "/tun_flags") // TAP looks like Ethernet otherwise
}

// lower returns the interfaces that an interface is made of: the ports of a bridge, what a VLAN is on.
func (f Files) lower(name string) []string {
	dir, err := f.link(name)
	if err != nil {
		return nil
	}
	const prefix = "lower_"
	links, err := entries(dir, prefix, 64)
	if err != nil {
		return nil // it has vanished
	}
	for i, link := range links {
		links[i] = strings.TrimPrefix(link, prefix)
	}
	return links
}

// physical reports whether a socket or a radio is at the end of an interface. The bridges of containers and virtual
// machines have none. Links may be stacked depth deep.
func (f Files) physical(name string, depth int) bool {
	dir, err := f.link(name)
	if err != nil {
		return false
	}
	if exists(dir + "/device") {
		return true
	}
	if depth > 0 {
		for _, below := range f.lower(name) {
			if f.physical(below, depth-1) {
				return true
			}
		}
	}
	return false
}

// stacked is how deep interfaces are stacked at most: a bridge of VLANs of a bond, and one to spare.
const stacked = 4

// LinkSpeed returns what an interface's hardware could carry each way, in bytes per second: no more than an upper bound
// of the line's rate. Many links (PPP, radio, virtual ones) do not say.
func (f Files) LinkSpeed(name string) (speed int64, ok bool) {
	path, err := f.link(name, "speed")
	if err != nil {
		return 0, false
	}
	const fastest = 1_000_000 // Mbit/s. Beyond it are the ways to say 'unknown'
	megabits, err := number(path)
	if err != nil || megabits <= 0 || megabits > fastest {
		return 0, false
	}
	return megabits * 1_000_000 / 8, true
}

func (f Files) ppp(name string) bool {
	path, err := f.link(name, "type")
	if err != nil {
		return false
	}
	kind, _ := attribute(path)
	return kind == typePPP
}
