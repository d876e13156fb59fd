package swarm

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// Kind says in what way an introducer is known to us.
type Kind string

// The kinds of introducer.
const (
	KindPeer      Kind = "peer"      // a peer in one of our swarms
	KindFeed      Kind = "feed"      // a feed that the owner subscribed to
	KindNeighbour Kind = "neighbour" // another ebb on the same LAN
	KindOwner     Kind = "owner"     // the owner named the swarm
)

// Introducer is who named a swarm to us, and where we met. For the owner and for feeds most of it is not known.
type Introducer struct {
	Kind     Kind           `json:"kind"`
	Addr     netip.AddrPort `json:"addr,omitzero"`      // where it listens; port 0 when it did not say
	PeerID   PeerID         `json:"peer_id,omitzero"`   // its own
	Client   string         `json:"client,omitempty"`   // what it calls itself, for display
	ViaHash  InfoHash       `json:"via_hash,omitzero"`  // the swarm in which we met
	ViaName  string         `json:"via_name,omitempty"` // the name of that swarm
	Heard    time.Time      `json:"heard,omitzero"`     // when it first named the swarm
	Verified time.Time      `json:"verified,omitzero"`  // when its word was proven: a peer's, by its handshake with us in the swarm
}

// Key names whose share of the candidates, and of the store, an introducer uses up; it is empty for the owner, who has
// no share. Peer IDs are free to make up and a host commonly has a whole IPv6 /64, so peers are counted by network:
// /24 for IPv4, /64 for IPv6.
func (i Introducer) Key() string {
	if i.Kind == KindOwner {
		return ""
	}
	if !i.Addr.IsValid() {
		return string(i.Kind) + " " + i.Client
	}
	addr, bits := i.Addr.Addr().Unmap(), 24
	if addr.Is6() {
		bits = 64
	}
	network, err := addr.Prefix(bits)
	if err != nil { // not for these lengths
		return string(i.Kind) + " " + addr.String()
	}
	return string(i.Kind) + " " + network.String()
}

// Same reports whether two introducers are one and the same. Without an address, its name tells it from others.
func (i Introducer) Same(o Introducer) bool {
	return i.Kind == o.Kind && i.PeerID == o.PeerID && i.Addr.Addr() == o.Addr.Addr() && (i.Addr.IsValid() || i.Client == o.Client)
}

// String is what the owner reads of it: its client and address, or only the former where it has no address.
func (i Introducer) String() string {
	if !i.Addr.IsValid() {
		return cmp.Or(i.Client, string(i.Kind))
	}
	return fmt.Sprintf("%s (%s)", cmp.Or(i.Client, i.PeerID.Client(), "a peer"), i.Addr)
}

// Why is how a swarm came to be joined: who named it, and what allowed it.
type Why struct {
	Rule string `json:"rule"` // the consent rule, such as `sources.peers = "auto"`
	Introducer
}

// ByOwner reports whether the owner asked to help this swarm.
func (w Why) ByOwner() bool { return w.Kind == KindOwner }
