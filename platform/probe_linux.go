package platform

import (
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// dialEcho opens a socket for echo messages with one address. Linux has sockets for just that, for the groups of
// net.ipv4.ping_group_range, where the kernel sees to the identifiers (icmp(7)). By default that is nobody, root
// included; root has raw sockets, which show every ICMP message from the address.
func dialEcho(addr netip.Addr) (conn net.Conn, raw bool, err error) {
	conn, err = dialICMP(addr, unix.SOCK_DGRAM)
	if err == nil || !refused(err) {
		return conn, false, err
	}
	conn, err = dialICMP(addr, unix.SOCK_RAW)
	if err != nil && refused(err) {
		return nil, false, ErrNoProbe
	}
	return conn, true, err
}

// refused says whether the process, rather than the address, is the obstacle.
func refused(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.ESOCKTNOSUPPORT)
}

func dialICMP(addr netip.Addr, kind int) (net.Conn, error) {
	family, protocol := unix.AF_INET6, unix.IPPROTO_ICMPV6
	var to unix.Sockaddr
	if addr.Is4() {
		family, protocol = unix.AF_INET, unix.IPPROTO_ICMP
		to = &unix.SockaddrInet4{Addr: addr.As4()}
	} else {
		to6 := &unix.SockaddrInet6{Addr: addr.As16()}
		if zone := addr.Zone(); zone != "" {
			link, err := net.InterfaceByName(zone)
			if err != nil {
				return nil, err
			}
			to6.ZoneId = uint32(link.Index)
		}
		to = to6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "icmp")
	defer file.Close()                           // the connection has a copy
	if err := unix.Connect(fd, to); err != nil { // for datagrams this sends nothing, and does not wait
		return nil, os.NewSyscallError("connect", err)
	}
	return net.FileConn(file)
}
