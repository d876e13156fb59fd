package agent

import (
	"net/netip"
	"time"

	"ebb/agent/background"
	"ebb/agent/swarm"
	"ebb/quota"
	"ebb/quota/disk"
)

// addNode takes DHT nodes that peers name; nil without a DHT.
func (a *Agent) addNode() func(netip.AddrPort) {
	if a.dht == nil {
		return nil
	}
	return a.dht.AddNode
}

// allotted reports whether the owner lets the background work now, and if not, why.
func (a *Agent) allotted() (on bool, why string) {
	on, _, why = quota.Allotted(a.preferences.Get(), a.ledger.Usage().Allotment, time.Now())
	return on, why
}

// reservations is where downloads reserve their space. What is reclaimed for them is the background's loss.
type reservations struct {
	*disk.Ledger
	background *background.Engine
}

// Reserve implements foreground.Ledger.
func (r reservations) Reserve(h swarm.InfoHash, remaining func() int64) error {
	reclaimed, err := r.Ledger.Reserve(h, remaining)
	r.background.Reclaimed(reclaimed)
	return err
}
