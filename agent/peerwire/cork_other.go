//go:build !linux

package peerwire

import "net"

// cork does nothing: it is Linux's.
func cork(net.Conn, bool) {}
