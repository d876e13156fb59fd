package discovery

import (
	"errors"
	"fmt"

	"github.com/anacrolix/torrent/bencode"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// Limits of a message.
const (
	// MaxMessage is the longest ebb_list payload, in bytes.
	MaxMessage = 64 << 10
	// MaxEntries is the most swarms that one list may name.
	MaxEntries = 200

	maxReasonRunes = 120
	// Our messages nest four deep (message, list, entry, list of trackers); the rest is room for the keys of later
	// versions.
	maxDepth = 8
)

// MessageType tells the messages of ebb_list apart.
type MessageType int

// The values of "t".
const (
	TypeRequest MessageType = 0
	TypeList    MessageType = 1
	TypeRefuse  MessageType = 2
)

// Message is one ebb_list payload.
type Message struct {
	Type    MessageType
	Want    int     // request: most entries wanted, 1 to MaxEntries
	Entries []Entry // list
	Reason  string  // refuse: why, for display

	// Dropped counts the entries of a received list that were left out, and DropReason says what was wrong with the
	// first of them.
	Dropped    int
	DropReason error
}

// wireMessage and wireEntry are the bencoded forms. A pointer marks a field whose absence does not mean zero.
type wireMessage struct {
	Type    *int64          `bencode:"t"`
	Want    int64           `bencode:"n"`
	Entries []bencode.Bytes `bencode:"s"`
	Reason  string          `bencode:"e"`
}

type wireEntry struct {
	Hash        string   `bencode:"h"`
	Name        string   `bencode:"n"`
	Length      int64    `bencode:"l"`
	PieceLength int64    `bencode:"pl"`
	Pieces      int64    `bencode:"np"`
	Fragments   int64    `bencode:"f"`
	Copies      *int64   `bencode:"c,omitempty"`
	Seeds       *int64   `bencode:"sd,omitempty"`
	Leechers    *int64   `bencode:"lc,omitempty"`
	TTL         int64    `bencode:"ttl"`
	Trackers    []string `bencode:"tr,omitempty"`
	Tags        []string `bencode:"tg,omitempty"`
}

// Parse reads an ebb_list payload from a peer. A message that is too long, not bencoding, nested too deep, of an
// unknown type, or that lists more than MaxEntries swarms is refused as a whole: no honest agent sends it. Within a
// list, an entry with a missing field, or one of the wrong type or out of its range, is left out and counted, so that
// one odd entry does not cost the rest. Unknown keys are ignored, for the versions that come after us.
//
// checkURL reports whether a tracker URL may be used; those that it refuses are left out of their entry.
func Parse(payload []byte, checkURL func(string) error) (Message, error) {
	m, err := parse(payload, checkURL)
	if err != nil {
		return Message{}, fmt.Errorf("list message: %w", err)
	}
	return m, nil
}

func parse(payload []byte, checkURL func(string) error) (Message, error) {
	if len(payload) > MaxMessage {
		return Message{}, fmt.Errorf("%d bytes, of which at most %d are allowed", len(payload), MaxMessage)
	}
	if err := peerwire.CheckBencode(payload, maxDepth); err != nil {
		return Message{}, err
	}
	var wire wireMessage
	if err := bencode.Unmarshal(payload, &wire); err != nil {
		return Message{}, err
	}
	if wire.Type == nil {
		return Message{}, errors.New("t: missing")
	}
	switch *wire.Type {
	case int64(TypeRequest):
		if wire.Want < 1 {
			return Message{}, fmt.Errorf("n: %d entries wanted", wire.Want)
		}
		return Message{Type: TypeRequest, Want: int(min(wire.Want, MaxEntries))}, nil
	case int64(TypeList):
		return parseList(wire.Entries, checkURL)
	case int64(TypeRefuse):
		return Message{Type: TypeRefuse, Reason: swarm.CleanText(wire.Reason, maxReasonRunes)}, nil
	}
	return Message{}, fmt.Errorf("t: unknown type %d", *wire.Type)
}

func parseList(entries []bencode.Bytes, checkURL func(string) error) (Message, error) {
	if len(entries) > MaxEntries {
		return Message{}, fmt.Errorf("s: %d entries, of which at most %d are allowed", len(entries), MaxEntries)
	}
	m := Message{Type: TypeList}
	seen := make(map[swarm.InfoHash]bool, len(entries))
	for _, raw := range entries {
		e, err := parseEntry(raw)
		if err == nil && seen[e.Hash] {
			err = fmt.Errorf("h: %s listed twice", e.Hash.String())
		}
		if err != nil {
			if m.Dropped++; m.DropReason == nil {
				m.DropReason = err
			}
			continue
		}
		seen[e.Hash] = true
		m.Entries = append(m.Entries, e.Tidy(checkURL))
	}
	return m, nil
}

func parseEntry(raw []byte) (Entry, error) {
	var wire wireEntry
	if err := bencode.Unmarshal(raw, &wire); err != nil {
		return Entry{}, err
	}
	var e Entry
	if len(wire.Hash) != len(e.Hash) {
		return Entry{}, fmt.Errorf("h: %d bytes, not %d", len(wire.Hash), len(e.Hash))
	}
	copy(e.Hash[:], wire.Hash)
	e.Name, e.Trackers, e.Tags = wire.Name, wire.Trackers, wire.Tags
	e.Length, e.PieceLength = wire.Length, wire.PieceLength
	for _, f := range []struct {
		to   *int
		from int64
	}{
		{&e.Pieces, wire.Pieces},
		{&e.Fragments, wire.Fragments},
		{&e.Copies, orUnknown(wire.Copies)},
		{&e.Seeds, orUnknown(wire.Seeds)},
		{&e.Leechers, orUnknown(wire.Leechers)},
		{&e.TTL, wire.TTL},
	} {
		// An int has 32 bits on small routers: 2^32 must not become 0 there.
		const most = 1<<31 - 1
		*f.to = int(max(min(f.from, most), -most))
	}
	return e, e.check()
}

// orUnknown is the number that a peer sent, or Unknown if it sent none. A peer that sends Unknown itself is out of
// range.
func orUnknown(n *int64) int64 {
	switch {
	case n == nil:
		return swarm.Unknown
	case *n < 0:
		return swarm.Unknown - 1
	}
	return *n
}

// Marshal encodes the message. A list is cut, at its end, to what fits MaxEntries and MaxMessage.
func (m Message) Marshal() []byte {
	wire := map[string]any{"t": int(m.Type)}
	switch m.Type {
	case TypeRequest:
		wire["n"] = m.Want
	case TypeRefuse:
		wire["e"] = m.Reason
	case TypeList:
		room := MaxMessage - len("d1:sle1:ti1ee")
		entries := []bencode.Bytes{}
		for _, e := range m.Entries[:min(len(m.Entries), MaxEntries)] {
			raw := e.marshal()
			if room -= len(raw); room < 0 {
				break
			}
			entries = append(entries, raw)
		}
		wire["s"] = entries
	}
	return bencode.MustMarshal(wire)
}

func (e Entry) marshal() []byte {
	count := func(n int) *int64 {
		if n == swarm.Unknown {
			return nil
		}
		wide := int64(n)
		return &wide
	}
	return bencode.MustMarshal(wireEntry{
		Hash: string(e.Hash[:]), Name: e.Name,
		Length: e.Length, PieceLength: e.PieceLength, Pieces: int64(e.Pieces), Fragments: int64(e.Fragments),
		Copies: count(e.Copies), Seeds: count(e.Seeds), Leechers: count(e.Leechers),
		TTL: int64(e.TTL), Trackers: e.Trackers, Tags: e.Tags,
	})
}
