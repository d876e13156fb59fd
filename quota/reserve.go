package quota

import (
	"fmt"

	"github.com/anacrolix/torrent/metainfo"

	"ebb/quota/fragstore"
)

// NoSpaceError says that the disk cannot hold a foreground download, even without a single fragment.
type NoSpaceError struct {
	Missing int64 // bytes
}

func (e *NoSpaceError) Error() string {
	return fmt.Sprintf("not enough space on the disk: %d bytes are missing, with nothing left to reclaim", e.Missing)
}

// Reserve promises a foreground download the given bytes, none of which are on disk yet, in place of what it was
// promised before. Fragments are reclaimed as far as that takes. It is refused, with a *NoSpaceError, only if the disk
// lacks the space even when every fragment is gone; keep_free does not count against a foreground download. A
// download that cannot fit in any case costs no fragment.
func (l *Ledger) Reserve(h metainfo.Hash, bytes int64) error {
	l.making.Lock()
	keys, err := l.reserve(h, max(bytes, 0))
	l.making.Unlock()
	if len(keys) > 0 {
		l.reclaimed(keys, "room for a foreground download")
	}
	return err
}

func (l *Ledger) reserve(h metainfo.Hash, bytes int64) (keys []fragstore.Key, err error) {
	d := l.measure()
	if d.err != nil {
		return nil, fmt.Errorf("reserving %d bytes: measuring free space: %w", bytes, d.err)
	}
	l.mu.Lock()
	old := l.promises[h]
	l.promise(h, bytes) // from now on nobody else gets it
	b := l.balance(d)
	over, missing := l.over(b, 0), l.promised-b.free-b.onDisk
	l.mu.Unlock()
	if over > 0 && missing <= 0 {
		keys, _ = l.shrink(over)
		missing = l.missing() // more than nothing only if a disk in trouble has kept files that were to go
	}
	if missing <= 0 {
		return keys, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.promise(h, old)
	return keys, &NoSpaceError{Missing: missing}
}

// missing returns how many promised bytes the disk lacks, as far as that can be known.
func (l *Ledger) missing() int64 {
	d := l.measure()
	if d.err != nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.promised - l.returning.free(d)
}

// Promise says how many bytes of a foreground download are not on disk yet. It never refuses: what the owner's
// download has begun, it may finish. Run reclaims what that takes.
func (l *Ledger) Promise(h metainfo.Hash, remaining int64) {
	l.mu.Lock()
	grown := remaining > l.promises[h]
	l.promise(h, remaining)
	l.mu.Unlock()
	if grown {
		l.check()
	}
}

// Release takes a promise back: the download is complete, or gone.
func (l *Ledger) Release(h metainfo.Hash) { l.Promise(h, 0) }

// mostPromised bounds one promise, at 4 PiB, so that thousands of absurd ones can be added up.
const mostPromised = 1 << 52

// promise sets a promise. l.mu is held.
func (l *Ledger) promise(h metainfo.Hash, bytes int64) {
	bytes = min(bytes, mostPromised)
	l.promised -= l.promises[h]
	if bytes <= 0 {
		delete(l.promises, h)
		return
	}
	l.promises[h] = bytes
	l.promised += bytes
}
