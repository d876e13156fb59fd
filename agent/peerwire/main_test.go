package peerwire

import (
	"bytes"
	"context"
	"crypto/sha1"
	"iter"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ebb/agent/swarm"

	pp "github.com/anacrolix/torrent/peer_protocol"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for real I/O in these tests.
const patience = 20 * time.Second

var (
	swarmA = swarm.InfoHash(sha1.Sum([]byte("swarm A")))
	swarmB = swarm.InfoHash(sha1.Sum([]byte("swarm B")))
)

// switchboard is a Router that hands incoming connections to the test.
type switchboard struct {
	hashes map[swarm.InfoHash]bool
	conns  chan *Conn
}

func newSwitchboard(hashes ...swarm.InfoHash) *switchboard {
	s := &switchboard{hashes: make(map[swarm.InfoHash]bool), conns: make(chan *Conn, 16)}
	for _, h := range hashes {
		s.hashes[h] = true
	}
	return s
}

func (s *switchboard) InfoHashes() iter.Seq[swarm.InfoHash] { return maps.Keys(s.hashes) }
func (s *switchboard) Knows(h swarm.InfoHash) bool          { return s.hashes[h] }
func (s *switchboard) Incoming(ctx context.Context, c *Conn) {
	s.conns <- c
	<-c.Done()
}

// next waits for an incoming connection.
func (s *switchboard) next(t *testing.T) *Conn {
	t.Helper()
	select {
	case c := <-s.conns:
		return c
	case <-time.After(patience):
		t.Fatal("no incoming connection")
		return nil
	}
}

// servePort opens a port on loopback that is served until the test ends.
func servePort(t *testing.T, cfg Config, router Router) *Port {
	t.Helper()
	return servePortAt(t, "127.0.0.1:0", cfg, router)
}

func servePortAt(t *testing.T, address string, cfg Config, router Router) *Port {
	t.Helper()
	if cfg.PeerID == [20]byte{} {
		cfg.PeerID = NewPeerID("0.1.0")
	}
	port, err := Listen(address, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- port.Serve(ctx, router) }()
	t.Cleanup(func() {
		cancel()
		if err := within(t, served); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return port
}

// connect returns both ends of a connection between two ports.
func connect(t *testing.T, dialling, accepting Config) (dialled, accepted *Conn) {
	t.Helper()
	router := newSwitchboard(swarmA)
	to := servePort(t, accepting, router)
	from := servePort(t, dialling, newSwitchboard())
	dialled, err := from.Dial(t.Context(), to.Addr(), swarmA)
	if err != nil {
		t.Fatal(err)
	}
	return dialled, router.next(t)
}

// within receives from a channel in bounded time.
func within[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatal("nothing happened")
	}
	return v
}

// readMessage reads the next message, which must be there in bounded time.
func readMessage(t *testing.T, c *Conn) Message {
	t.Helper()
	guard := time.AfterFunc(patience, func() { c.Close() })
	defer guard.Stop()
	m, err := c.Read()
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return m
}

// readError reads messages until there is an error.
func readError(t *testing.T, c *Conn) error {
	t.Helper()
	guard := time.AfterFunc(patience, func() { c.Close() })
	defer guard.Stop()
	for {
		m, err := c.Read()
		if err != nil {
			return err
		}
		m.Recycle()
	}
}

// wire is what a peer sends: messages in their form on the wire, one after another.
func wire(messages ...pp.Message) []byte {
	var b []byte
	for _, m := range messages {
		b = append(b, m.MustMarshalBinary()...)
	}
	return b
}

// pipeConn returns a Conn over a pipe, past its handshake, and the peer's end. Its writer runs until the Conn is
// closed.
func pipeConn(t *testing.T, bits pp.PeerExtensionBits, wrap func(net.Conn) net.Conn) (*Conn, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	sock := &socket{Conn: ours, idle: defaultIdleTimeout}
	sock.timed.Store(true)
	var nc net.Conn = sock
	if wrap != nil {
		nc = wrap(sock)
	}
	c := newConn(newStream(nc), sock, hello{bits: bits, hash: swarmA})
	go c.write()
	t.Cleanup(func() {
		c.Close()
		theirs.Close()
		<-c.Done()
	})
	return c, theirs
}

var (
	allBits = pp.NewPeerExtensionBytes(pp.ExtensionBitDht, pp.ExtensionBitFast, pp.ExtensionBitLtep)
	noBits  = pp.PeerExtensionBits{}
)

// randomBytes are different in each place and the same in each run.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// memorySource is a BlockSource without a file.
type memorySource struct{ *bytes.Reader }

func (memorySource) Close() error   { return nil }
func (memorySource) File() *os.File { return nil }

func fromMemory(data []byte) func() (BlockSource, error) {
	return func() (BlockSource, error) { return memorySource{bytes.NewReader(data)}, nil }
}

// fileSource is a BlockSource with a file of its own.
type fileSource struct{ file *os.File }

func (s fileSource) ReadAt(p []byte, off int64) (int, error) { return s.file.ReadAt(p, off) }
func (s fileSource) Close() error                            { return s.file.Close() }
func (s fileSource) File() *os.File                          { return s.file }

// fromFile puts data into a file and returns a source that opens it.
func fromFile(t testing.TB, data []byte) func() (BlockSource, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "piece")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return func() (BlockSource, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		return fileSource{file}, nil
	}
}
