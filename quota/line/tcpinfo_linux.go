package line

import (
	"time"

	"golang.org/x/sys/unix"
)

// read asks the kernel for the struct tcp_info (linux/tcp.h) of the connection. Kernels tell as much of it as they
// know, and the rest is 0. It returns false if the connection is closed.
func (s *socket) read() (tcpInfo, bool) {
	var info *unix.TCPInfo
	var failed error
	if err := s.raw.Control(func(fd uintptr) {
		info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}); err != nil || failed != nil {
		return tcpInfo{}, false
	}
	return tcpInfo{
		// The bytes that were sent are the youngest of the counters. Until something is sent, they do not matter.
		counted: info.Bytes_sent > 0 || info.Bytes_acked <= 1,
		sent:    info.Bytes_sent, received: info.Bytes_received,
		segsOut: info.Segs_out, segsIn: info.Segs_in, dataSegsIn: info.Data_segs_in,
		acked: info.Bytes_acked,
		rtt:   time.Duration(info.Rtt) * time.Microsecond, vary: time.Duration(info.Rttvar) * time.Microsecond, least: leastOf(info.Min_rtt),
	}, true
}

// leastOf returns 0 for the value by which the kernel says that there was no measurement yet.
func leastOf(microseconds uint32) time.Duration {
	if microseconds == 1<<32-1 {
		return 0
	}
	return time.Duration(microseconds) * time.Microsecond
}
