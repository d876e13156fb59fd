package platform

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"time"
)

// Probe measures round trips by ICMP echo requests (RFC 792, RFC 4443), as ping does. The zero value is ready.
type Probe struct {
	Timeout time.Duration // how long to wait for an answer; 0: a second
}

// ErrNoProbe says that the system does not let this process send echo requests.
var ErrNoProbe = errors.New("this process may not send pings: let its group do so with sysctl net.ipv4.ping_group_range, or give it CAP_NET_RAW")

// Types of messages, and where their parts are.
const (
	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129

	echoHeader = 8 // type, code, checksum (2), identifier (2), sequence number (2)
	echoToken  = 8 // what we send along, to know our own answer by
	echoSize   = echoHeader + echoToken
)

// RTT sends one echo request and waits for its answer. The error is ErrNoProbe if that is not allowed here, the
// context's if it ended, os.ErrDeadlineExceeded if no answer came in time, and otherwise of the network. RTT leaves
// nothing behind.
func (p Probe) RTT(ctx context.Context, addr netip.Addr) (time.Duration, error) {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.IsMulticast() || addr.IsUnspecified() {
		return 0, fmt.Errorf("%s is not the address of a machine", addr)
	}
	conn, raw, err := dialEcho(addr)
	if err != nil {
		return 0, fmt.Errorf("pinging %s: %w", addr, err)
	}
	defer conn.Close()

	timeout := p.Timeout
	if timeout <= 0 {
		timeout = time.Second
	}
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return 0, fmt.Errorf("pinging %s: %w", addr, err)
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = conn.SetDeadline(time.Unix(1, 0)) // fails only if it is closed, which it is not yet
	})
	rtt, err := echo(conn, raw, addr.Is4())
	if !stop() {
		<-interrupted
		if err != nil {
			err = ctx.Err()
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, fmt.Errorf("%s did not answer within %s: %w", addr, timeout, os.ErrDeadlineExceeded)
	case err != nil:
		return 0, fmt.Errorf("pinging %s: %w", addr, err)
	}
	return rtt, nil
}

// echo makes the round trip. The connection is to the address that is asked.
func echo(conn net.Conn, raw, ipv4 bool) (time.Duration, error) {
	token := rand.Uint64()
	id, sequence := uint16(rand.Uint32()), uint16(rand.Uint32())
	request := [echoSize]byte{0: echoRequest6}
	if ipv4 {
		request[0] = echoRequest4
	}
	binary.BigEndian.PutUint16(request[4:], id) // the kernel puts its own, unless the socket is raw
	binary.BigEndian.PutUint16(request[6:], sequence)
	binary.BigEndian.PutUint64(request[echoHeader:], token)
	if ipv4 { // for IPv6 the kernel does it
		binary.BigEndian.PutUint16(request[2:], checksum(request[:]))
	}

	sent := time.Now()
	if _, err := conn.Write(request[:]); err != nil {
		return 0, err
	}
	var packet [512]byte
	for {
		n, err := conn.Read(packet[:])
		if err != nil {
			return 0, err
		}
		took := time.Since(sent)
		message := packet[:n]
		if raw && ipv4 {
			message = withoutIPv4Header(message)
		}
		if answers(message, request, raw) {
			return took, nil
		}
	}
}

// answers says whether a message is the reply to a request. The identifier is known on raw sockets only.
func answers(message []byte, request [echoSize]byte, raw bool) bool {
	if len(message) != echoSize {
		return false
	}
	reply := byte(echoReply6)
	if request[0] == echoRequest4 {
		reply = echoReply4
	}
	sameID := !raw || [2]byte(message[4:6]) == [2]byte(request[4:6])
	return message[0] == reply && message[1] == 0 && sameID && [2 + echoToken]byte(message[6:]) == [2 + echoToken]byte(request[6:])
}

// withoutIPv4Header returns what an IPv4 packet carries, nil if it is none.
func withoutIPv4Header(packet []byte) []byte {
	if len(packet) < 20 || packet[0]>>4 != 4 {
		return nil
	}
	header := int(packet[0]&15) * 4
	if header < 20 || header > len(packet) {
		return nil
	}
	return packet[header:]
}

// checksum is that of RFC 1071, of an even number of bytes.
func checksum(message []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(message); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(message[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
