//go:build linux

package interop

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
)

// Place is where one program runs: the loopback address that is its host, and the directory that is its disk.
type Place struct {
	Addr netip.Addr
	Dir  string
}

// NewPlace makes the directory parent/name for a program at addr. Others may read it: opentracker gives up root.
func NewPlace(addr netip.Addr, parent, name string) (Place, error) {
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return Place{}, err
	}
	return Place{Addr: addr, Dir: dir}, nil
}

// Loopback hands out addresses of one /24 of 127.0.0.0/8. Linux answers on all of them without configuration, and every
// peer needs its own: Transmission keeps one connection per IP address and torrent, and so does rain; libtorrent does
// unless told otherwise.
type Loopback struct {
	next netip.Addr
}

// NewLoopback picks the /24 by the process id, so that two runs on one machine rarely meet.
func NewLoopback() *Loopback {
	pid := os.Getpid()
	return &Loopback{next: netip.AddrFrom4([4]byte{127, byte(64 + pid/256%64), byte(pid), 1})}
}

// Next is the next unused address. There are 254.
func (l *Loopback) Next() netip.Addr {
	addr := l.next
	l.next = addr.Next()
	return addr
}

// Ports to try: below the kernel's ephemeral range (32768 up), whose numbers come and go with other connections.
const (
	firstPort = 20000
	lastPort  = 32000
	portTries = 100
)

// freePort finds a port on which addr can be listened on by TCP and UDP. Nobody holds it until the program that it is
// for listens; on an address that only one program uses, that is soon enough.
func freePort(addr netip.Addr) (uint16, error) {
	var last error
	for range portTries {
		at := netip.AddrPortFrom(addr, uint16(firstPort+rand.IntN(lastPort-firstPort)))
		if last = listenable(at); last == nil {
			return at.Port(), nil
		}
	}
	return 0, fmt.Errorf("no free port on %v in %d tries: %w", addr, portTries, last)
}

func listenable(at netip.AddrPort) error {
	tcp, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return errors.Join(err, tcp.Close())
	}
	return errors.Join(tcp.Close(), udp.Close())
}
