package peerwire

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBlocksThatFollowEachOtherLeaveInFullSegments, of the length that they have on Ethernet.
func TestBlocksThatFollowEachOtherLeaveInFullSegments(t *testing.T) {
	for name, policy := range map[string]DialEncryption{"sendfile": PlainOnly, "copied": EncryptedOnly} {
		t.Run(name, func(t *testing.T) {
			const blocks, mss = 40, 1448
			router := newSwitchboard(swarmA)
			port := servePort(t, Config{}, router)
			control(t, port.listener.(*net.TCPListener), func(fd int) error {
				return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, mss)
			})
			from, err := servePort(t, Config{DialEncryption: policy}, newSwitchboard()).Dial(t.Context(), port.Addr(), swarmA)
			if err != nil {
				t.Fatal(err)
			}
			to := router.next(t)
			queued, sent := make(chan struct{}), make(chan int, blocks)
			source := fromFile(t, randomBytes(1<<20))
			for range blocks {
				err := from.SendBlock(BlockRequest{Length: BlockSize, Sent: func(n int) { sent <- n }, Source: func() (BlockSource, error) {
					<-queued
					return source()
				}})
				if err != nil {
					t.Fatal(err)
				}
			}
			close(queued)
			for range blocks {
				m := readMessage(t, to)
				m.Recycle()
				within(t, sent)
			}
			if err := from.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			// The writer has nothing left to do but to let the last segment go.
			if err := from.Send(Message{Type: Interested}); err != nil {
				t.Fatal(err)
			}
			if m := readMessage(t, to); m.Type != Interested {
				t.Errorf("got a %v", m.Type)
			}
			corked, segments := kernelSays(t, from.stream.nc)
			if corked {
				t.Error("nothing is left to send, and the kernel still holds back")
			}
			// Each block alone would take 13, and mostly one more for what comes before it: 506 to 523 in all were seen. A
			// receiver that is slow for a moment cuts some, too: up to 475 were.
			if full := uint32(blocks * (pieceHeader + BlockSize) / mss); segments > full+blocks {
				t.Errorf("%d blocks left in %d segments, full ones would be %d", blocks, segments, full)
			}
		})
	}
}

// kernelSays returns whether a connection holds back segments that are not full, and in how many it has sent data.
func kernelSays(t *testing.T, nc net.Conn) (corked bool, segments uint32) {
	t.Helper()
	for {
		wrapped, ok := nc.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		nc = wrapped.NetConn()
	}
	control(t, nc.(*net.TCPConn), func(fd int) error {
		value, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_CORK)
		if err != nil {
			return err
		}
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			corked, segments = value != 0, info.Data_segs_out
		}
		return err
	})
	return corked, segments
}

// control lets f work on the socket.
func control(t *testing.T, c syscall.Conn, f func(fd int) error) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	if err := errors.Join(raw.Control(func(fd uintptr) { failed = f(int(fd)) }), failed); err != nil {
		t.Fatal(err)
	}
}
