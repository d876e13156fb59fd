package peersource

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/dht/v2/traversal"
	"github.com/anacrolix/dht/v2/types"
)

const (
	// enoughNodes: with so many good nodes the table sustains itself, and new contacts are not needed.
	enoughNodes = 32
	maxContacts = 64 // given to AddNode and waiting
	// bootstrapRetry … bootstrapRest is how long after a failure the bootstrap hosts are asked again.
	bootstrapRetry = 5 * time.Second
	bootstrapRest  = 10 * time.Minute
	// bootstrapCheck is how often a working node looks whether it still has good nodes.
	bootstrapCheck = time.Minute
	resolveTimeout = 10 * time.Second
	exploreTimeout = 30 * time.Second
	// maxRevisits is how many silent nodes are asked again: three at a time get 2 s each.
	maxRevisits = 24
)

// AddNode suggests a node, such as a peer that says that it has one (BEP 5, 'port'). It returns at once; the node is
// asked later, if more nodes are needed.
func (d *DHT) AddNode(addr netip.AddrPort) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if !d.guard.allowAddrPort(addr) {
		return
	}
	d.mu.Lock()
	if len(d.contacts) < maxContacts {
		d.contacts = append(d.contacts, addr)
	}
	d.mu.Unlock()
	select {
	case d.nudge <- struct{}{}:
	default:
	}
}

// bootstrap calls contact, which says how many good nodes there are then, until ctx ends: at once, when AddNode gave
// new contacts, every minute while there are nodes, and else with growing pauses. The bootstrap hosts are to be asked
// when their time has come, not for every contact that fails.
func (d *DHT) bootstrap(ctx context.Context, contact func(askHosts bool) (good int)) {
	pause := time.NewTimer(bootstrapCheck)
	defer pause.Stop()
	retry := bootstrapRetry
	askHosts := true
	for ctx.Err() == nil {
		switch good := contact(askHosts); {
		case good > 0:
			retry = bootstrapRetry
			pause.Reset(bootstrapCheck)
		case askHosts:
			pause.Reset(retry)
			retry = min(2*retry, bootstrapRest)
		}
		select {
		case <-pause.C:
			askHosts = true
		case <-d.nudge:
			askHosts = false
		case <-ctx.Done():
		}
	}
}

// contact asks for nodes, if they are needed, whoever is likeliest to know some: new contacts, then old nodes, and the
// bootstrap hosts only if all these are silent. It returns how many good nodes there are then.
func (d *DHT) contact(ctx context.Context, server *dht.Server, askHosts bool) int {
	good := func() int { return server.Stats().GoodNodes }
	contacts := d.drainContacts()
	if good() == 0 {
		contacts = append(contacts, tableAddrs(server)...)
	}
	if good() < enoughNodes {
		d.explore(ctx, server, contacts)
	}
	if good() == 0 && askHosts {
		d.explore(ctx, server, d.resolveBootstrap(ctx))
	}
	return good()
}

func (d *DHT) drainContacts() []netip.AddrPort {
	d.mu.Lock()
	defer d.mu.Unlock()
	contacts := d.contacts
	d.contacts = nil
	return contacts
}

// resolveBootstrap looks up the bootstrap hosts. Failures are expected: the line may not be up yet.
func (d *DHT) resolveBootstrap(ctx context.Context) []netip.AddrPort {
	var addrs []netip.AddrPort
	for _, hostPort := range d.cfg.Bootstrap {
		host, portText, err := net.SplitHostPort(hostPort)
		if err != nil {
			d.log.Warn("DHT bootstrap host is not host:port", "host", hostPort)
			continue
		}
		port, err := strconv.ParseUint(portText, 10, 16)
		if err != nil || port == 0 {
			d.log.Warn("DHT bootstrap host has no port from 1 to 65535", "host", hostPort)
			continue
		}
		found, err := d.resolveOne(ctx, host)
		if err != nil {
			d.log.Debug("DHT bootstrap host not found", "err", err)
			continue
		}
		for _, addr := range found {
			addrs = append(addrs, netip.AddrPortFrom(addr, uint16(port)))
		}
	}
	return addrs
}

func (d *DHT) resolveOne(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	return d.resolve(ctx, host)
}

// tableAddrs are some nodes of the table, whose silence may be over.
func tableAddrs(server *dht.Server) []netip.AddrPort {
	var addrs []netip.AddrPort
	for _, n := range server.Nodes() {
		if addr, ok := netip.AddrFromSlice(n.Addr.IP); ok && len(addrs) < maxRevisits {
			addrs = append(addrs, netip.AddrPortFrom(addr.Unmap(), uint16(n.Addr.Port)))
		}
	}
	return addrs
}

// explore looks for the neighbourhood of our own ID, from the given nodes on. Every node that answers enters the table.
func (d *DHT) explore(ctx context.Context, server *dht.Server, from []netip.AddrPort) {
	if len(from) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, exploreTimeout)
	defer cancel()
	nodes := make([]types.AddrMaybeId, 0, len(from))
	for _, addr := range from {
		nodes = append(nodes, types.AddrMaybeId{Addr: krpc.NodeAddrPort{AddrPort: addr}})
	}
	find := dht.QueryInput{MsgArgs: krpc.MsgArgs{Target: server.ID(), Want: d.want()}}
	op := traversal.Start(traversal.OperationInput{
		Target: server.ID(),
		DoQuery: func(ctx context.Context, addr krpc.NodeAddr) traversal.QueryResult {
			return server.Query(ctx, dht.NewAddr(addr.UDP()), "find_node", find).TraversalQueryResult(addr)
		},
		NodeFilter: server.TraversalNodeFilter,
	})
	op.AddNodes(nodes)
	for range 3 {
		select {
		case <-op.Stalled():
		case <-ctx.Done():
		}
		// Here, too, the traversal can take itself for finished before it has seen the nodes (see lookup.traverse).
		if atomic.LoadUint32(&op.Stats().NumAddrsTried) > 0 {
			break
		}
	}
	op.Stop()
	<-op.Stopped()
}
