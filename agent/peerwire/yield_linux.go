package peerwire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// lowerEffort is DSCP LE (RFC 8622 §3: code point 000001) as it stands in the IPv4 TOS and IPv6 traffic class
	// octet, above the two bits of ECN. A router that queues by it sends everybody else's packets first.
	lowerEffort = 0b000001 << 2
	// notSent is how many bytes may wait in the kernel before they are sent for the first time: enough to fill a few
	// segments while we are woken, and no queue that nobody can take back. Bytes.
	notSent = 16 << 10
	// sendBuffer bounds what one peer may have in flight besides. The kernel doubles it for its own overhead. It lets a
	// connection over 100 ms carry 20 Mbit/s, and a background swarm has several. Bytes.
	sendBuffer = 256 << 10
)

// backgroundCongestionControls are those that give way to others, best first: TCP-LP (Kuzmanovic and Knightly, 2003)
// and TCP-NV. Most kernels have neither, and unprivileged processes may use only those that
// net.ipv4.tcp_allowed_congestion_control names.
var backgroundCongestionControls = []string{"lp", "nv"}

// yieldToOthers makes a socket one of low priority. A listening one passes on only a part of it. Each setting helps by
// itself; what the kernel does not offer stays as it is.
func yieldToOthers(c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		s := int(fd)
		// One of the two fits the socket's family; a dual-stack socket takes both.
		_ = unix.SetsockoptInt(s, unix.IPPROTO_IP, unix.IP_TOS, lowerEffort)
		_ = unix.SetsockoptInt(s, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, lowerEffort)
		_ = unix.SetsockoptInt(s, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, notSent)
		_ = unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
		for _, name := range backgroundCongestionControls {
			if unix.SetsockoptString(s, unix.IPPROTO_TCP, unix.TCP_CONGESTION, name) == nil {
				break
			}
		}
	})
}
