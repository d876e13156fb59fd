package peersource

import (
	"net/netip"
	"sync"
	"time"
)

// householdAge is how old what is known of the device's own networks may become: they are read again before somebody
// dials. A line that gets a new address is unguarded at that one for no longer.
const householdAge = 5 * time.Second

// Household knows the networks that the device stands in, public ones included: a router's WAN address, and the prefix
// that its provider has delegated to it. Strangers may not send us there. It may be used by several goroutines.
type Household struct {
	read func() ([]netip.Prefix, error)

	mu       sync.Mutex // guards what follows
	networks []netip.Prefix
	when     time.Time
}

// NewHousehold returns the household whose networks read tells (platform.Networks). If it fails, what it said before
// goes on to hold.
func NewHousehold(read func() ([]netip.Prefix, error)) *Household { return &Household{read: read} }

// contains reports whether addr, which is no mapped one, is in one of the device's own networks. The nil Household
// contains nothing.
func (h *Household) contains(addr netip.Addr) bool {
	if h == nil {
		return false
	}
	for _, network := range h.now() {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

func (h *Household) now() []netip.Prefix {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := time.Now(); h.when.IsZero() || now.Sub(h.when) > householdAge {
		h.when = now
		if networks, err := h.read(); err == nil {
			h.networks = networks
		}
	}
	return h.networks
}
