package peerwire

import (
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"ebb/agent/swarm"
)

// Errors about connections. A peer's own misbehaviour wraps ErrProtocol instead.
var (
	// ErrSelf says that the peer at the other end is ourselves.
	ErrSelf = errors.New("connected to ourselves")
	// ErrSwarm says that the peer is not in the swarm that we asked for, or asks for one that we are not in.
	ErrSwarm = errors.New("peer is not in that swarm")
	// ErrClosed says that the connection or the port was closed on this side.
	ErrClosed = errors.New("connection closed")
	// ErrQueueFull says that the peer reads more slowly than we write, or not at all; it is best dropped.
	ErrQueueFull = errors.New("peer does not read what is sent to it")
	// ErrNotSupported says that the peer does not speak an extension.
	ErrNotSupported = errors.New("peer does not support this extension")
)

const (
	// defaultHandshakeTimeout is for several round trips, and a key exchange on a small and busy router at each end.
	defaultHandshakeTimeout = 15 * time.Second
	// defaultIdleTimeout is twice the two minutes after which a silent peer sends a keep-alive (BEP 3).
	defaultIdleTimeout = 4 * time.Minute
	// keepAliveInterval is the silence after which we send one (BEP 3).
	keepAliveInterval = 2 * time.Minute
	// stallTimeout is how long a peer may take no byte of what is sent to it.
	stallTimeout = 2 * time.Minute
)

// DialEncryption says how connections are opened. Incoming connections may use encryption or not, whatever this says.
type DialEncryption int

const (
	// PlainFirst tries a plaintext connection, then an encrypted one.
	PlainFirst DialEncryption = iota
	// EncryptedFirst tries an encrypted connection, then a plaintext one.
	EncryptedFirst
	// PlainOnly never encrypts.
	PlainOnly
	// EncryptedOnly encrypts everything. The others let the peer go on in plaintext after an encrypted handshake, and
	// prefer that themselves.
	EncryptedOnly
)

// Config is what a Port needs to know. Zero values are replaced by defaults where one is named.
type Config struct {
	// PeerID identifies us; see NewPeerID.
	PeerID [20]byte
	// Client is our name and version as extension handshakes say it.
	Client string
	// Local is the source address of outgoing connections; if it is not valid, the system chooses.
	Local netip.Addr
	// Control is asked before each connection that is dialled, with what net.Dialer.Control gets; its error ends the
	// dialling. nil lets everything pass.
	Control func(network, address string, c syscall.RawConn) error
	// Wrap puts something between us and the network that every byte passes, the limiter of the bandwidth. It must
	// honour deadlines and Close. If the result implements io.ReaderFrom, blocks go through it by sendfile.
	Wrap func(net.Conn) net.Conn
	// Owner says which swarms are the owner's own. Their connections are not of low priority. If what Wrap returns has a
	// method Greet() (settle func(own bool)), it is told when a connection begins, and whose it is once that is known.
	// nil means that none are.
	Owner func(swarm.InfoHash) bool
	// HandshakeTimeout bounds connecting, and then the handshake; default 15 s each.
	HandshakeTimeout time.Duration
	// IdleTimeout is how long a peer may send nothing; default 4 min.
	IdleTimeout time.Duration
	// DialEncryption says how to open connections.
	DialEncryption DialEncryption
	// Log gets debug messages about peers that did not get through a handshake, and a warning when none can be accepted
	// at all; default is none.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.HandshakeTimeout <= 0 {
		c.HandshakeTimeout = defaultHandshakeTimeout
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = defaultIdleTimeout
	}
	if c.Control == nil {
		c.Control = func(string, string, syscall.RawConn) error { return nil }
	}
	if c.Wrap == nil {
		c.Wrap = func(nc net.Conn) net.Conn { return nc }
	}
	if c.Owner == nil {
		c.Owner = func(swarm.InfoHash) bool { return false }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Router takes incoming connections. Its methods are called from many goroutines.
type Router interface {
	// InfoHashes yields the swarms that may be asked for. Every incoming encrypted handshake goes through them, so it
	// must not be slow.
	InfoHashes() iter.Seq[swarm.InfoHash]
	// Knows reports whether a swarm may be asked for.
	Knows(swarm.InfoHash) bool
	// Incoming serves a connection until it has no more use for it, or ctx ends. The connection is closed when it
	// returns.
	Incoming(ctx context.Context, c *Conn)
}

// NewPeerID makes a peer ID for one run of the agent: "-EB", four digits from the version ("0.1.0" gives 0100), "-",
// and twelve random letters (BEP 20).
func NewPeerID(version string) (id [20]byte) {
	digits := []byte("0000")
	version, _, _ = strings.Cut(version, "-") // a pre-release is known by the release that it leads to
	for n, part := range strings.SplitN(version, ".", len(digits)) {
		if part != "" && part[0] >= '0' && part[0] <= '9' {
			digits[n] = part[0]
		}
	}
	copy(id[:], "-EB"+string(digits)+"-"+rand.Text())
	return id
}
