package peerwire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/anacrolix/torrent/mse"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

func TestConnectionsWorkWithEveryPolicyOnEitherSide(t *testing.T) {
	policies := map[string]DialEncryption{
		"plain first": PlainFirst, "encrypted first": EncryptedFirst, "plain only": PlainOnly, "encrypted only": EncryptedOnly,
	}
	for dialName, dialling := range policies {
		for acceptName, accepting := range policies {
			t.Run(dialName+" to "+acceptName, func(t *testing.T) {
				fromID, toID := NewPeerID("0.1.0"), NewPeerID("0.1.0")
				dialled, accepted := connect(t,
					Config{PeerID: fromID, DialEncryption: dialling},
					Config{PeerID: toID, DialEncryption: accepting})
				if dialled.PeerID() != toID || accepted.PeerID() != fromID || dialled.InfoHash() != swarmA || accepted.InfoHash() != swarmA {
					t.Error("wrong peer ID or info-hash")
				}
				if dialled.Incoming() || !accepted.Incoming() {
					t.Error("wrong direction")
				}
				// EncryptedFirst offers both methods, and then it is up to the other side.
				encrypted := dialling == EncryptedOnly || dialling == EncryptedFirst && accepting == EncryptedOnly
				for _, c := range []*Conn{dialled, accepted} {
					if c.Encrypted() != encrypted || !c.Fast() || !c.Extended() || c.RemoteAddr().Addr() != netip.MustParseAddr("127.0.0.1") {
						t.Errorf("encrypted %v, fast %v, extended %v, %v", c.Encrypted(), c.Fast(), c.Extended(), c.RemoteAddr())
					}
				}
				converse(t, dialled, accepted)
				converse(t, accepted, dialled)
			})
		}
	}
}

// converse sends messages of each kind, and a block, from one end to the other.
func converse(t *testing.T, from, to *Conn) {
	t.Helper()
	if err := from.Send(Message{Type: HaveBitfield, Bitfield: []byte{0xf0}}); err != nil {
		t.Fatal(err)
	}
	if m := readMessage(t, to); m.Type != HaveBitfield || !bytes.Equal(m.Bitfield, []byte{0xf0}) {
		t.Errorf("%+v", m)
	}
	if err := from.SendExtensionHandshake(Extensions{MetadataSize: 77}); err != nil {
		t.Fatal(err)
	}
	if m := readMessage(t, to); m.Type != ExtensionHandshake || m.Extensions.MetadataSize != 77 {
		t.Errorf("%+v", m)
	}
	if err := to.SendExtended(ExtensionList, []byte("d1:ti0ee")); err != nil {
		t.Fatal(err)
	}
	if m := readMessage(t, from); m.Type != Extended || m.Name != ExtensionList || string(m.Payload) != "d1:ti0ee" {
		t.Errorf("%+v", m)
	}
	data := randomBytes(3 * BlockSize)
	for n, source := range []func() (BlockSource, error){fromFile(t, data), fromMemory(data)} {
		sent := make(chan int, 1)
		if err := from.SendBlock(BlockRequest{Index: 4, Begin: BlockSize, Length: BlockSize, Source: source, Sent: func(n int) { sent <- n }}); err != nil {
			t.Fatal(err)
		}
		m := readMessage(t, to)
		if m.Type != Piece || m.Index != 4 || m.Begin != BlockSize || !bytes.Equal(m.Block, data[BlockSize:2*BlockSize]) {
			t.Errorf("source %d: block %v %d %d garbled", n, m.Type, m.Index, m.Begin)
		}
		m.Recycle()
		if n := within(t, sent); n != BlockSize {
			t.Errorf("told that %d bytes were sent", n)
		}
	}
}

func TestBlocksOfOtherClientsSizesAreServed(t *testing.T) {
	// Blocks of more than 16 KiB, as we never ask for them, are read by hand.
	data := randomBytes(MaxRequest)
	for _, policy := range []DialEncryption{PlainOnly, EncryptedOnly} {
		for name, source := range map[string]func() (BlockSource, error){"file": fromFile(t, data), "memory": fromMemory(data)} {
			for _, length := range []int{1, BlockSize - 1, BlockSize + 1, MaxRequest} {
				dialled, accepted := connect(t, Config{DialEncryption: policy}, Config{})
				begin := len(data) - length
				err := accepted.SendBlock(BlockRequest{Begin: uint32(begin), Length: uint32(length), Source: source})
				if err != nil {
					t.Fatal(err)
				}
				want := append(appendPieceHeader(nil, 0, uint32(begin), uint32(length)), data[begin:]...)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(dialled.stream, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%v, %s, %d bytes: garbled, %v", policy, name, length, err)
				}
			}
		}
	}
}

// stranger is a peer made of another library.
type stranger struct {
	io.ReadWriter
	hello pp.HandshakeResult
}

// send writes messages.
func (s stranger) send(t *testing.T, messages ...pp.Message) {
	t.Helper()
	if _, err := s.Write(wire(messages...)); err != nil {
		t.Fatal(err)
	}
}

// strangerDials connects to a port with the other library's handshakes.
func strangerDials(t *testing.T, port *Port, hash swarm.InfoHash, provide mse.CryptoMethod) (stranger, error) {
	t.Helper()
	nc, err := net.Dial("tcp", port.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	var s stranger
	s.ReadWriter = nc
	if provide != 0 {
		if s.ReadWriter, _, err = mse.InitiateHandshake(nc, hash[:], nil, provide); err != nil {
			return s, err
		}
	}
	s.hello, err = pp.Handshake(context.Background(), s.ReadWriter, (*metainfo.Hash)(&hash), [20]byte{'X'}, allBits)
	return s, err
}

func TestPeersOfAnotherLibraryCanDialUs(t *testing.T) {
	for name, provide := range map[string]mse.CryptoMethod{
		"plaintext": 0, "RC4": mse.CryptoMethodRC4, "obfuscated": mse.CryptoMethodPlaintext, "either": mse.AllSupportedCrypto,
	} {
		t.Run(name, func(t *testing.T) {
			router := newSwitchboard(swarmB, swarmA)
			id := NewPeerID("0.1.0")
			port := servePort(t, Config{PeerID: id}, router)
			s, err := strangerDials(t, port, swarmA, provide)
			if err != nil {
				t.Fatal(err)
			}
			c := router.next(t)
			if s.hello.PeerID != id || swarm.InfoHash(s.hello.Hash) != swarmA || !s.hello.SupportsFast() || !s.hello.SupportsExtended() || !s.hello.SupportsDHT() {
				t.Errorf("they see %+v", s.hello)
			}
			if c.PeerID() != [20]byte{'X'} || c.Encrypted() != (provide == mse.CryptoMethodRC4) || c.InfoHash() != swarmA {
				t.Errorf("we see %q, encrypted %v", c.PeerID(), c.Encrypted())
			}
			converseWithStranger(t, c, s)
		})
	}
}

func TestWeCanDialPeersOfAnotherLibrary(t *testing.T) {
	for name, c := range map[string]struct {
		policy    DialEncryption
		encrypted bool // the stranger wants encryption, and otherwise does not know it
		rc4       bool // and RC4 at that
	}{
		"plaintext":                       {PlainOnly, false, false},
		"fall back to encryption":         {PlainFirst, true, true},
		"fall back to obfuscation":        {PlainFirst, true, false},
		"fall back to plaintext":          {EncryptedFirst, false, false},
		"encrypted":                       {EncryptedFirst, true, true},
		"encrypted and nothing else":      {EncryptedOnly, true, true},
		"plaintext comes first if it can": {PlainFirst, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			accepted := make(chan stranger, 1)
			served := make(chan struct{})
			t.Cleanup(func() {
				listener.Close()
				within(t, served)
			})
			go func() {
				defer close(served)
				for {
					nc, err := listener.Accept()
					if err != nil {
						return
					}
					t.Cleanup(func() { nc.Close() })
					s, err := strangerAccepts(nc, c.encrypted, c.rc4)
					if err != nil {
						nc.Close() // as clients do with what they do not understand
						continue
					}
					accepted <- s
				}
			}()
			port := servePort(t, Config{DialEncryption: c.policy}, newSwitchboard())
			conn, err := port.Dial(t.Context(), addrPort(listener.Addr()), swarmA)
			if err != nil {
				t.Fatal(err)
			}
			s := within(t, accepted)
			if swarm.InfoHash(s.hello.Hash) != swarmA || conn.PeerID() != [20]byte{'X'} || conn.Encrypted() != (c.encrypted && c.rc4) {
				t.Errorf("they see %+v, we see %q, encrypted %v", s.hello, conn.PeerID(), conn.Encrypted())
			}
			converseWithStranger(t, conn, s)
		})
	}
}

// strangerAccepts answers with the other library's handshakes.
func strangerAccepts(nc net.Conn, encrypted, rc4 bool) (s stranger, err error) {
	s.ReadWriter = nc
	if encrypted {
		choose := mse.DefaultCryptoSelector
		if rc4 {
			choose = func(mse.CryptoMethod) mse.CryptoMethod { return mse.CryptoMethodRC4 }
		}
		s.ReadWriter, _, err = mse.ReceiveHandshake(context.Background(), nc, func(yield func([]byte) bool) { yield(swarmA[:]) }, choose)
		if err != nil {
			return s, err
		}
	}
	hash := swarmA
	s.hello, err = pp.Handshake(context.Background(), s.ReadWriter, (*metainfo.Hash)(&hash), [20]byte{'X'}, allBits)
	return s, err
}

// converseWithStranger exchanges messages both ways.
func converseWithStranger(t *testing.T, c *Conn, s stranger) {
	t.Helper()
	block := randomBytes(BlockSize)
	s.send(t, pp.Message{Type: pp.HaveAll}, pp.Message{Type: pp.Piece, Index: 2, Piece: block})
	if m := readMessage(t, c); m.Type != HaveAll {
		t.Errorf("%+v", m)
	}
	if m := readMessage(t, c); m.Type != Piece || !bytes.Equal(m.Block, block) {
		t.Errorf("block garbled: %v", m.Type)
	}
	if err := c.Send(Message{Type: Request, Index: 1, Length: 5}); err != nil {
		t.Fatal(err)
	}
	if err := c.SendBlock(BlockRequest{Index: 3, Length: BlockSize, Source: fromFile(t, block)}); err != nil {
		t.Fatal(err)
	}
	want := wire(pp.Message{Type: pp.Request, Index: 1, Length: 5}, pp.Message{Type: pp.Piece, Index: 3, Piece: block})
	got := make([]byte, len(want))
	if _, err := io.ReadFull(s, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("they read something else: %v", err)
	}
}

func TestUnknownSwarmIsClosed(t *testing.T) {
	for name, provide := range map[string]mse.CryptoMethod{"plaintext": 0, "encrypted": mse.CryptoMethodRC4} {
		t.Run(name, func(t *testing.T) {
			port := servePort(t, Config{}, newSwitchboard(swarmB))
			if _, err := strangerDials(t, port, swarmA, provide); err == nil {
				t.Error("the stranger got a handshake")
			}
		})
	}
	t.Run("encrypted under another hash", func(t *testing.T) {
		port := servePort(t, Config{}, newSwitchboard(swarmA, swarmB))
		a, err := net.Dial("tcp", port.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		s := newStream(a)
		if err := s.initiateMSE(swarmA, cryptoRC4, appendHello(nil, swarmB, [20]byte{'X'})); err != nil {
			t.Fatal(err)
		}
		if h, err := s.readHello(); err == nil {
			t.Errorf("answered with %+v", h)
		}
	})
}

func TestDialReportsWhatIsWrongWithThePeer(t *testing.T) {
	for name, c := range map[string]struct {
		answer []byte
		want   error
	}{
		"another swarm":  {appendHello(nil, swarmB, [20]byte{'X'}), ErrSwarm},
		"not BitTorrent": {[]byte("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"), ErrProtocol},
		"hangs up":       {nil, errUnanswered},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan struct{})
			go func() {
				defer close(served)
				for {
					nc, err := listener.Accept()
					if err != nil {
						return
					}
					io.CopyN(io.Discard, nc, int64(helloLength))
					nc.Write(c.answer)
					nc.Close()
				}
			}()
			port := servePort(t, Config{}, newSwitchboard())
			_, err = port.Dial(t.Context(), addrPort(listener.Addr()), swarmA)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), listener.Addr().String()) {
				t.Errorf("%v", err)
			}
			listener.Close()
			within(t, served)
		})
	}
}

func TestDialFindsItself(t *testing.T) {
	for _, policy := range []DialEncryption{PlainOnly, EncryptedOnly} {
		router := newSwitchboard(swarmA)
		port := servePort(t, Config{DialEncryption: policy}, router)
		if _, err := port.Dial(t.Context(), port.Addr(), swarmA); !errors.Is(err, ErrSelf) {
			t.Errorf("%v", err)
		}
		if len(router.conns) > 0 {
			t.Error("the router got a connection to ourselves")
		}
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // which accepts and says nothing
	port := servePort(t, Config{}, newSwitchboard())
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("changed our mind")
	dialled := make(chan error, 1)
	go func() {
		_, err := port.Dial(ctx, addrPort(listener.Addr()), swarmA)
		dialled <- err
	}()
	nc, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	cancel(reason)
	if err := within(t, dialled); !errors.Is(err, reason) {
		t.Errorf("%v", err)
	}
}

func TestDialLeavesFromTheLocalAddress(t *testing.T) {
	router := newSwitchboard(swarmA)
	to := servePort(t, Config{}, router)
	from := servePort(t, Config{Local: netip.MustParseAddr("127.0.0.77")}, newSwitchboard())
	if _, err := from.Dial(t.Context(), to.Addr(), swarmA); err != nil {
		t.Fatal(err)
	}
	if addr := router.next(t).RemoteAddr().Addr(); addr != netip.MustParseAddr("127.0.0.77") {
		t.Errorf("came from %v", addr)
	}
}

func TestPortAcceptsIPv4AndIPv6(t *testing.T) {
	router := newSwitchboard(swarmA)
	port := servePortAt(t, ":0", Config{}, router)
	from := servePort(t, Config{}, newSwitchboard())
	for _, ip := range []string{"127.0.0.1", "::1"} {
		addr := netip.AddrPortFrom(netip.MustParseAddr(ip), port.Addr().Port())
		if _, err := from.Dial(t.Context(), addr, swarmA); err != nil {
			if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.ENETUNREACH) {
				t.Logf("this machine has no %s", ip)
				continue
			}
			t.Fatal(err)
		}
		if got := router.next(t).RemoteAddr().Addr(); got != netip.MustParseAddr(ip) {
			t.Errorf("%v appears as %v", ip, got)
		}
	}
}

func TestBusyPortIsAnError(t *testing.T) {
	port := servePort(t, Config{}, newSwitchboard())
	if _, err := Listen(port.Addr().String(), Config{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v", err)
	}
}

func TestSilentPeerDoesNotGetThroughTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, said := range []string{"", "\x13BitTorrent", "\x13BitTorrent protocol12345678", "noise"} {
			port := &Port{cfg: Config{}.withDefaults(), conns: make(map[*Conn]struct{})}
			ours, theirs := net.Pipe()
			go io.WriteString(theirs, said)
			start := time.Now()
			_, err := port.open(t.Context(), ours, true, func(s *stream) (hello, error) {
				return s.answer(newSwitchboard(swarmA), [20]byte{}, PlainFirst.choose)
			})
			if err == nil || time.Since(start) != defaultHandshakeTimeout {
				t.Errorf("%q: %v after %v", said, err, time.Since(start))
			}
			theirs.Close()
		}
	})
}

func TestEverythingClosesWhenServeEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	router := newSwitchboard(swarmA)
	port, err := Listen("127.0.0.1:0", Config{PeerID: NewPeerID("0.1.0")})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- port.Serve(ctx, router) }()
	other := servePort(t, Config{}, router)

	dialled, err := port.Dial(t.Context(), other.Addr(), swarmA)
	if err != nil {
		t.Fatal(err)
	}
	router.next(t)
	if _, err := other.Dial(t.Context(), port.Addr(), swarmA); err != nil {
		t.Fatal(err)
	}
	accepted := router.next(t)
	pending, err := net.Dial("tcp", port.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer pending.Close()

	cancel()
	if err := within(t, served); err != nil {
		t.Errorf("Serve: %v", err)
	}
	for _, c := range []*Conn{dialled, accepted} {
		within(t, c.Done())
		if err := c.Send(Message{Type: Choke}); !errors.Is(err, ErrClosed) {
			t.Errorf("Send: %v", err)
		}
		if _, err := c.Read(); !errors.Is(err, ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	}
	if _, err := port.Dial(t.Context(), other.Addr(), swarmA); !errors.Is(err, ErrClosed) {
		t.Errorf("Dial: %v", err)
	}
	router.next(t) // what the other side saw of that
	if len(port.conns) != 0 || len(port.pending.arrivals) != 0 {
		t.Errorf("left over: %d connections, %d pending", len(port.conns), len(port.pending.arrivals))
	}
}

func TestPortThatIsNotServedCloses(t *testing.T) {
	router := newSwitchboard(swarmA)
	to := servePort(t, Config{}, router)
	port, err := Listen("127.0.0.1:0", Config{PeerID: NewPeerID("0.1.0")})
	if err != nil {
		t.Fatal(err)
	}
	c, err := port.Dial(t.Context(), to.Addr(), swarmA)
	if err != nil {
		t.Fatal(err)
	}
	if err := port.Close(); err != nil {
		t.Error(err)
	}
	within(t, c.Done())
	if err := port.Serve(t.Context(), router); !errors.Is(err, ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}

func TestEveryByteGoesThroughTheWrapper(t *testing.T) {
	for _, policy := range []DialEncryption{PlainOnly, EncryptedOnly} {
		var counted atomic.Int64
		wrap := func(nc net.Conn) net.Conn { return countingConn{nc, &counted} }
		dialled, accepted := connect(t, Config{DialEncryption: policy}, Config{Wrap: wrap})
		before := counted.Load()
		if before < int64(2*helloLength) {
			t.Errorf("the handshake had %d bytes", before)
		}
		data, sent := randomBytes(BlockSize), make(chan int, 1)
		block := BlockRequest{Length: BlockSize, Source: fromFile(t, data), Sent: func(n int) { sent <- n }}
		if err := accepted.SendBlock(block); err != nil {
			t.Fatal(err)
		}
		if m := readMessage(t, dialled); !bytes.Equal(m.Block, data) {
			t.Error("block garbled")
		}
		within(t, sent)
		if got := counted.Load() - before; got != pieceHeader+BlockSize {
			t.Errorf("a block had %d bytes", got)
		}
	}
}

// countingConn counts bytes, and has no ReadFrom.
type countingConn struct {
	net.Conn
	bytes *atomic.Int64
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

func (c countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.bytes.Add(int64(n))
	return n, err
}

func TestPeerIDNamesTheVersion(t *testing.T) {
	for version, prefix := range map[string]string{
		"0.1.0": "-EB0100-", "1.2.3": "-EB1230-", "1.2.3.4": "-EB1234-", "10.x": "-EB1000-", "": "-EB0000-", "1.2.3.4.5": "-EB1234-",
	} {
		a, b := NewPeerID(version), NewPeerID(version)
		if !strings.HasPrefix(string(a[:]), prefix) || a == b {
			t.Errorf("%q: %q and %q", version, a, b)
		}
	}
}
