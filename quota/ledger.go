package quota

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"ebb/quota/fragstore"
)

// Store is what the ledger needs of a fragment store. *fragstore.Store satisfies it.
type Store interface {
	Has(k fragstore.Key) bool
	Charge(length int64) int64
	Create(k fragstore.Key, length int64, sum [20]byte) (*fragstore.Writer, error)
	Delete(keys ...fragstore.Key) (freed int64, err error)
	Fragments() iter.Seq[fragstore.Fragment]
	Incoming() []*fragstore.Writer
	InFlight() (charged, unwritten int64)
	Used() int64
}

// Limits are the owner's, in bytes.
type Limits struct {
	Storage  int64 // the allotment; 0: the background is off
	KeepFree int64 // what the background leaves free on the disk, beyond all promises
}

// Usage says how things stand, in bytes.
type Usage struct {
	Allotment int64 // as the owner set it
	Limit     int64 // what the background may use just now
	Used      int64 // what it uses: fragments, and incoming ones with their full length
	InFlight  int64 // the part of Used that incoming fragments have
	Promised  int64 // bytes of foreground downloads that are not on disk yet
	DiskFree  int64
	DiskTotal int64
	DiskError error // not nil if free space cannot be measured; then nothing is admitted
}

// ErrNoRoom says that the background may not use as much as it would take.
var ErrNoRoom = errors.New("no room within the storage allotment")

const (
	// checkEvery is how often the ledger looks whether somebody has filled the disk.
	checkEvery = 2 * time.Second
	// betterBy is how many times the value of a fragment another must have to take its place. Without
	// a margin, two fragments of about the same value would take turns on the disk, and wear it.
	betterBy = 1.5
	// slackShare and slackMost bound how far below the limit a breach is brought: less makes a slowly filling disk
	// breach at every check, more throws away what could stay.
	slackShare = 128
	slackMost  = 64 << 20
)

// Ledger keeps what the background occupies within what it may. Its methods may be called by any number of goroutines.
type Ledger struct {
	store     Store
	disk      func() (free, total int64, err error)
	reclaimed func(keys []fragstore.Key, why string)
	wake      chan struct{} // capacity 1: Run has a reason to check at once

	making sync.RWMutex // write-held while room is made, read-held while it is taken; see the package comment

	mu        sync.Mutex // guards the fields below
	limits    Limits
	promises  map[metainfo.Hash]int64
	promised  int64 // their sum
	pending   int64 // taken, and maybe not yet counted in the store's Used
	returning returning
}

// NewLedger returns a ledger over a store. disk measures the file system that holds the fragments, and the
// downloads. reclaimed, which may be nil, is told which fragments were reclaimed and why.
func NewLedger(store Store, disk func() (free, total int64, err error), limits Limits, reclaimed func(keys []fragstore.Key, why string)) *Ledger {
	if reclaimed == nil {
		reclaimed = func([]fragstore.Key, string) {}
	}
	return &Ledger{
		store: store, disk: disk, limits: limits.clamp(), reclaimed: reclaimed,
		wake:     make(chan struct{}, 1),
		promises: make(map[metainfo.Hash]int64),
	}
}

func (l Limits) clamp() Limits {
	return Limits{Storage: max(l.Storage, 0), KeepFree: max(l.KeepFree, 0)}
}

// SetLimits changes the owner's limits. Run enforces them at once.
func (l *Ledger) SetLimits(limits Limits) {
	l.mu.Lock()
	l.limits = limits.clamp()
	l.mu.Unlock()
	l.check()
}

// check makes Run check now.
func (l *Ledger) check() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run enforces the limits every two seconds, and whenever they or the promises change, until ctx ends.
func (l *Ledger) Run(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		l.Enforce()
		select {
		case <-tick.C:
		case <-l.wake:
		case <-ctx.Done():
			return
		}
	}
}

// Usage says how things stand.
func (l *Ledger) Usage() Usage {
	d := l.measure()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.balance(d)
	inFlight, _ := l.store.InFlight()
	return Usage{
		Allotment: l.limits.Storage, Limit: b.limit, Used: b.used, InFlight: inFlight, Promised: l.promised,
		DiskFree: d.free, DiskTotal: d.total, DiskError: d.err,
	}
}

// balance is the ledger's arithmetic at one moment, in bytes.
type balance struct {
	used     int64 // by the store
	onDisk   int64 // the part of it that the file system knows of, and would give back
	free     int64 // as measured, and what is still coming back
	limit    int64 // what the background may use
	binding  cause // what the limit comes from
	measured bool  // false: free and onDisk mean nothing, limit is the allotment
}

type cause uint8

const (
	allotment cause = iota
	diskFull
	promises
)

// balance does the sum. l.mu is held.
func (l *Ledger) balance(d disk) balance {
	_, unwritten := l.store.InFlight()
	b := balance{used: l.store.Used(), limit: l.limits.Storage, measured: d.err == nil}
	if !b.measured {
		return b
	}
	b.onDisk = max(b.used-unwritten, 0)
	b.free = l.returning.free(d)
	if room := b.free + b.onDisk - l.limits.KeepFree - l.promised; room < b.limit {
		b.limit, b.binding = max(room, 0), diskFull
		if l.promised > 0 {
			b.binding = promises
		}
	}
	return b
}

// over returns how many bytes the background has above the limit, with charge more. l.mu is held.
func (l *Ledger) over(b balance, charge int64) int64 {
	return b.used + l.pending + charge - b.limit
}
