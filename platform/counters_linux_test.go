package platform

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// An interface of the kernel's goes, and returns under its name: a tunnel whose program ends and is started again.
func TestCountersOfARealInterfaceThatGoesAndReturns(t *testing.T) {
	inOwnNetwork(t, "counters", func() {
		sys := t.TempDir()
		if err := unix.Mount("sysfs", sys, "sysfs", 0, ""); err != nil { // that of this network
			t.Logf("NOT COVERED HERE: %v", err)
			return
		}
		defer unix.Unmount(sys, unix.MNT_DETACH)
		f := Files{Proc: "/proc", Sys: sys}
		c := f.Counters("tun7")
		defer c.Close()
		last := Traffic{}
		for range 3 {
			tunnel, err := openTunnel("tun7")
			if err != nil {
				t.Logf("NOT COVERED HERE: %v", err)
				return
			}
			up(t, "tun7")
			packet := make([]byte, 100)
			packet[0] = 0x45
			if _, err := tunnel.Write(packet); err != nil {
				t.Fatal(err)
			}
			got, err := c.Read()
			if err != nil || got.Received != 100 || got.Index == last.Index {
				t.Errorf("got %+v, %v after %+v", got, err, last)
			}
			if !f.tunnel("tun7") || f.tunnel("lo") {
				t.Error("the tunnel is none, or loopback is one")
			}
			last = got
			tunnel.Close()
			if got, err := c.Read(); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("gone: got %+v, %v", got, err)
			}
		}
	})
}

// openTunnel makes an interface that lasts until the file is closed.
func openTunnel(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
