package feeds

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"ebb/agent/discovery"
	"ebb/agent/swarm"
)

// Finder looks for peers of a swarm that we are not in. peersource.Announcer is one.
type Finder interface {
	// Find calls found with peers as they are found, until that says that it has enough, or there are no more.
	Find(ctx context.Context, h swarm.InfoHash, port uint16, trackers []string, found func([]netip.AddrPort) (enough bool)) error
}

const (
	findPatience = 90 * time.Second
	maxDialled   = 6 // of the peers that are found
)

// Proof is that of what documents say: the swarm has to be alive. Whether its metadata fits, and is public, shows when it
// is joined, before anything is stored.
type Proof struct {
	Finder Finder
	Dialer discovery.DialFunc
	Port   uint16 // where peers reach us
}

// Possible reports true: any swarm can be looked for.
func (Proof) Possible(discovery.Claim) bool { return true }

// Prove looks for peers of the swarm until one shakes hands with us in it.
func (p Proof) Prove(ctx context.Context, c discovery.Claim) (discovery.Evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, findPatience)
	defer cancel()
	peers := make(chan netip.AddrPort, maxDialled)
	looked := make(chan error, 1)
	go func() {
		defer close(peers)
		told := make(map[netip.AddrPort]bool)
		looked <- p.Finder.Find(ctx, c.Entry.Hash, p.Port, c.Entry.Trackers, func(found []netip.AddrPort) bool {
			for _, addr := range found {
				if len(told) == maxDialled {
					return true
				}
				if !told[addr] {
					told[addr] = true
					peers <- addr // has room for all of them
				}
			}
			return false
		})
	}()
	dialled := 0
	for addr := range peers {
		dialled++
		conn, err := p.Dialer.Dial(ctx, addr, c.Entry.Hash)
		if err != nil {
			continue
		}
		cancel()
		for range peers { // until the looking has ended
		}
		return discovery.Evidence{Conn: conn, Text: fmt.Sprintf("%s shook hands with us in %s, which %s lists", addr, c.Entry.Name, c.Introducer)}, nil
	}
	if dialled > 0 {
		return discovery.Evidence{}, fmt.Errorf("none of the %d peers that were found answered", dialled)
	}
	if err := <-looked; err != nil {
		return discovery.Evidence{}, fmt.Errorf("no peers were found: %w", err)
	}
	return discovery.Evidence{}, errors.New("no peers were found")
}
