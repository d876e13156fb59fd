package fragstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ebb/agent/swarm"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

const (
	// indexFormat is what is written; oldestFormat can still be read, and becomes the present one with the first
	// change. An older ebb must not open the newer one: it would take every entry for nonsense, and delete the
	// fragments.
	indexFormat  = 2
	oldestFormat = 1
	// lockWait is how long another process may take to let go of the index, for instance on a restart.
	lockWait = time.Second
	// indexGrowth is the step in which the index file grows, in bytes. bbolt's own 16 MiB is much on a router.
	indexGrowth = 1 << 20
)

var errIndexDamaged = errors.New("fragment index is damaged")

// contents is what an index says when it is opened.
type contents struct {
	db      *bbolt.DB
	tx      transactions // db's
	file    *os.File     // db's
	table   table
	format  byte
	epoch   uint32
	txid    int
	invalid [][]byte // keys of entries that make no sense
	stale   []Key    // entries without a file
}

// openIndex opens or creates the index and reads it. One that is damaged is set aside and replaced by an
// empty one: the fragments can be fetched again.
func openIndex(d disk, home directory, path string, log *slog.Logger) (*contents, error) {
	c, err := readIndex(d, path)
	if !errors.Is(err, errIndexDamaged) {
		return c, err
	}
	name := filepath.Base(path)
	if renameErr := home.Rename(name, name+".damaged"); renameErr != nil {
		return nil, also(err, explainDisk(renameErr))
	}
	log.Error("the fragment index was damaged; starting with an empty one: all fragments go", "err", err, "set_aside_as", path+".damaged")
	return readIndex(d, path)
}

func readIndex(d disk, path string) (*contents, error) {
	if err := checkSound(path); err != nil {
		return nil, err
	}
	c := &contents{table: newTable()}
	err := guarded(func() (err error) {
		c.db, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:      lockWait,
			FreelistType: bbolt.FreelistMapType,
			NoStatistics: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				c.file, err = os.OpenFile(name, flag, mode)
				return c.file, err
			},
		})
		if err != nil {
			return explainIndex(path, err)
		}
		c.db.AllocSize = indexGrowth
		c.tx = d.transactions(c.db)
		if err := createBuckets(c.tx); err != nil {
			return fmt.Errorf("preparing the fragment index %s: %w", path, explainDisk(err))
		}
		return c.load()
	})
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, errIndexDamaged) && c.file != nil:
		// A database that failed half-way may keep its own locks for ever: let go of the file only.
		return nil, also(err, ignoreClosed(c.file.Close()))
	case c.db != nil:
		return nil, also(err, c.db.Close())
	}
	return nil, err
}

func ignoreClosed(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

// explainIndex says what to do about an index that cannot be opened.
func explainIndex(path string, err error) error {
	switch {
	case errors.Is(err, bbolterrors.ErrTimeout):
		return fmt.Errorf("fragment index %s is in use by another process: stop the other ebb, or give this one a state directory of its own", path)
	case errors.Is(err, bbolterrors.ErrInvalid), errors.Is(err, bbolterrors.ErrChecksum), errors.Is(err, bbolterrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %s: %w", errIndexDamaged, path, err)
	}
	// Whatever is not a system call's complaint is about what the file says.
	var pathErr *fs.PathError
	var sysErr *os.SyscallError
	if !errors.As(err, &pathErr) && !errors.As(err, &sysErr) && !isErrno(err) {
		return fmt.Errorf("%w: %s: %w", errIndexDamaged, path, err)
	}
	return fmt.Errorf("opening the fragment index: %w", explainDisk(err))
}

// createBuckets writes to a new index only: an old one must open on a full disk too.
func createBuckets(db transactions) error {
	complete := false
	if err := db.View(func(tx *bbolt.Tx) error {
		complete = tx.Bucket(storeBucket.name()) != nil
		return nil
	}); err != nil || complete {
		return err
	}
	return db.Update(func(tx *bbolt.Tx) error {
		for b := range buckets {
			if _, err := tx.CreateBucketIfNotExists(b.name()); err != nil {
				return err
			}
		}
		return tx.Bucket(storeBucket.name()).Put([]byte("format"), []byte{indexFormat})
	})
}

func (c *contents) load() error {
	return c.tx.View(func(tx *bbolt.Tx) error {
		if fi, err := c.file.Stat(); err != nil {
			return err
		} else if fi.Size() < tx.Size() {
			return fmt.Errorf("%w: it is %d bytes long and says that it has %d", errIndexDamaged, fi.Size(), tx.Size())
		}
		for b := range buckets {
			if tx.Bucket(b.name()) == nil {
				return fmt.Errorf("%w: it has no %s", errIndexDamaged, b.name())
			}
		}
		store := tx.Bucket(storeBucket.name())
		format := store.Get([]byte("format"))
		if len(format) != 1 || format[0] < oldestFormat || format[0] > indexFormat {
			return fmt.Errorf("fragment index %s has format %v, this ebb knows %d to %d only: use the ebb that wrote it, or delete the file (and with it the fragments)",
				c.db.Path(), format, oldestFormat, indexFormat)
		}
		c.format = format[0]
		if epoch := store.Get([]byte("epoch")); len(epoch) == 4 {
			c.epoch = binary.BigEndian.Uint32(epoch)
		}
		c.txid = tx.ID()
		if err := c.loadFragments(tx.Bucket(fragmentsBucket.name())); err != nil {
			return err
		}
		// Walk the rest too, so that damage shows now and not in the middle of the night.
		for _, b := range []bucket{swarmsBucket, metadataBucket, metaBucket} {
			if err := tx.Bucket(b.name()).ForEach(func(_, _ []byte) error { return nil }); err != nil {
				return err
			}
		}
		return nil
	})
}

// loadFragments fills the table. The keys come sorted: a swarm's fragments are together and in order.
func (c *contents) loadFragments(b *bbolt.Bucket) error {
	var hash swarm.InfoHash
	var entries []entry
	finish := func() {
		if len(entries) > 0 {
			c.table.swarms[hash] = &holding{entries: slices.Clone(entries)}
			c.table.entries += len(entries)
			entries = entries[:0]
		}
	}
	err := b.ForEach(func(key, value []byte) error {
		k, e, ok := parseFragment(key, value, c.epoch)
		if !ok {
			c.invalid = append(c.invalid, slices.Clone(key))
			return nil
		}
		if k.Hash != hash {
			finish()
			hash = k.Hash
		}
		entries = append(entries, e)
		return nil
	})
	finish()
	return err
}
