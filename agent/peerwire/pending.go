package peerwire

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"ebb/agent/swarm"

	"golang.org/x/time/rate"
)

const (
	// maxPending is how many incoming connections may be in their handshake, which costs some KiB each.
	maxPending = 64
	// maxPendingPerHost is how many of those may come from one host.
	maxPendingPerHost = 8
)

// arrival is an incoming connection in its handshake.
type arrival struct {
	nc     net.Conn
	host   netip.Prefix // whose it is
	cancel context.CancelFunc
}

// pending is the incoming connections in their handshake. There is always room for one more: when there are too many,
// the oldest goes, of the host that has the most. One that has something to say has said it long before that.
type pending struct {
	mu       sync.Mutex
	arrivals []*arrival // oldest first
}

// admit takes in a connection; cancel ends its handshake.
func (p *pending) admit(nc net.Conn, cancel context.CancelFunc) *arrival {
	a := &arrival{nc: nc, host: swarm.Host(addrPort(nc.RemoteAddr()).Addr()), cancel: cancel}
	p.mu.Lock()
	defer p.mu.Unlock()
	count := make(map[netip.Prefix]int)
	for _, other := range p.arrivals {
		count[other.host]++
	}
	switch {
	case count[a.host] >= maxPendingPerHost:
		p.end(func(other *arrival) bool { return other.host == a.host })
	case len(p.arrivals) >= maxPending:
		most := 0
		for _, n := range count {
			most = max(most, n)
		}
		p.end(func(other *arrival) bool { return count[other.host] == most })
	}
	p.arrivals = append(p.arrivals, a)
	return a
}

// end ends the oldest handshake that fits. p.mu is held.
func (p *pending) end(fits func(*arrival) bool) {
	if i := slices.IndexFunc(p.arrivals, fits); i >= 0 {
		p.arrivals[i].cancel() // closes the connection, too
		p.arrivals = slices.Delete(p.arrivals, i, i+1)
	}
}

// dismiss notes that a handshake is over.
func (p *pending) dismiss(a *arrival) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.arrivals = slices.DeleteFunc(p.arrivals, func(other *arrival) bool { return other == a })
}

const (
	// Each host may have so many computations a second, and a burst of them: an encrypted handshake takes two.
	computationsPerHost = 10
	computationsBurst   = 64
	// computingShare is the part of one core that all of them together may take, as 1 in so many.
	computingShare = 8
	// mostHosts bounds how many hosts are remembered.
	mostHosts = 1024
)

// exchanges paces the key exchanges that strangers make us compute: a fifth of a millisecond each on a fast machine, and
// ten on a router. There is one at a time, and after it a pause that is longer the longer it took, so that serving goes
// on whatever the machine.
type exchanges struct {
	mu    sync.Mutex // guards hosts
	hosts map[netip.Prefix]*rate.Limiter

	working chan struct{} // semaphore of one: whoever computes
	next    time.Time     // not before; guarded by working
}

func newExchanges() *exchanges {
	return &exchanges{hosts: make(map[netip.Prefix]*rate.Limiter), working: make(chan struct{}, 1)}
}

// do does some work for a host when its turn has come, if that is within the given time.
func (e *exchanges) do(ctx context.Context, host netip.Prefix, patience time.Duration, work func()) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := e.host(host).Wait(ctx); err != nil {
		return err
	}
	select {
	case e.working <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-e.working }()
	pause := time.NewTimer(time.Until(e.next))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	began := time.Now()
	work()
	e.next = began.Add(computingShare * time.Since(began))
	return nil
}

// host returns the pace of a host. When too many are remembered all are forgotten; then each has its burst again.
func (e *exchanges) host(host netip.Prefix) *rate.Limiter {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.hosts[host]
	if l == nil {
		if len(e.hosts) >= mostHosts {
			clear(e.hosts)
		}
		l = rate.NewLimiter(computationsPerHost, computationsBurst)
		e.hosts[host] = l
	}
	return l
}
