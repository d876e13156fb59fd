package agent

import (
	"net/netip"
	"time"

	"ebb/quota"
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
