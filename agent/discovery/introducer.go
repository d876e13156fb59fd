package discovery

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"time"

	"ebb/agent/swarm"
)

// The kinds of introducer, by how we came to know them.
const (
	KindPeer      = "peer"      // a peer in one of our swarms
	KindFeed      = "feed"      // a feed that the owner subscribed to
	KindNeighbour = "neighbour" // an agent on the same LAN
	KindOwner     = "owner"     // the owner named the swarm
)

// maxClientRunes is how much is kept of what an introducer calls itself.
const maxClientRunes = 64

// PeerID is a peer's 20-byte ID (BEP 3, BEP 20); in JSON, 40 hex digits.
type PeerID [20]byte

// String returns the ID as 40 hex digits.
func (id PeerID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler.
func (id PeerID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *PeerID) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(id) {
		return fmt.Errorf("peer ID of %d digits, not %d", len(text), hex.EncodedLen(len(id)))
	}
	_, err := hex.Decode(id[:], text)
	return err
}

// Introducer is who named a swarm to us, and where we met.
type Introducer struct {
	Kind    string         `json:"kind"`
	PeerID  PeerID         `json:"peer_id"`
	Addr    netip.AddrPort `json:"addr"`     // where it listens; port 0 when it did not say
	Client  string         `json:"client"`   // what it calls itself, for display
	Via     swarm.InfoHash `json:"via"`      // the swarm that both of us are in
	ViaName string         `json:"via_name"` // the name of that swarm

	// Set by the table of candidates.
	Heard    time.Time `json:"heard,omitzero"`    // when it first named the swarm
	Verified time.Time `json:"verified,omitzero"` // when it shook hands with us in it
}

// Key names whose share of the table, and of the store, an introducer uses up.
// Peer IDs are free to make up and a host commonly has a whole IPv6 /64, so
// peers are counted by network: /24 for IPv4, /64 for IPv6.
func (i Introducer) Key() string {
	if !i.Addr.IsValid() {
		return i.Kind + " " + i.Client
	}
	addr, bits := i.Addr.Addr().Unmap(), 24
	if addr.Is6() {
		bits = 64
	}
	network, err := addr.Prefix(bits)
	if err != nil { // not for these lengths
		return i.Kind + " " + addr.String()
	}
	return i.Kind + " " + network.String()
}

// same tells whether two introducers are one and the same agent.
func (i Introducer) same(o Introducer) bool {
	return i.Kind == o.Kind && i.PeerID == o.PeerID && i.Addr.Addr() == o.Addr.Addr()
}

// dialable tells whether its claims can be tested by a handshake.
func (i Introducer) dialable() bool { return i.Addr.IsValid() && i.Addr.Port() != 0 }

// shown is how the story calls the introducer.
func (i Introducer) shown() string {
	name := i.Client
	if name == "" {
		name = "a peer"
	}
	return fmt.Sprintf("%s (%s)", name, i.Addr)
}
