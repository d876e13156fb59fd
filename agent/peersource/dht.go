package peersource

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"ebb/agent/swarm"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	dhtlog "github.com/anacrolix/log"
	"golang.org/x/time/rate"
)

const (
	// The node asks at most this many questions per second: about 8 kB/s, which is also what other programs allow their
	// DHT. A look-up takes 30 to 60, and should not wait for its first.
	sendsPerSecond = 50
	sendBurst      = 100
	// queryTimeout is how long a node gets to answer. It also bounds how long Run takes to end.
	queryTimeout = 2 * time.Second
	// After traverseTimeout a look-up settles for the closest nodes found, and announces to them.
	traverseTimeout = 45 * time.Second
	lookupTimeout   = time.Minute

	saveInterval = 10 * time.Minute
)

var (
	// ErrNoNodes: the DHT knows no node yet, or none that answers. Worth another try in a minute.
	ErrNoNodes = errors.New("no DHT node answers")
	// ErrDHTStopped: DHT.Run has not begun, or has ended.
	ErrDHTStopped = errors.New("the DHT is not running")
)

// DHTConfig is what a DHT needs.
type DHTConfig struct {
	// Bootstrap are 'host:port' of nodes to begin with, asked only while no other node answers.
	Bootstrap []string

	// Guard says which nodes and peers may be talked to. Its AllowPrivate also admits nodes whose IDs do not fit their
	// addresses (BEP 42, which exempts private addresses only).
	Guard Guard

	// StatePath is the file that remembers up to 200 nodes; "" means none.
	StatePath string

	Log *slog.Logger // nil: no log
}

// DHT is one node of the BitTorrent DHT (BEP 5, 32, 42): it answers others, and looks peers up for us.
type DHT struct {
	conn  *screenedConn
	guard Guard
	cfg   DHTConfig
	log   *slog.Logger
	// resolve is Guard.resolve, but for tests.
	resolve func(context.Context, string) ([]netip.Addr, error)
	nudge   chan struct{} // holds a token when contacts has grown

	mu       sync.Mutex  // guards what follows
	server   *dht.Server // while Run runs
	life     context.Context
	lookups  *sync.WaitGroup
	contacts []netip.AddrPort // given to AddNode, not yet asked
}

// NewDHT makes a node that speaks through conn, a UDP socket. Run owns conn, and closes it in the end.
func NewDHT(conn net.PacketConn, cfg DHTConfig) *DHT {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &DHT{
		conn:    newScreenedConn(conn, cfg.Guard),
		guard:   cfg.Guard,
		cfg:     cfg,
		log:     log,
		resolve: cfg.Guard.resolve,
		nudge:   make(chan struct{}, 1),
	}
}

// Addr is where the node listens.
func (d *DHT) Addr() netip.AddrPort {
	addr, _ := addrPort(d.conn.LocalAddr())
	return addr
}

// Run keeps the node alive until ctx ends or the socket fails, which is the only error. It ends within about 2 s, the
// time that the library's own queries take to give up, and leaves no goroutine. It is called once.
func (d *DHT) Run(ctx context.Context) error {
	server, err := dht.NewServer(&dht.ServerConfig{
		Conn:             d.conn,
		NoSecurity:       d.guard.AllowPrivate,
		IPBlocklist:      blocklist{d.guard},
		OnQuery:          func(*krpc.Msg, net.Addr) bool { return false }, // responder answers
		QueryResendDelay: func() time.Duration { return queryTimeout },
		DefaultWant:      d.want(),
		SendLimiter:      rate.NewLimiter(sendsPerSecond, sendBurst),
		Logger:           dhtlog.NewLogger().FilterLevel(dhtlog.Disabled),
	})
	if err != nil {
		return errors.Join(fmt.Errorf("start the DHT: %w", err), d.conn.Close())
	}
	d.conn.answers.Store(newResponder(server.ID(), server.Nodes, &storedPeers{guard: d.guard}))
	d.restore(server)

	life, end := context.WithCancel(ctx)
	defer end()
	var tasks, maintainer, lookups sync.WaitGroup
	d.mu.Lock()
	d.server, d.life, d.lookups = server, life, &lookups
	d.mu.Unlock()
	// The library's maintainer leaks a goroutine a minute while the table is empty. Once it has a node, it never is
	// empty again.
	maintain := sync.OnceFunc(func() { maintainer.Go(server.TableMaintainer) })
	tasks.Go(func() {
		d.bootstrap(life, func(askHosts bool) int {
			good := d.contact(life, server, askHosts)
			if server.NumNodes() > 0 {
				maintain()
			}
			return good
		})
	})

	err = d.attend(ctx, server)

	d.mu.Lock()
	d.server = nil // no look-up begins after this
	d.mu.Unlock()
	end()
	lookups.Wait()
	tasks.Wait()
	d.save(server)
	server.Close()
	d.conn.wait()
	maintainer.Wait()
	return err
}

// attend saves the nodes now and then, until ctx ends or the socket fails.
func (d *DHT) attend(ctx context.Context, server *dht.Server) error {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.conn.broken:
			return fmt.Errorf("DHT socket: %w", err)
		case <-tick.C:
			d.save(server)
		}
	}
}

// want is which kinds of node we ask for (BEP 32): those that our socket can reach.
func (d *DHT) want() []krpc.Want {
	switch local := d.Addr().Addr(); {
	case local.Is4():
		return []krpc.Want{krpc.WantNodes}
	case local.IsUnspecified(): // '::' hears IPv4, too
		return []krpc.Want{krpc.WantNodes, krpc.WantNodes6}
	}
	return []krpc.Want{krpc.WantNodes6}
}

// Lookup finds peers of a swarm, and, if announcePort is not 0, tells the nodes closest to it that we are one, with
// that TCP port. Found is called from this goroutine as peers arrive: distinct ones that the guard allows, at most 200
// in all. Lookup takes at most a minute. Errors: ErrNoNodes, ErrDHTStopped, or ctx's.
func (d *DHT) Lookup(ctx context.Context, h swarm.InfoHash, announcePort uint16, found func([]netip.AddrPort)) error {
	d.mu.Lock()
	server, life, lookups := d.server, d.life, d.lookups
	if server == nil {
		d.mu.Unlock()
		return ErrDHTStopped
	}
	lookups.Add(1)
	d.mu.Unlock()
	defer lookups.Done()

	inner, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	defer context.AfterFunc(life, cancel)()

	l := lookup{guard: d.guard, port: announcePort, found: found, seen: make(map[netip.AddrPort]struct{})}
	answered, err := l.traverse(inner, server, h)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case life.Err() != nil:
		return ErrDHTStopped
	case err != nil:
		return err
	case !answered:
		return ErrNoNodes
	}
	return nil
}

// lookup is one Lookup under way.
type lookup struct {
	guard Guard
	port  uint16
	found func([]netip.AddrPort)
	seen  map[netip.AddrPort]struct{}
}

// traverse asks ever closer nodes, and reports whether any answered.
func (l *lookup) traverse(ctx context.Context, server *dht.Server, h swarm.InfoHash) (answered bool, err error) {
	if server.NumNodes() == 0 {
		return false, nil // so that the library, whose error for this has no name, need not say it
	}
	var options []dht.AnnounceOpt
	if l.port != 0 {
		options = append(options, dht.AnnouncePeer(dht.AnnouncePeerOpts{Port: int(l.port)}))
	}
	for range 3 {
		a, err := server.AnnounceTraversal(h, options...)
		if err != nil {
			return false, fmt.Errorf("DHT look-up: %w", err)
		}
		l.drain(ctx, a)
		stats := a.TraversalStats()
		if stats.NumAddrsTried > 0 || ctx.Err() != nil {
			return stats.NumResponses > 0, nil
		}
		// The library can take its traversal for finished before it has seen the nodes to begin with. Then it has asked
		// nobody, and is asked again.
	}
	return false, nil
}

// drain hands on what a traversal finds. It must not leave before the traversal has ended: the library's goroutines
// would wait for it for ever.
func (l *lookup) drain(ctx context.Context, a *dht.Announce) {
	defer context.AfterFunc(ctx, a.Close)()
	enough := time.AfterFunc(traverseTimeout, a.StopTraversing)
	defer enough.Stop()
	for values := range a.Peers {
		var fresh []netip.AddrPort
		for _, p := range values.Peers {
			addr, _ := netip.AddrFromSlice(p.IP)
			peer := netip.AddrPortFrom(addr.Unmap(), uint16(p.Port)) // two bytes on the wire
			if _, dup := l.seen[peer]; dup || len(l.seen) == maxPeers || !l.guard.allowAddrPort(peer) {
				continue
			}
			l.seen[peer] = struct{}{}
			fresh = append(fresh, peer)
		}
		if len(fresh) > 0 && ctx.Err() == nil {
			l.found(fresh)
		}
		if len(l.seen) == maxPeers && l.port == 0 {
			a.StopTraversing() // an announce goes on to the closest nodes
		}
	}
}

// Nodes is how many nodes have answered in the last 15 minutes.
func (d *DHT) Nodes() int {
	d.mu.Lock()
	server := d.server
	d.mu.Unlock()
	if server == nil {
		return 0
	}
	return server.Stats().GoodNodes
}

// restore puts the saved nodes into the table, unasked: bootstrapping will see which are still there.
func (d *DHT) restore(server *dht.Server) {
	if d.cfg.StatePath == "" {
		return
	}
	nodes, err := loadNodes(d.cfg.StatePath, d.guard)
	if err != nil {
		d.log.Warn("saved DHT nodes are left unused", "err", err)
		return
	}
	for _, n := range nodes {
		if n.ID.IsZero() {
			continue // the library would ping it, in a goroutine that nobody waits for
		}
		// An error says that the node does not fit the table.
		_ = server.AddNode(n)
	}
}

// save remembers the nodes, unless there are none: then those of the last time may still serve.
func (d *DHT) save(server *dht.Server) {
	if d.cfg.StatePath == "" {
		return
	}
	nodes := server.Nodes()
	if len(nodes) == 0 {
		return
	}
	if err := saveNodes(d.cfg.StatePath, nodes); err != nil {
		d.log.Warn("DHT nodes not saved", "err", err)
	}
}
