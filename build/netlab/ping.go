//go:build linux

package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pingEvery is how often the prober asks: 20 times a second sees a queue that stands for 100 ms.
const pingEvery = 50 * time.Millisecond

// Prober measures round trips by ICMP echo, which the other side's kernel answers. The kernel also says when an answer
// came, so a busy machine does not make the network look slow.
type Prober struct {
	conn  *net.IPConn
	to    *net.IPAddr
	id    uint16
	quit  chan struct{}
	group sync.WaitGroup

	mu      sync.Mutex
	samples []Sample // by sequence number
	err     error
}

// Sample is one question.
type Sample struct {
	Sent time.Time
	RTT  time.Duration // 0: no answer (yet)
}

// StartProber begins to ask.
func StartProber(from *Host, to netip.Addr) (*Prober, error) {
	p := &Prober{to: &net.IPAddr{IP: to.AsSlice()}, id: uint16(worlds.Add(1)), quit: make(chan struct{})}
	err := from.Do(func() (err error) {
		p.conn, err = net.ListenIP("ip4:icmp", &net.IPAddr{IP: from.Addr.AsSlice()})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("starting the prober: %w", err)
	}
	raw, err := p.conn.SyscallConn()
	if err == nil {
		control := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
		err = errors.Join(err, control)
	}
	if err != nil {
		p.conn.Close()
		return nil, fmt.Errorf("starting the prober: %w", err)
	}
	p.group.Go(p.ask)
	p.group.Go(p.listen)
	return p, nil
}

// Stop ends the prober, and returns what it has found.
func (p *Prober) Stop() ([]Sample, error) {
	close(p.quit)
	p.conn.SetReadDeadline(time.Unix(1, 0))
	p.group.Wait()
	return p.samples, errors.Join(p.err, p.conn.Close())
}

// Ping is what it has found between two times, by when it asked. Answers may still be under way.
func (p *Prober) Ping(from, to time.Time) Ping {
	p.mu.Lock()
	defer p.mu.Unlock()
	return pingBetween(p.samples, from, to)
}

// calm is firstCalm of what it has found until now.
func (p *Prober) calm(from time.Time, most time.Duration) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return firstCalm(p.samples, from, most)
}

func (p *Prober) ask() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		seq := uint16(len(p.samples))
		p.samples = append(p.samples, Sample{Sent: time.Now()})
		p.mu.Unlock()
		if _, err := p.conn.WriteTo(echoRequest(p.id, seq), p.to); err != nil && !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, syscall.ENOBUFS) {
			p.fail(err)
			return
		}
	}
}

func (p *Prober) listen() {
	packet, control := make([]byte, mtu), make([]byte, 256)
	for {
		n, oob, _, _, err := p.conn.ReadMsgIP(packet, control)
		select {
		case <-p.quit:
			return
		default:
		}
		if errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH) {
			continue // while the WAN interface changes
		}
		if err != nil {
			p.fail(err)
			return
		}
		seq, ours := echoReply(packet[:n], p.id)
		came, stamped := receivedAt(control[:oob])
		if !ours || !stamped {
			continue
		}
		p.mu.Lock()
		// Sequence numbers come again after 65,536 questions, that is 54 minutes.
		if i := len(p.samples) - 1 - int(uint16(len(p.samples)-1)-seq); i >= 0 && p.samples[i].RTT == 0 {
			p.samples[i].RTT = max(1, came.Sub(p.samples[i].Sent.Round(0)))
		}
		p.mu.Unlock()
	}
}

func (p *Prober) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errors.Join(p.err, fmt.Errorf("the prober: %w", err))
}

// receivedAt is the kernel's time stamp (SO_TIMESTAMPNS).
func receivedAt(control []byte) (time.Time, bool) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Time{}, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= 16 {
			sec, nsec := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return time.Unix(int64(sec), int64(nsec)), true
		}
	}
	return time.Time{}, false
}

const (
	icmpEchoReply   = 0 // RFC 792
	icmpEchoRequest = 8
	icmpHeader      = 8
)

// echoRequest is an ICMP echo request of 64 bytes, as ping(8) sends.
func echoRequest(id, seq uint16) []byte {
	b := make([]byte, 64)
	b[0] = icmpEchoRequest
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	var sum uint32 // RFC 1071
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	sum += sum >> 16
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return b
}

// echoReply takes an IPv4 packet apart.
func echoReply(packet []byte, id uint16) (seq uint16, ours bool) {
	if len(packet) < 20 {
		return 0, false
	}
	header := int(packet[0]&0x0f) * 4
	if len(packet) < header+icmpHeader {
		return 0, false
	}
	b := packet[header:]
	return binary.BigEndian.Uint16(b[6:]), b[0] == icmpEchoReply && binary.BigEndian.Uint16(b[4:]) == id
}
