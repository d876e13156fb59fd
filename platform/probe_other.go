//go:build !linux

package platform

import "net/netip"

func dialEcho(netip.Addr, int) (conn echoConn, raw bool, err error) {
	return nil, false, ErrNoProbe
}
