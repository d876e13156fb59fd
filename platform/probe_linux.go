package platform

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// dialEcho opens a socket for echo messages with one address, which go so many hops far, or as far as the system lets
// them if 0. Linux has sockets for just that, for the groups of net.ipv4.ping_group_range, where the kernel sees to the
// identifiers (icmp(7)). By default that is nobody, root included; root has raw sockets, which show every ICMP message
// from the address.
func dialEcho(addr netip.Addr, hops int) (conn echoConn, raw bool, err error) {
	socket, err := dialICMP(addr, hops, unix.SOCK_DGRAM)
	if err != nil && refused(err) {
		raw = true
		socket, err = dialICMP(addr, hops, unix.SOCK_RAW)
	}
	switch {
	case err != nil && refused(err):
		return nil, false, ErrNoProbe
	case err != nil:
		return nil, false, err
	}
	return socket, raw, nil
}

// refused reports whether the process, rather than the address, is the obstacle.
func refused(err error) bool {
	return errors.Is(err, os.ErrPermission) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.ESOCKTNOSUPPORT)
}

func dialICMP(addr netip.Addr, hops, kind int) (*icmpSocket, error) {
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
	defer file.Close() // the connection has a copy
	if hops > 0 {
		if err := limitHops(fd, addr.Is4(), hops); err != nil {
			return nil, os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Connect(fd, to); err != nil { // for datagrams this sends nothing, and does not wait
		return nil, os.NewSyscallError("connect", err)
	}
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	s := &icmpSocket{Conn: conn}
	s.file, err = conn.(syscall.Conn).SyscallConn() // every socket of package net is one
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// limitHops lets messages go no further, and has the kernel keep what comes back of them (ip(7), ipv6(7)).
func limitHops(fd int, ipv4 bool, hops int) error {
	if ipv4 {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, hops),
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1))
	}
	return errors.Join(
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, hops),
		unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1))
}

// icmpSocket is a connected ICMP socket, of datagrams or raw.
type icmpSocket struct {
	net.Conn
	file syscall.RawConn
}

// receive implements echoConn.
func (s *icmpSocket) receive(buffer []byte) (r received, err error) {
	var failed error
	err = s.file.Read(func(fd uintptr) bool {
		r, failed = next(int(fd), buffer)
		return failed != unix.EAGAIN
	})
	if err == nil {
		err = failed
	}
	return r, err
}

// next takes what has arrived; unix.EAGAIN: nothing has.
func next(fd int, buffer []byte) (received, error) {
	var failed error
	for range 2 {
		// The kernel checks that what comes back was sent to the socket's address or with its identifier, and leaves
		// off all of it before the ICMP header.
		var control [128]byte
		n, c, _, _, err := unix.Recvmsg(fd, buffer, control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err == nil {
			if r, ok := parseExtendedError(control[:c]); ok {
				r.message = buffer[:n]
				return r, nil
			}
		}
		n, _, err = unix.Recvfrom(fd, buffer, unix.MSG_DONTWAIT)
		switch {
		case err == nil:
			return received{message: buffer[:n]}, nil
		case err == unix.EAGAIN || err == unix.EINTR:
			return received{}, unix.EAGAIN
		}
		// It came after we had looked: it is told once here, and what it is about is in the queue.
		failed = os.NewSyscallError("recvfrom", err)
	}
	return received{}, failed
}

// parseExtendedError finds out why a message came back, and from whom: struct sock_extended_err of linux/errqueue.h,
// and the address after it. False: no machine on the way says so.
func parseExtendedError(control []byte) (received, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return received{}, false
	}
	const size = 16
	for _, m := range messages {
		ipv4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		ipv6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if !ipv4 && !ipv6 || len(m.Data) < size {
			continue
		}
		errno, origin, kind, code := syscall.Errno(binary.NativeEndian.Uint32(m.Data)), m.Data[4], m.Data[5], m.Data[6]
		r := received{quoted: true, refusal: errno}
		offender := m.Data[size:]
		switch {
		case ipv4 && origin == unix.SO_EE_ORIGIN_ICMP && len(offender) >= unix.SizeofSockaddrInet4 && family(offender) == unix.AF_INET:
			r.from = netip.AddrFrom4([4]byte(offender[4:]))
		case ipv6 && origin == unix.SO_EE_ORIGIN_ICMP6 && len(offender) >= unix.SizeofSockaddrInet6 && family(offender) == unix.AF_INET6:
			r.from = netip.AddrFrom16([16]byte(offender[8:])).Unmap()
		default:
			continue
		}
		if ipv4 && kind == timeExceeded4 && code == 0 || ipv6 && kind == timeExceeded6 && code == 0 {
			r.refusal = nil
		}
		return r, true
	}
	return received{}, false
}

// family is that of an address as the kernel writes it.
func family(sockaddr []byte) uint16 { return binary.NativeEndian.Uint16(sockaddr) }

// Types of messages about one that came as far as it was allowed to (RFC 792, RFC 4443 §3.3); the code is 0 then.
const timeExceeded4, timeExceeded6 = 11, 3
