package fragstore

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets of the index.
//
//	fragments  info-hash (20 bytes) ‖ piece index (4, big-endian) → length (4) ‖ epoch (4) ‖ stored (4) ‖ last served (4) ‖ bytes served (8)
//	swarms     info-hash → the swarm's record
//	metadata   info-hash → the swarm's info dictionary
//	meta       bucket name ‖ NUL ‖ key → value
//	store      "format" → 1 byte, "epoch" → 4 bytes
type bucket uint8

const (
	fragmentsBucket bucket = iota
	swarmsBucket
	metadataBucket
	metaBucket
	storeBucket
	buckets
)

func (b bucket) name() []byte {
	return []byte([...]string{"fragments", "swarms", "metadata", "meta", "store"}[b])
}

const (
	// indexDelay bounds what a crash can cost: fragments of which the index has not heard yet are deleted. A second of
	// them is cheap to fetch again, and flash wears less when many changes share a page.
	indexDelay = time.Second
	// indexBatch is how many changes may wait before they are written early: with fragments that is 1 MB of memory.
	indexBatch = 8192
)

// slot is one place in the index.
type slot struct {
	bucket bucket
	key    string
}

// index is the bbolt database and the changes on their way to it. Reads see those changes.
type index struct {
	db          *bbolt.DB
	tx          transactions // db's
	file        *os.File     // db's
	log         *slog.Logger
	unavailable func() error // as in Options
	hourly      func()
	page        int64        // bytes
	written     atomic.Int64 // bytes of pages

	flushing sync.Mutex // held by the one flush that runs

	mu       sync.Mutex      // guards the fields below
	waiting  map[slot][]byte // what the next flush will write; nil: delete
	writing  map[slot][]byte // what the running flush writes; not changed while it does
	failures int             // flushes that failed since the last that did not
	damaged  error           // set when the database turned out to be damaged; it is not written to any more

	wake chan struct{} // capacity 1: something waits
	full chan struct{} // capacity 1: indexBatch changes wait
	stop chan struct{} // closed to end the loop
	done chan struct{} // closed when it has ended
}

// newIndex returns the index of what was opened; its loop is to be started. hourly is called once an hour.
func newIndex(c *contents, log *slog.Logger, unavailable func() error, hourly func()) *index {
	x := &index{
		db: c.db, tx: c.tx, file: c.file, log: log, unavailable: unavailable, hourly: hourly,
		page:    int64(c.db.Info().PageSize),
		waiting: make(map[slot][]byte),
		wake:    make(chan struct{}, 1), full: make(chan struct{}, 1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	return x
}

// loop flushes, at the latest indexDelay after a change; if the disk is to be left alone, when it no longer is, or when
// so much waits that it cannot be.
func (x *index) loop() {
	defer close(x.done)
	hour := time.NewTicker(servedEvery)
	defer hour.Stop()
	for {
		select {
		case <-x.wake:
		case <-hour.C:
			x.hourly()
			continue
		case <-x.stop:
			return
		}
		timer := time.NewTimer(indexDelay)
		select {
		case <-timer.C:
		case <-x.full:
			timer.Stop()
		case <-x.stop:
			timer.Stop()
			return
		}
		if x.unavailable() != nil && !x.crowded() || x.flush() != nil { // an error is reported there
			nudge(x.wake) // again in indexDelay: the disk may be there, awake, or have room by then
		}
	}
}

// crowded reports whether so many changes wait that they are to be written whatever the disk does.
func (x *index) crowded() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.waiting) >= indexBatch
}

func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put notes that slot is to become value (nil: be deleted). It does no I/O and keeps value.
func (x *index) put(b bucket, key string, value []byte) {
	x.mu.Lock()
	x.waiting[slot{b, key}] = value
	n := len(x.waiting)
	x.mu.Unlock()
	nudge(x.wake)
	if n >= indexBatch {
		nudge(x.full)
	}
}

// putNow is put and flush, whether or not the disk sleeps. If it fails, the change is not made later either.
func (x *index) putNow(b bucket, key string, value []byte) error {
	x.put(b, key, value)
	err := x.flush()
	if err != nil {
		x.mu.Lock()
		delete(x.waiting, slot{b, key})
		x.mu.Unlock()
	}
	return err
}

// get returns a copy of what is at a slot, or nil.
func (x *index) get(b bucket, key string) (value []byte) {
	x.mu.Lock()
	v, changed := x.waiting[slot{b, key}]
	if !changed {
		v, changed = x.writing[slot{b, key}]
	}
	x.mu.Unlock()
	if changed {
		return slices.Clone(v)
	}
	err := guarded(func() error {
		return x.tx.View(func(tx *bbolt.Tx) error {
			value = slices.Clone(tx.Bucket(b.name()).Get([]byte(key)))
			return nil
		})
	})
	if err != nil {
		x.log.Error("reading the fragment index", "err", err)
		return nil
	}
	return value
}

// keys returns the keys of a bucket that begin with prefix, sorted.
func (x *index) keys(b bucket, prefix string) []string {
	changed := make(map[string]bool) // before the database is read: what is written meanwhile must not be missed
	x.mu.Lock()
	for _, changes := range []map[slot][]byte{x.writing, x.waiting} {
		for s, v := range changes {
			if s.bucket == b && strings.HasPrefix(s.key, prefix) {
				changed[s.key] = v != nil
			}
		}
	}
	x.mu.Unlock()
	present := make(map[string]bool)
	err := guarded(func() error {
		return x.tx.View(func(tx *bbolt.Tx) error {
			c := tx.Bucket(b.name()).Cursor()
			for k, _ := c.Seek([]byte(prefix)); k != nil && bytes.HasPrefix(k, []byte(prefix)); k, _ = c.Next() {
				present[string(k)] = true
			}
			return nil
		})
	})
	if err != nil {
		x.log.Error("reading the fragment index", "err", err)
	}
	maps.Copy(present, changed)
	maps.DeleteFunc(present, func(_ string, there bool) bool { return !there })
	return slices.Sorted(maps.Keys(present))
}

// flush writes what waits in one transaction, synced. What could not be written keeps waiting.
func (x *index) flush() error {
	x.flushing.Lock()
	defer x.flushing.Unlock()

	x.mu.Lock()
	batch := x.waiting
	if len(batch) == 0 || x.damaged != nil {
		defer x.mu.Unlock()
		return x.damaged
	}
	x.waiting, x.writing = make(map[slot][]byte), batch
	x.mu.Unlock()

	err := x.update(func(tx *bbolt.Tx) error { return write(tx, batch) })

	x.mu.Lock()
	x.writing = nil
	if err == nil {
		x.failures = 0
	} else {
		x.failures++
		for s, v := range batch {
			if _, newer := x.waiting[s]; !newer {
				x.waiting[s] = v
			}
		}
	}
	first := x.failures == 1
	if err != nil {
		err = fmt.Errorf("writing the fragment index: %w", err)
	}
	if errors.Is(err, errIndexDamaged) {
		x.damaged = err
	}
	x.mu.Unlock()
	if err != nil {
		if first { // not again every second while the disk is full
			x.log.Error("the fragment index is behind, and will be tried again", "err", err)
		}
	}
	return err
}

// update makes a transaction that writes, and counts its pages: those that were allocated for it, and the one with
// which bbolt ends it.
func (x *index) update(fn func(*bbolt.Tx) error) error {
	return guarded(func() error {
		var tx *bbolt.Tx
		err := x.tx.Update(func(t *bbolt.Tx) error { tx = t; return fn(t) })
		if tx != nil {
			stats := tx.Stats()
			x.written.Add(stats.GetPageAlloc() + x.page)
		}
		return err
	})
}

// write applies a batch in key order, which keeps bbolt's pages together.
func write(tx *bbolt.Tx, batch map[slot][]byte) error {
	order := slices.SortedFunc(maps.Keys(batch), func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.bucket, b.bucket), cmp.Compare(a.key, b.key))
	})
	for _, s := range order {
		b, v := tx.Bucket(s.bucket.name()), batch[s]
		var err error
		if v == nil {
			err = b.Delete([]byte(s.key))
		} else {
			err = b.Put([]byte(s.key), v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// txid returns the number of the last transaction that was written.
func (x *index) txid() (id int, err error) {
	err = guarded(func() error {
		return x.tx.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil })
	})
	return id, err
}

// close ends the loop, writes what waits and calls last, if all could be written, before it lets go of the file.
func (x *index) close(last func(txid int) error) error {
	close(x.stop)
	<-x.done
	err := x.flush()
	if err == nil {
		var id int
		if id, err = x.txid(); err == nil {
			err = last(id)
		}
	}
	if errors.Is(err, errIndexDamaged) {
		// The transaction that failed may still have the database's locks: let go of the file only.
		return also(err, x.file.Close())
	}
	return also(err, x.db.Close())
}

// guarded runs fn and turns a panic or a memory fault into an error: bbolt maps its file and trusts it, and a file
// that was cut short or edited must not end the whole agent.
func guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errIndexDamaged, p)
		}
	}()
	return fn()
}
