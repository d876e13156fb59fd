package peerwire

import (
	"net"

	"golang.org/x/sys/unix"
)

// longestSegment is the payload of a segment in a jumbo frame of 9,000 bytes, and a few more.
const longestSegment = 9000

// cork has the kernel hold back a segment that is not full, for 200 ms at most (TCP_CORK, tcp(7)), or sends it and
// holds back no more. It does nothing unless the connection below is TCP.
//
// While blocks follow each other, all segments are full then, and there are as many as the governor grants at a time:
// two, for which there is an acknowledgement at once. The 13 bytes before a block, in a segment of their own, would
// leave an odd one, which the peer acknowledges up to 40 ms later; and that would look like a queue in the line.
func cork(nc net.Conn, on bool) {
	for {
		wrapped, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		nc = wrapped.NetConn()
	}
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return // it is closed
	}
	value := 0
	if on {
		value = 1
	}
	_ = raw.Control(func(fd uintptr) {
		if on {
			if mss, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG); err != nil || mss > longestSegment {
				return
			}
		}
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, value)
	})
}
