package background

import (
	"encoding/json"
	"fmt"
	"time"

	"ebb/agent/swarm"
)

// Record is what is kept on disk of a background swarm besides its metadata
// and fragments: enough to go on after a restart and to explain itself.
type Record struct {
	Name       string       `json:"name"`
	Length     int64        `json:"length"`       // bytes; 0 until the metadata is known
	PieceSize  int64        `json:"piece_length"` // bytes; 0 until the metadata is known
	Pieces     int          `json:"pieces"`       // 0 until the metadata is known
	Metadata   int64        `json:"metadata"`     // bytes that it takes on disk; 0 until it is known
	Trackers   []string     `json:"trackers"`
	Peers      []string     `json:"peers"` // addresses to start from, the introducer's first
	Why        swarm.Why    `json:"why"`
	Health     swarm.Health `json:"health"`
	Joined     time.Time    `json:"joined"`
	Released   bool         `json:"released"` // it is being made a download; see Engine.Release
	LastPeer   time.Time    `json:"last_peer"`
	Uploaded   int64        `json:"uploaded"`   // bytes of fragments sent, ever
	Downloaded int64        `json:"downloaded"` // bytes of fragments received, ever
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
