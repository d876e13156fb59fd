package peersource

import (
	"net/netip"

	"ebb/agent/swarm"
)

// SourceDHT is the Result.Source of peers found through the DHT.
const SourceDHT = "dht"

// Torrent is what an Announcer keeps announced. The functions are called from the Announcer's workers, several at a
// time, never while it holds a lock; they must be quick. Any of them may be nil.
type Torrent struct {
	Hash swarm.InfoHash

	// Trackers are announce URLs, each of which is announced to; Tiers are those of BEP 12, of which one is announced to:
	// the first that works, those of a tier being tried in an order of our own. Those that the guard refuses, and those
	// after the 32nd of all, are left out.
	Trackers []string
	Tiers    [][]string

	Port uint16 // where peers reach us, 1 to 65535
	DHT  bool   // use the DHT, too: false for private torrents (BEP 27)

	// Owner marks what the owner asked for: it is announced before all others.
	Owner bool

	// Onlooker means that in the DHT we only look: nobody there is told about us, as of a torrent that may turn out to be
	// private. Trackers cannot be asked without being told.
	Onlooker bool

	// Left is how many bytes are still wanted; nil or below 0: nobody knows, any more or yet.
	Left func() int64

	// Transferred is how many bytes went up and down, counted from whenever, without going back; nil: none. Trackers are
	// told what came since they were told 'started'.
	Transferred func() (up, down int64)

	// PartialSeed says that nothing more is wanted although pieces are missing (BEP 21); nil: false.
	PartialSeed func() bool

	// Found is told the outcome of every announce and look-up but the last ('stopped'); a look-up may tell several
	// times. It can still be running when Remove returns.
	Found func(Result)
}

// Result is what one source said about one torrent.
type Result struct {
	Hash     swarm.InfoHash
	Source   string           // tracker URL, or SourceDHT
	Peers    []netip.AddrPort // allowed by the guard, distinct, at most 200; perhaps ourselves among them
	Seeds    int              // the source's own count; −1 unknown
	Leechers int              // the same
	Err      error            // why there is nothing; the source is tried again later, by itself
}

// maxTrackers bounds what one torrent can make us announce to.
const maxTrackers = 32

func (t *Torrent) left() int64 {
	if t.Left == nil {
		return -1
	}
	return t.Left()
}

func (t *Torrent) transferred() (up, down int64) {
	if t.Transferred == nil {
		return 0, 0
	}
	return t.Transferred()
}

func (t *Torrent) partialSeed() bool { return t.PartialSeed != nil && t.PartialSeed() }

func (t *Torrent) found(r Result) {
	if t.Found != nil {
		t.Found(r)
	}
}
