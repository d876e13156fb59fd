package peerwire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"ebb/agent/swarm"
)

// attempts returns the crypto_provide values to dial with, in order; 0 is a plaintext handshake.
func (e DialEncryption) attempts() []uint32 {
	switch e {
	case EncryptedFirst:
		return []uint32{cryptoPlain | cryptoRC4, 0}
	case PlainOnly:
		return []uint32{0}
	case EncryptedOnly:
		return []uint32{cryptoRC4}
	}
	return []uint32{0, cryptoPlain | cryptoRC4}
}

// choose selects among the methods that a peer provides when it dials us.
func (e DialEncryption) choose(provided uint32) uint32 {
	if provided&cryptoPlain != 0 && (e != EncryptedOnly || provided&cryptoRC4 == 0) {
		return cryptoPlain
	}
	return provided & cryptoRC4
}

// Dial connects to a peer as a member of the swarm h, first in plaintext and then encrypted, or as
// Config.DialEncryption says. The caller owns the Conn and closes it; when the ctx of Serve ends, it is closed at the
// latest. ctx is for dialling only.
//
// The error wraps ErrSelf if we answer ourselves, ErrSwarm if the peer names another info-hash, ErrProtocol if it is no
// BitTorrent peer.
func (p *Port) Dial(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash) (*Conn, error) {
	var errs []error
	for _, provide := range p.cfg.DialEncryption.attempts() {
		c, err := p.dialOnce(ctx, addr, h, provide)
		if err == nil {
			return c, nil
		}
		errs = append(errs, err)
		if !errors.Is(err, errUnanswered) || ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("dial peer %v: %w", addr, errors.Join(errs...))
}

// errUnanswered is a handshake that the peer ended without an answer, or answered with something else, as it does when
// it wants encryption, or none.
var errUnanswered = errors.New("no answer to the handshake")

// dialer dials as the configuration says. What it does in its control function is done before the first packet leaves.
func (c Config) dialer(own bool) *net.Dialer {
	d := &net.Dialer{
		Timeout:         c.HandshakeTimeout,
		KeepAlive:       -1,
		KeepAliveConfig: net.KeepAliveConfig{Enable: false},
		Control: func(network, address string, raw syscall.RawConn) error {
			if err := c.Control(network, address, raw); err != nil {
				return err
			}
			if own {
				return nil
			}
			return yieldToOthers(raw)
		},
	}
	if c.Local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.Local, 0))
	}
	return d
}

func (p *Port) dialOnce(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash, provide uint32) (*Conn, error) {
	nc, err := p.cfg.dialer(p.cfg.Owner(h)).DialContext(ctx, "tcp", addr.String())
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return p.open(ctx, nc, false, func(s *stream) (hello, error) {
		theirs, err := s.greet(h, p.cfg.PeerID, provide)
		var timeout net.Error
		switch {
		case err == nil, errors.Is(err, ErrSwarm), errors.Is(err, ErrSelf):
		case errors.As(err, &timeout) && timeout.Timeout():
		default:
			err = fmt.Errorf("%w: %w", errUnanswered, err)
		}
		return theirs, err
	})
}
