//go:build !linux

package platform

import (
	"net"
	"net/netip"
)

func dialEcho(netip.Addr) (conn net.Conn, raw bool, err error) {
	return nil, false, ErrNoProbe
}
