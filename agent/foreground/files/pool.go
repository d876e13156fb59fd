package files

import (
	"container/list"
	"errors"
	"io/fs"
	"os"
	"sync"
)

const (
	// maxPooled is how many files are open for all downloads together. A torrent may have thousands, of which a few are
	// read and written at any time.
	maxPooled = 64
	// minPooled is how many are open where few descriptors are allowed.
	minPooled = 8
	// pooledShare is the part of the allowed descriptors that files may have at most: the rest is for peers.
	pooledShare = 8
)

// pool bounds how many files are open. When it is full, the one that has been idle longest is closed, and opened again
// when it is wanted; when none is idle, whoever wants one waits. Its methods may be called at the same time.
type pool struct {
	limit int

	mu      sync.Mutex // guards the rest, and the files' own state; not held while a file is opened
	changed *sync.Cond
	idle    *list.List // of *Pooled that are open and not in use, longest idle first
	open    int        // files that are open, or being opened
}

func newPool(limit int) *pool {
	p := &pool{limit: limit, idle: list.New()}
	p.changed = sync.NewCond(&p.mu)
	return p
}

// poolLimit returns how many files may be open if the process may have that many descriptors.
func poolLimit(descriptors uint64) int {
	return int(min(max(descriptors/pooledShare, minPooled), maxPooled))
}

// Pooled is a file that is open while it is used, and for a while after. It is rain's storage.File.
type Pooled struct {
	pool            *pool
	directory, path string

	// guarded by pool.mu
	file    *os.File // nil if it is not open
	users   int
	idle    *list.Element // in pool.idle
	opening bool
	closed  bool
}

// ReadAt reads from the file, see io.ReaderAt.
func (f *Pooled) ReadAt(b []byte, off int64) (int, error) {
	file, err := f.acquire()
	if err != nil {
		return 0, err
	}
	defer f.unpin()
	n, err := file.ReadAt(b, off)
	uncache(file, off, int64(n))
	return n, err
}

// WriteAt writes to the file, see io.WriterAt.
func (f *Pooled) WriteAt(b []byte, off int64) (int, error) {
	file, err := f.acquire()
	if err != nil {
		return 0, err
	}
	defer f.unpin()
	n, err := file.WriteAt(b, off)
	uncache(file, off, int64(n))
	return n, err
}

// Close ends the use of the file; what is under way is finished.
func (f *Pooled) Close() error {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	f.closed = true
	if f.idle == nil {
		return nil
	}
	return f.pool.evict(f)
}

// acquire returns the file, open; release must follow.
func (f *Pooled) acquire() (*os.File, error) {
	p := f.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case f.closed:
			return nil, fs.ErrClosed
		case f.file != nil:
			f.users++
			if f.idle != nil {
				p.idle.Remove(f.idle)
				f.idle = nil
			}
			return f.file, nil
		case !f.opening && (p.open < p.limit || p.idle.Len() > 0):
			if err := f.reopen(); err != nil {
				return nil, err
			}
		default:
			p.changed.Wait()
		}
	}
}

// reopen opens the file, in place of one that is idle if there is no room. The caller holds the pool's mu, which is let
// go meanwhile.
func (f *Pooled) reopen() error {
	p := f.pool
	var closing error
	if p.open >= p.limit {
		closing = p.evict(p.idle.Front().Value.(*Pooled))
	}
	p.open++
	f.opening = true
	p.mu.Unlock()
	file, err := openData(f.directory, f.path)
	p.mu.Lock()
	f.opening = false
	if err != nil {
		p.open--
		p.changed.Broadcast()
		return errors.Join(err, closing)
	}
	f.file = file
	f.users++ // nobody may take it away before it is used
	f.leave()
	return nil
}

// unpin ends what acquire began.
func (f *Pooled) unpin() {
	f.pool.mu.Lock()
	defer f.pool.mu.Unlock()
	f.leave()
}

// leave makes the file idle if nobody uses it. The caller holds the pool's mu.
func (f *Pooled) leave() {
	p := f.pool
	if f.users--; f.users > 0 {
		return
	}
	f.idle = p.idle.PushBack(f)
	if f.closed {
		_ = p.evict(f) // everything that was written is on disk
	}
	p.changed.Broadcast()
}

// evict closes a file that is idle. The caller holds mu.
func (p *pool) evict(f *Pooled) error {
	p.idle.Remove(f.idle)
	file := f.file
	f.idle, f.file = nil, nil
	p.open--
	p.changed.Broadcast()
	return file.Close()
}

// openData opens a file to read and write, and to read if that is all that is allowed, as when the owner shares what
// belongs to somebody else. What is written is on disk when the write returns: nobody may mark a piece as held before
// that.
func openData(directory, path string) (*os.File, error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(path, os.O_RDWR|os.O_SYNC, 0)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrReadOnly) {
		f, err = root.OpenFile(path, os.O_RDONLY, 0)
	}
	if err != nil {
		return nil, err
	}
	noReadAhead(f)
	return f, nil
}
