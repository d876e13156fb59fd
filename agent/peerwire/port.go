package peerwire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
)

// acceptPause is the wait after a failed accept: usually the process is out of file descriptors, and others have to close
// theirs first.
const acceptPause = 500 * time.Millisecond

// Port is the socket that accepts and dials connections for all swarms.
type Port struct {
	cfg      Config
	listener net.Listener
	addr     netip.AddrPort // of the listener
	running  sync.WaitGroup // handshakes, routed connections, writers

	pending   pending
	exchanges *exchanges

	mu     sync.Mutex // guards what follows
	closed bool
	conns  map[*Conn]struct{}
}

// Listen opens the port on a TCP address such as ":51515", which means IPv4 and IPv6 where the system has both.
func Listen(address string, cfg Config) (*Port, error) {
	// Peers send keep-alives of their own, and TCP's cost traffic on sleeping links.
	config := net.ListenConfig{
		KeepAliveConfig: net.KeepAliveConfig{Enable: false}, KeepAlive: -1,
	}
	listener, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for peers: %w", err)
	}
	return &Port{
		cfg:      cfg.withDefaults(),
		listener: listener,
		addr:     addrPort(listener.Addr()),
		conns:    make(map[*Conn]struct{}),

		exchanges: newExchanges(),
	}, nil
}

// Addr returns the address that the port listens on.
func (p *Port) Addr() netip.AddrPort { return p.addr }

// yield makes an accepted connection one of low priority.
func yield(nc net.Conn) {
	if c, ok := nc.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			_ = yieldToOthers(raw) // it may be closed already, which the next read finds out
		}
	}
}

// Serve accepts connections and gives each to the router once it is handshaken. When ctx ends it closes the port and
// all of its connections, dialled ones included, waits for everything that the port has started, and returns nil. It is
// to be called once.
func (p *Port) Serve(ctx context.Context, router Router) error {
	ctx, cancel := context.WithCancel(ctx)
	defer p.running.Wait()
	defer cancel()
	p.running.Go(func() {
		<-ctx.Done()
		p.shut()
	})
	for failing := false; ; {
		nc, err := p.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				nc.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept peers: %w", ErrClosed)
		case err != nil:
			if !failing {
				p.cfg.Log.Warn("cannot accept peers for now", "err", err)
			}
			failing = true
			pause(ctx, acceptPause)
			continue
		}
		failing = false
		handshaking, cancel := context.WithCancel(ctx)
		a := p.pending.admit(nc, cancel)
		p.running.Go(func() {
			defer cancel()
			p.receive(ctx, handshaking, a, router)
		})
	}
}

// Close closes the port and all of its connections, and waits for their writers. It is for ports that are not served;
// Serve does the same.
func (p *Port) Close() error {
	p.shut()
	p.running.Wait()
	return nil
}

// shut closes everything, and waits for nothing.
func (p *Port) shut() {
	p.mu.Lock()
	p.closed = true
	conns := make([]*Conn, 0, len(p.conns))
	for c := range p.conns {
		conns = append(conns, c)
	}
	p.mu.Unlock()
	p.listener.Close()
	for _, c := range conns {
		c.Close()
	}
}

// receive takes one incoming connection through its whole life; its handshake is over when handshaking ends.
func (p *Port) receive(ctx, handshaking context.Context, a *arrival, router Router) {
	c, err := p.open(handshaking, a.nc, true, func(s *stream) (hello, error) {
		s.turn = func(work func()) error { return p.exchanges.do(handshaking, a.host, p.cfg.HandshakeTimeout, work) }
		return s.answer(router, p.cfg.PeerID, p.cfg.DialEncryption.choose)
	})
	p.pending.dismiss(a)
	if err != nil {
		p.cfg.Log.Debug("incoming peer dropped", "address", a.nc.RemoteAddr(), "err", err)
		return
	}
	defer func() {
		c.Close()
		<-c.Done()
	}()
	router.Incoming(ctx, c)
}

// open performs the handshake on a TCP connection and starts the Conn. It closes nc if it fails.
func (p *Port) open(ctx context.Context, nc net.Conn, incoming bool, handshake func(*stream) (hello, error)) (*Conn, error) {
	sock := &socket{Conn: nc, idle: p.cfg.IdleTimeout}
	wrapped := p.cfg.Wrap(sock)
	settle := func(bool) {}
	if g, ok := wrapped.(interface{ Greet() func(bool) }); ok {
		settle = g.Greet()
	}
	s := newStream(wrapped)
	theirs, err := p.handshake(ctx, s, handshake)
	if err == nil {
		own := p.cfg.Owner(theirs.hash)
		settle(own)
		if incoming && !own {
			yield(nc)
		}
		sock.timed.Store(true)
		c := newConn(s, sock, theirs)
		c.incoming = incoming
		c.client = p.cfg.Client
		c.listenPort = p.addr.Port()
		if err = p.start(c); err == nil {
			return c, nil
		}
	}
	s.nc.Close()
	return nil, fmt.Errorf("handshake: %w", err)
}

// handshake runs a handshake within its time and within ctx.
func (p *Port) handshake(ctx context.Context, s *stream, handshake func(*stream) (hello, error)) (hello, error) {
	if err := s.nc.SetDeadline(time.Now().Add(p.cfg.HandshakeTimeout)); err != nil {
		return hello{}, err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.nc.Close()
		close(interrupted)
	})
	theirs, err := handshake(s)
	if !stop() {
		<-interrupted
		return hello{}, context.Cause(ctx)
	}
	if err != nil {
		return hello{}, err
	}
	return theirs, s.nc.SetDeadline(time.Time{})
}

// start runs the writer of a new connection until the connection is closed.
func (p *Port) start(c *Conn) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.conns[c] = struct{}{}
	p.running.Go(func() {
		c.write()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
	})
	return nil
}

// addrPort converts the address of a TCP connection.
func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	addr := tcp.AddrPort()
	return netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
}

// pause waits, but not beyond the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
