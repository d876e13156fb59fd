//go:build linux

package netlab

import (
	"errors"
	"net/netip"
)

// homeControl is the congestion control of connections between the household and the rest: what phones and laptops
// have, whatever this machine's default is. Routes carry it: a namespace may not choose a default of its own.
const homeControl = "cubic"

// cable connects two hosts.
func cable(a *Host, aDev string, b *Host, bDev string) error {
	if err := a.ip("link", "add", "name", aDev, "type", "veth", "peer", "name", bDev, "netns", b.name); err != nil {
		return err
	}
	// One packet at a time, as on a wire: the kernel would hand over 64 KiB at once, of which a queue that counts
	// packets, a link that is exact to a packet and a token bucket would each make something else.
	return errors.Join(a.ip("link", "set", aDev, "gso_max_segs", "1"), b.ip("link", "set", bDev, "gso_max_segs", "1"))
}

// up gives a device an address and switches it on.
func (h *Host) up(dev string, addr netip.Prefix) error {
	return errors.Join(h.ip("addr", "add", addr.String(), "dev", dev), h.ip("link", "set", dev, "up"))
}

// bridge makes a switch with an address of its own.
func (h *Host) bridge(dev string, addr netip.Prefix) error {
	return errors.Join(h.ip("link", "add", dev, "type", "bridge", "stp_state", "0", "mcast_snooping", "0"), h.up(dev, addr))
}

// forward makes the host a router.
func (h *Host) forward() error { return h.sysctl("net/ipv4/ip_forward", "1") }

// plugInto connects the host to another one's switch, with the host's address and a default route. Isolated hosts on
// one switch do not reach each other.
func (h *Host) plugInto(to *Host, bridge string, network netip.Prefix, gateway netip.Addr, isolated bool) error {
	const dev = "eth0"
	h.dev = dev
	if err := cable(h, dev, to, h.Role); err != nil {
		return err
	}
	err := errors.Join(
		h.up(dev, netip.PrefixFrom(h.Addr, network.Bits())),
		h.ip("route", "add", "default", "via", gateway.String(), "congctl", homeControl),
		to.ip("link", "set", h.Role, "master", bridge, "up"))
	if isolated {
		err = errors.Join(err, to.ip("link", "set", "dev", h.Role, "type", "bridge_slave", "isolated", "on"))
	}
	return err
}
