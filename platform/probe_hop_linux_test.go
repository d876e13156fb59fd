package platform

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The way out of the test's own network is a TUN device, and the test is whatever is behind it:
//
//	192.0.2.2 ── hop 1 192.168.1.1 ── hop 2 (silent) ── hop 3 100.64.0.1 ── 203.0.113.9
//	2001:db8::2 ── hop 1 2001:db8::1 ── hop 2 (silent) ── hop 3 2001:db8:1::1 ── 2001:db8:9::9
var (
	ways = map[bool][]netip.Addr{
		true:  {netip.MustParseAddr("192.168.1.1"), {}, netip.MustParseAddr("100.64.0.1"), netip.MustParseAddr("203.0.113.9")},
		false: {netip.MustParseAddr("2001:db8::1"), {}, netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("2001:db8:9::9")},
	}
	ends = map[bool]netip.Addr{true: netip.MustParseAddr("203.0.113.9"), false: netip.MustParseAddr("2001:db8:9::9")}
)

func TestHopsOnTheWay(t *testing.T) {
	for _, role := range []string{"datagrams", "raw"} {
		inOwnNetwork(t, role, func() { hopsAs(t, role) })
	}
}

func hopsAs(t *testing.T, role string) {
	if role == "datagrams" {
		if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0); err != nil {
			t.Fatal(err)
		}
	}
	beyond := openTUN(t)
	if beyond == nil {
		return
	}
	var hostile atomic.Int64 // what is sent back before the answer
	go beyond.answer(&hostile)
	for _, ipv4 := range []bool{true, false} {
		way, end := ways[ipv4], ends[ipv4]
		hop, err := Probe{Timeout: 300 * time.Millisecond}.FirstWANHop(t.Context(), end)
		if err != nil || hop.Addr != way[2] || hop.Number != 3 || hop.RTT <= 0 || time.Since(hop.Sent) > 10*time.Second {
			t.Errorf("%s: the first hop is %+v, %v", end, hop, err)
		}
		for n := 1; n <= 6; n++ {
			want := way[min(n, len(way))-1]
			hop, err := Probe{Timeout: 300 * time.Millisecond}.Hop(t.Context(), end, n)
			if !want.IsValid() {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s, hop %d, which is silent: %+v, %v", end, n, hop, err)
				}
				continue
			}
			if err != nil || hop.Addr != want || hop.Number != n || hop.RTT <= 0 || hop.RTT > 300*time.Millisecond {
				t.Errorf("%s, hop %d: %+v, %v", end, n, hop, err)
			}
		}
		if _, err := (Probe{}).RTT(t.Context(), end); err != nil {
			t.Errorf("%s: %v", end, err)
		}
		if hop, err := (Probe{}).Hop(t.Context(), beyond.refused(ipv4), 3); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a hop says that there is no way: %+v, %v", hop, err)
		}
	}
	if hostile.Load() == 0 {
		t.Error("nothing hostile was sent")
	}
}

// tun is what a TUN device leads to.
type tun struct{ *os.File }

func openTUN(t *testing.T) *tun {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Logf("NOT COVERED HERE: /dev/net/tun: %v", err)
		return nil
	}
	request, err := unix.NewIfreq("out")
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		t.Logf("NOT COVERED HERE: a TUN device: %v", err)
		return nil
	}
	file := os.NewFile(uintptr(fd), "tun")
	t.Cleanup(func() { file.Close() })
	for _, line := range []string{
		"link set out up", "addr add 192.0.2.2/24 dev out", "route add default dev out",
		"-6 addr add 2001:db8::2/64 dev out nodad", "-6 route add default dev out",
	} {
		if said, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Logf("NOT COVERED HERE: ip %s: %v: %s", line, err, said)
			return nil
		}
	}
	return &tun{file}
}

// refused is an address that a hop says there is no way to.
func (*tun) refused(ipv4 bool) netip.Addr {
	if ipv4 {
		return netip.MustParseAddr("203.0.113.66")
	}
	return netip.MustParseAddr("2001:db8:9::66")
}

// answer does what the hops do, each after some that are not theirs to give.
func (d *tun) answer(hostile *atomic.Int64) {
	buffer := make([]byte, 2048)
	for {
		n, err := d.Read(buffer)
		if err != nil {
			return
		}
		packet := buffer[:n]
		ipv4 := packet[0]>>4 == 4
		header, kind, ttl := 40, byte(echoRequest6), int(packet[7])
		if ipv4 {
			header, kind, ttl = 20, echoRequest4, int(packet[8])
		}
		if n < header+echoSize || packet[header] != kind {
			continue // the kernel has its own to say
		}
		from, to := addrsOf(packet)
		why, code := byte(timeExceeded6), byte(0)
		unreachable := byte(1)
		if ipv4 {
			why, unreachable = timeExceeded4, 3
		}
		if to == d.refused(ipv4) {
			_ = d.send(ways[ipv4][0], from, unreachable, 0, packet)
			continue
		}
		if ttl >= len(ways[ipv4]) {
			reply := append([]byte(nil), packet[header:]...)
			reply[0] = echoReply6
			if ipv4 {
				reply[0] = echoReply4
			}
			_, _ = d.Write(ipPacket(to, from, reply))
			continue
		}
		hop := ways[ipv4][ttl-1]
		// Other requests than ours, about which somebody who did not see it could only guess.
		for _, at := range []int{header + 4, header + 6, header + echoHeader} {
			wrong := append([]byte(nil), packet...)
			wrong[at]++
			_ = d.send(netip.MustParseAddr(map[bool]string{true: "198.51.100.66", false: "2001:db8:66::66"}[ipv4]), from, why, code, wrong)
			hostile.Add(1)
		}
		short := packet[:header+echoHeader] // RFC 792 asks for no more
		if hop.IsValid() {
			_ = d.send(hop, from, why, code, short)
		}
	}
}

func addrsOf(packet []byte) (from, to netip.Addr) {
	if packet[0]>>4 == 4 {
		return netip.AddrFrom4([4]byte(packet[12:])), netip.AddrFrom4([4]byte(packet[16:]))
	}
	return netip.AddrFrom16([16]byte(packet[8:])), netip.AddrFrom16([16]byte(packet[24:]))
}

// send sends a message about a packet.
func (d *tun) send(from, to netip.Addr, kind, code byte, about []byte) error {
	_, err := d.Write(ipPacket(from, to, append([]byte{kind, code, 0, 0, 0, 0, 0, 0}, about...)))
	return err
}

// ipPacket wraps an ICMP message, and puts its check sum in.
func ipPacket(from, to netip.Addr, message []byte) []byte {
	message[2], message[3] = 0, 0
	if from.Is4() {
		binary.BigEndian.PutUint16(message[2:], checksum(even(message)))
		ip := make([]byte, 20)
		ip[0], ip[8], ip[9] = 0x45, 64, unix.IPPROTO_ICMP
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(message)))
		copy(ip[12:], from.AsSlice())
		copy(ip[16:], to.AsSlice())
		binary.BigEndian.PutUint16(ip[10:], checksum(ip))
		return append(ip, message...)
	}
	ip := make([]byte, 40)
	ip[0], ip[6], ip[7] = 0x60, unix.IPPROTO_ICMPV6, 64
	binary.BigEndian.PutUint16(ip[4:], uint16(len(message)))
	copy(ip[8:], from.AsSlice())
	copy(ip[24:], to.AsSlice())
	pseudo := append(append([]byte(nil), ip[8:40]...), 0, 0, byte(len(message)>>8), byte(len(message)), 0, 0, 0, unix.IPPROTO_ICMPV6)
	binary.BigEndian.PutUint16(message[2:], checksum(even(append(pseudo, message...))))
	return append(ip, message...)
}

func even(b []byte) []byte { return append(append([]byte(nil), b...), make([]byte, len(b)%2)...) }

// FuzzExtendedError: whatever comes with a message that came back, what is made of it is a hop's word or nothing.
func FuzzExtendedError(f *testing.F) {
	const size = 16 + unix.SizeofSockaddrInet4
	four := make([]byte, unix.CmsgSpace(size)) // 203.0.113.1 says that we came as far as we were allowed to
	header := (*unix.Cmsghdr)(unsafe.Pointer(&four[0]))
	header.Level, header.Type = unix.IPPROTO_IP, unix.IP_RECVERR
	header.SetLen(unix.CmsgLen(size))
	data := four[unix.CmsgLen(0):]
	data[0], data[4], data[5] = byte(unix.EHOSTUNREACH&0xff), unix.SO_EE_ORIGIN_ICMP, timeExceeded4
	binary.NativeEndian.PutUint16(data[16:], unix.AF_INET)
	copy(data[20:], []byte{203, 0, 113, 1})
	if r, ok := parseExtendedError(four); !ok || r.from != netip.MustParseAddr("203.0.113.1") || r.refusal != nil {
		f.Fatalf("%+v, %v", r, ok)
	}
	f.Add(four)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, control []byte) {
		r, ok := parseExtendedError(control)
		if ok && (!r.quoted || !r.from.IsValid() || r.message != nil) || !ok && r.quoted {
			t.Fatalf("%x makes %+v", control, r)
		}
	})
}
