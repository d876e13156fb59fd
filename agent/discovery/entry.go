package discovery

import (
	"errors"
	"fmt"
	"slices"

	"ebb/agent/swarm"
)

// Limits of an entry. What lies beyond them is not what an honest agent says, so such entries are refused rather than
// clamped.
const (
	// MaxTTL is the ttl of a swarm that the sender is in itself. It drops by one with each agent that passes the entry
	// on without joining.
	MaxTTL = 4

	maxLength      = 1 << 50  // bytes: a petabyte, beyond any torrent
	minPieceLength = 16 << 10 // bytes: one block
	maxPieceLength = 64 << 20 // bytes
	maxPieces      = 1 << 20  // as in peerwire: 20 MiB of piece hashes
	maxPeers       = 1 << 24  // copies, seeds, leechers: far above the largest swarms seen
	maxTrackers    = 8
	maxTrackerURL  = 255 // bytes
	maxTags        = 8
	maxNameRunes   = 200
	maxTagRunes    = 32
)

// Entry is what a list says of one swarm. It is hearsay: checked to be possible and safe to handle, not to be true.
type Entry struct {
	Hash        swarm.InfoHash
	Name        string // for display only, at most 200 runes; never a path
	Length      int64  // bytes, 1 to 2^50
	PieceLength int64  // bytes, 16 KiB to 64 MiB
	Pieces      int    // as the two lengths make it
	Fragments   int    // pieces that the introducer holds
	Copies      int    // of the rarest piece among the peers it sees, or Unknown
	Seeds       int    // that it sees, or Unknown
	Leechers    int    // that it sees, or Unknown
	TTL         int    // hops left, 0 to MaxTTL
	Trackers    []string
	Tags        []string
}

// Direct reports whether the introducer claims to be in the swarm itself, so that the claim can be put to the test.
func (e Entry) Direct() bool { return e.TTL == MaxTTL }

// PassedOn returns the entry as an agent lists it that has only heard of the swarm. ok is false when no hops are left.
func (e Entry) PassedOn() (passed Entry, ok bool) {
	if e.TTL <= 0 {
		return Entry{}, false
	}
	e.TTL--
	e.Fragments = 0 // we hold none
	return e, true
}

// candidate is the swarm as a candidate of which no more is known.
func (e Entry) candidate() swarm.Candidate {
	return swarm.Candidate{
		Hash: e.Hash, Name: e.Name, Length: e.Length, PieceLength: e.PieceLength, Pieces: e.Pieces,
		Health:   swarm.Health{Seeds: e.Seeds, Leechers: e.Leechers, Copies: e.Copies},
		Trackers: e.Trackers, Tags: e.Tags,
	}
}

// label is what the owner reads for the swarm.
func (e Entry) label() string {
	if e.Name == "" {
		return e.Hash.String()
	}
	return e.Name
}

// check tests the numbers of an entry on their own and against one another.
func (e Entry) check() error {
	if e.Hash.IsZero() {
		return errors.New("h: all zero")
	}
	for _, f := range []struct {
		key                string
		n, least, greatest int64
	}{
		{"l", e.Length, 1, maxLength},
		{"pl", e.PieceLength, minPieceLength, maxPieceLength},
		{"np", int64(e.Pieces), 1, maxPieces},
		{"f", int64(e.Fragments), 0, int64(e.Pieces)},
		{"c", int64(e.Copies), swarm.Unknown, maxPeers},
		{"sd", int64(e.Seeds), swarm.Unknown, maxPeers},
		{"lc", int64(e.Leechers), swarm.Unknown, maxPeers},
		{"ttl", int64(e.TTL), 0, MaxTTL},
	} {
		if f.n < f.least || f.n > f.greatest {
			return fmt.Errorf("%s: %d is not in %d to %d", f.key, f.n, f.least, f.greatest)
		}
	}
	// Both lengths are far below 2^62, so the sum cannot overflow.
	if want := (e.Length + e.PieceLength - 1) / e.PieceLength; int64(e.Pieces) != want {
		return fmt.Errorf("np: %d bytes in pieces of %d make %d pieces, not %d", e.Length, e.PieceLength, want, e.Pieces)
	}
	return nil
}

// Tidy makes the texts of an entry short and safe to show, and leaves out the trackers that checkURL refuses. It is
// applied to what peers list and, so that they need not refuse it, to what we list.
func (e Entry) Tidy(checkURL func(string) error) Entry {
	e.Name = swarm.CleanName(e.Name)
	var trackers []string
	for _, url := range e.Trackers {
		if len(trackers) == maxTrackers {
			break
		}
		if len(url) <= maxTrackerURL && plainASCII(url) && !slices.Contains(trackers, url) && checkURL(url) == nil {
			trackers = append(trackers, url)
		}
	}
	e.Trackers = trackers
	var tags []string
	for _, tag := range e.Tags {
		if len(tags) == maxTags {
			break
		}
		if tag = swarm.CleanText(tag, maxTagRunes); tag != "" {
			tags = append(tags, tag)
		}
	}
	e.Tags = tags
	return e
}

// cost estimates the memory that an entry takes in the table, in bytes.
func (e Entry) cost() int64 {
	const fixed = 640 // the entry, its introducer, and their share of maps and slices
	const header = 16 // of a string
	n := fixed + len(e.Name)
	for _, s := range e.Trackers {
		n += header + len(s)
	}
	for _, s := range e.Tags {
		n += header + len(s)
	}
	return int64(n)
}

// plainASCII reports whether s consists of visible ASCII characters only, as an encoded URL does.
func plainASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
