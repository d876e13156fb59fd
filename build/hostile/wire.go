package main

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// wire is an attacker's connection: what is sent on it needs not be sound, and what comes back is not looked at.
type wire struct{ net.Conn }

// connect opens a connection from an address, until ctx ends.
func connect(ctx context.Context, from netip.Addr, to netip.AddrPort) (wire, error) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: 5 * time.Second}
	c, err := dialer.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return wire{}, err
	}
	context.AfterFunc(ctx, func() { c.Close() })
	return wire{c}, nil
}

// greet connects and shakes hands in a swarm, with the fast extension and BEP 10.
func greet(ctx context.Context, from netip.Addr, to netip.AddrPort, h swarm.InfoHash) (wire, error) {
	w, err := connect(ctx, from, to)
	if err != nil {
		return wire{}, err
	}
	id := peerwire.NewPeerID("6.6.6")
	hello := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04"), h[:]...)
	w.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = w.Write(append(hello, id[:]...))
	if err == nil {
		_, err = io.ReadFull(w, make([]byte, 68))
	}
	if err != nil {
		w.Close()
		return wire{}, err
	}
	w.SetDeadline(time.Now().Add(time.Minute)) // no connection is longer
	return w, nil
}

// message encodes one: its type and, in four bytes each, numbers.
func message(kind peerwire.MessageType, numbers ...uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(1+4*len(numbers)))
	b = append(b, byte(kind))
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// extended encodes an extension message (BEP 10).
func extended(number byte, payload string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(2+len(payload)))
	return append(append(b, byte(peerwire.Extended), number), payload...)
}

// next reads a message and returns its type and the beginning of what it says.
func (w wire) next() (kind peerwire.MessageType, body []byte, err error) {
	for {
		var head [5]byte
		if _, err := io.ReadFull(w, head[:4]); err != nil {
			return 0, nil, err
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 {
			continue
		}
		if n > peerwire.MaxMessage {
			return 0, nil, io.ErrUnexpectedEOF
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(w, body); err != nil {
			return 0, nil, err
		}
		return peerwire.MessageType(body[0]), body[1:], nil
	}
}

// swallow reads and forgets all that comes.
func (w wire) swallow() { _, _ = io.Copy(io.Discard, w) }
