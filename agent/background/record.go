package background

import (
	"encoding/json"
	"fmt"
	"time"
)

// Why says how ebb came to join a swarm. It is written once, when the swarm is
// joined, and shown by `ebb why`.
type Why struct {
	Rule     string    `json:"rule"`      // the consent rule that allowed it, such as `sources.peers = "auto"`
	Kind     string    `json:"kind"`      // peer, feed, neighbour or owner
	Addr     string    `json:"addr"`      // introducer's peer address; empty for the owner
	PeerID   string    `json:"peer_id"`   // introducer's peer ID, 40 hex digits
	Client   string    `json:"client"`    // what the introducer calls itself
	ViaHash  string    `json:"via_hash"`  // the swarm in which we met it
	ViaName  string    `json:"via_name"`  // the name of that swarm
	Heard    time.Time `json:"heard"`     // when it was first named to us
	Verified time.Time `json:"verified"`  // when the introducer shook hands with us in it
	IntroKey string    `json:"intro_key"` // whose share of the store it counts against; empty for the owner
}

// kindOwner marks the swarms that the owner asked to help.
const kindOwner = "owner"

// Record is what is kept on disk of a background swarm besides its metadata
// and fragments: enough to go on after a restart and to explain itself.
type Record struct {
	Name       string    `json:"name"`
	Length     int64     `json:"length"`       // bytes; 0 until the metadata is known
	PieceSize  int64     `json:"piece_length"` // bytes; 0 until the metadata is known
	Pieces     int       `json:"pieces"`       // 0 until the metadata is known
	Metadata   int64     `json:"metadata"`     // bytes that it takes on disk; 0 until it is known
	Trackers   []string  `json:"trackers"`
	Peers      []string  `json:"peers"` // addresses to start from, the introducer's first
	Why        Why       `json:"why"`
	Health     Health    `json:"health"`
	Joined     time.Time `json:"joined"`
	Released   bool      `json:"released"` // it is being made a download; see Engine.Release
	LastPeer   time.Time `json:"last_peer"`
	Uploaded   int64     `json:"uploaded"`   // bytes of fragments sent, ever
	Downloaded int64     `json:"downloaded"` // bytes of fragments received, ever
}

func (r Record) encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding swarm record: %w", err)
	}
	return b, nil
}

func decodeRecord(b []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return Record{}, fmt.Errorf("decoding swarm record: %w", err)
	}
	return r, nil
}
