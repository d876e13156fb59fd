package platform

import (
	"bytes"
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
	hop, err := p.ask(ctx, addr, 0)
	return hop.RTT, err
}

// ask sends one echo request that may go so many hops far (0: as far as the system lets it), and waits for what comes
// back.
func (p Probe) ask(ctx context.Context, addr netip.Addr, hops int) (Hop, error) {
	addr = addr.Unmap()
	if !addr.IsValid() || addr.IsMulticast() || addr.IsUnspecified() {
		return Hop{}, fmt.Errorf("%s is not the address of a machine", addr)
	}
	conn, raw, err := dialEcho(addr, hops)
	if err != nil {
		return Hop{}, fmt.Errorf("pinging %s: %w", addr, err)
	}
	defer conn.Close()

	timeout := p.Timeout
	if timeout <= 0 {
		timeout = time.Second
	}
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return Hop{}, fmt.Errorf("pinging %s: %w", addr, err)
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = conn.SetDeadline(time.Unix(1, 0)) // fails only if it is closed, which it is not yet
	})
	hop, err := echo(conn, raw, addr)
	if !stop() {
		<-interrupted
		if err != nil {
			err = ctx.Err()
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Hop{}, fmt.Errorf("%s did not answer within %s: %w", addr, timeout, os.ErrDeadlineExceeded)
	case err != nil:
		return Hop{}, fmt.Errorf("pinging %s: %w", addr, err)
	}
	hop.Number = hops
	return hop, nil
}

// echoConn is a socket for echo messages with one address.
type echoConn interface {
	Write([]byte) (int, error)
	// receive waits for what comes back. It may be anything, and is in the buffer.
	receive(buffer []byte) (received, error)
	SetDeadline(time.Time) error
	LocalAddr() net.Addr
	Close() error
}

// received is what came back: a message of the address's, or the beginning of ours that a hop on the way sends back.
type received struct {
	message []byte
	quoted  bool
	from    netip.Addr // who quotes
	refusal error      // why it does, unless the message came as far as it was allowed to
}

// echo makes the round trip to an address, which is the connection's.
func echo(conn echoConn, raw bool, addr netip.Addr) (Hop, error) {
	ipv4 := addr.Is4()
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
		return Hop{}, err
	}
	var packet [512]byte
	for {
		r, err := conn.receive(packet[:])
		if err != nil {
			return Hop{}, err
		}
		hop := Hop{Addr: addr, RTT: time.Since(sent), Sent: sent, local: addrOf(conn.LocalAddr())}
		switch {
		case r.quoted && quotes(r.message, request, raw):
			hop.Addr = r.from
			return hop, r.refusal
		case r.quoted:
			continue
		case raw && ipv4:
			r.message = withoutIPv4Header(r.message)
		}
		if answers(r.message, request, raw) {
			return hop, nil
		}
	}
}

// answers reports whether a message is the reply to a request. The identifier is known on raw sockets only.
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

// quotes reports whether a message is the beginning of a request, as it came back. A hop need not send back more than
// the header (RFC 792), and may send what follows the request (RFC 4884).
func quotes(message []byte, request [echoSize]byte, raw bool) bool {
	if len(message) < echoHeader {
		return false
	}
	sameID := !raw || [2]byte(message[4:6]) == [2]byte(request[4:6])
	n := min(len(message), echoSize)
	// On its way the check sum may have been changed with the identifier, by a NAT.
	return message[0] == request[0] && message[1] == 0 && sameID && bytes.Equal(message[6:n], request[6:n])
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
