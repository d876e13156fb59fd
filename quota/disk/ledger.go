package disk

import (
	"context"
	"iter"
	"math"
	"sync"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/platform"
	"ebb/quota"
	"ebb/quota/disk/fragstore"
)

// Store is what the ledger needs of a fragment store. *fragstore.Store satisfies it.
type Store interface {
	Has(k fragstore.Key) bool
	Charge(length int64) int64
	Create(k fragstore.Key, length int64, sum [20]byte) (*fragstore.Writer, error)
	Delete(keys ...fragstore.Key) (freed int64, err error)
	Fragments() iter.Seq[fragstore.Fragment]
	Stats() (fragments, swarms int)
	Incoming() []*fragstore.Writer
	InFlight() (charged, unwritten int64)
	Used() int64
	Written() int64
	PutMeta(bucket, key string, value []byte) error
	Meta(bucket, key string) ([]byte, bool)
}

// Config is what a Ledger works with. Its functions are called from any goroutine, and must not call the ledger.
type Config struct {
	Store     Store
	Fragments func() (platform.FileSystem, error) // the file system that holds the fragments
	Downloads func() (platform.FileSystem, error) // the one that holds the downloads; nil: the same
	Limits    func() Limits                       // the owner's, as they are now; called by NewLedger and LimitsChanged
	// Unavailable says why the background may not write just now, nil if it may; see Watch. It may be nil itself.
	Unavailable func() error
}

// Reclaimed is which fragments were deleted to make room, and why. The zero Reclaimed is none. Whoever called for them is
// the one to pass it on, whether or not the call succeeded otherwise.
type Reclaimed struct {
	Keys []fragstore.Key
	Why  string // for the owner to read
}

// Limits are the owner's, in bytes.
type Limits struct {
	Storage  int64   // the allotment; 0: the background is off
	Share    float64 // if above 0, the allotment is this part of the file system, whatever that holds at the moment; Storage does not count
	KeepFree int64   // what the background leaves free on the disk, beyond all promises
	Writes   int64   // what it may write per day; negative: as much as it likes, 0: nothing
}

// LimitsOf returns what the preferences allot on disk.
func LimitsOf(p prefs.Preferences) Limits {
	return Limits{
		Storage:  p.Background.Storage.Bytes(0),
		Share:    p.Background.Storage.Share(),
		KeepFree: int64(p.Background.KeepFree),
		Writes:   p.Background.WriteBudget.BytesPerDay(),
	}
}

func (l Limits) clamp() Limits {
	if !(l.Share > 0) { // nor is NaN
		l.Share = 0
	}
	return Limits{
		Storage: max(l.Storage, 0), Share: min(l.Share, 1), KeepFree: max(l.KeepFree, 0), Writes: max(l.Writes, -1),
	}
}

const (
	// checkEvery is how often the ledger looks whether somebody has filled the disk.
	checkEvery = 2 * time.Second
	// betterBy is how many times the value of a fragment another must have to take its place. Without
	// a margin, two fragments of about the same value would take turns on the disk, and wear it.
	betterBy = 1.5
)

// Ledger keeps what the background occupies within what it may. Its methods may be called by any number of goroutines.
type Ledger struct {
	store        Store
	fragments    func() (platform.FileSystem, error)
	downloads    *question[measured] // nil: the same file system
	unavailable  func() error
	ownersLimits func() Limits
	most         int                                       // fragments that may be held
	clock        func() (wall time.Time, up time.Duration) // up: how long the process has been running
	wake         chan struct{}                             // capacity 1: Run has a reason to check at once

	making sync.RWMutex // write-held while room is made, read-held while it is taken; see the package comment

	mu        sync.Mutex // guards the fields below
	limits    Limits
	promises  map[swarm.InfoHash]*promise
	asking    map[swarm.InfoHash]*promise // reservations that are not decided yet
	pending   int64                       // taken, and maybe not yet counted in the store's Used
	total     int64                       // of the fragments' file system, when it was last measured
	apart     bool                        // the two file systems were different ones when they were last measured
	returning returning
	regrowth  regrowth
	stubborn  stubborn
	budget    quota.Period  // what was written today
	counted   int64         // what the store had written when the budget was last brought up to date
	kept      quota.Period  // the budget as it was last written down
	keptAt    time.Duration // when that was tried, in the process's time
}

// NewLedger returns a ledger, with the count of what was written today as an earlier one has left it. What the store
// has written since it was opened counts from now on.
func NewLedger(cfg Config) *Ledger {
	began := time.Now()
	l := &Ledger{
		store: cfg.Store, fragments: cfg.Fragments, limits: cfg.Limits().clamp(), ownersLimits: cfg.Limits,
		unavailable: cfg.Unavailable, most: fragstore.MostFragments,
		clock: func() (time.Time, time.Duration) {
			now := time.Now()
			return now, now.Sub(began)
		},
		wake:     make(chan struct{}, 1),
		promises: make(map[swarm.InfoHash]*promise),
		asking:   make(map[swarm.InfoHash]*promise),
	}
	if cfg.Downloads != nil {
		l.downloads = &question[measured]{put: func() measured {
			fs, err := cfg.Downloads()
			return measured{fs, err}
		}}
	}
	if l.unavailable == nil {
		l.unavailable = func() error { return nil }
	}
	if text, ok := l.store.Meta(budgetBucket, budgetKey); ok {
		l.kept = quota.ParsePeriod(quota.Daily, string(text))
		l.budget = l.kept
	}
	return l
}

// LimitsChanged has the ledger ask for the owner's limits again. Run enforces them at once.
func (l *Ledger) LimitsChanged() {
	l.mu.Lock()
	l.limits, l.regrowth = l.ownersLimits().clamp(), regrowth{}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run enforces the limits every two seconds, and whenever they change, until ctx ends. It hands on what that reclaimed, and
// writes down how much was written today.
func (l *Ledger) Run(ctx context.Context, reclaimed func(Reclaimed)) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	defer l.keepBudget(true)
	for {
		if r, _ := l.Enforce(); len(r.Keys) > 0 {
			reclaimed(r)
		}
		l.keepBudget(false)
		select {
		case <-tick.C:
		case <-l.wake:
		case <-ctx.Done():
			return
		}
	}
}

// allotment returns what the owner has allotted, in bytes. l.mu is held.
func (l *Ledger) allotment() int64 {
	if l.limits.Share > 0 {
		return int64(math.Floor(l.limits.Share * float64(l.total)))
	}
	return l.limits.Storage
}
