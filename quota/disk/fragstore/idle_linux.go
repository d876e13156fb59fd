package fragstore

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// idleThreads is how many fragments are hashed and synced at a time. Syncs that come together share the work of a
	// journal.
	idleThreads = 4
	// aheadThreads is how many threads start reading ahead: that is quick, and must not wait for a sync.
	aheadThreads = 1
)

// ioprio_set(2) has no wrapper, and its constants are in no header that is open to programs.
const (
	ioprioWhoProcess = 1 // and of that, 0 is the calling thread
	ioprioClassIdle  = 3
	ioprioClassShift = 13
)

// idle runs functions on a few threads of its own, whose I/O is done when nobody else has any. They start when they are
// needed. Where the kernel refuses the priority, the functions run all the same, like others.
type idle struct {
	most int // threads

	mu      sync.Mutex // guards the fields below
	threads int
	busy    int         // functions that are running or waiting
	jobs    chan func() // made with the first thread
	closed  bool
	ended   sync.WaitGroup
}

// run runs fn and waits for it. After close, fn runs on the caller's thread.
func (d *idle) run(fn func()) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		fn()
		return
	}
	if d.jobs == nil {
		d.jobs = make(chan func())
	}
	if d.busy++; d.busy > d.threads && d.threads < d.most {
		d.threads++
		d.ended.Go(d.thread)
	}
	d.mu.Unlock()
	done := make(chan struct{})
	d.jobs <- func() { defer close(done); fn() }
	<-done
	d.mu.Lock()
	d.busy--
	if d.closed && d.busy == 0 {
		close(d.jobs)
	}
	d.mu.Unlock()
}

// thread is never unlocked from its goroutine, so it ends with it: no other goroutine inherits the priority.
func (d *idle) thread() {
	runtime.LockOSThread()
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, ioprioWhoProcess, 0, ioprioClassIdle<<ioprioClassShift)
	for fn := range d.jobs {
		fn()
	}
}

// close waits for what runs, and ends the threads.
func (d *idle) close() {
	d.mu.Lock()
	if d.jobs != nil && !d.closed && d.busy == 0 {
		close(d.jobs)
	}
	d.closed = true
	d.mu.Unlock()
	d.ended.Wait()
}

// cached reports whether a range of a file is known to be in the page cache. Asking reads nothing, unlike reading with
// RWF_NOWAIT, which starts to read ahead. Linux before 6.5 cannot tell.
func cached(f *os.File, off, n int64) bool {
	page := int64(os.Getpagesize())
	from, to := off/page*page, roundUp(off+n, page)
	var stat unix.Cachestat_t
	err := onDescriptor(f, func(fd int) error {
		return unix.Cachestat(uint(fd), &unix.CachestatRange{Off: uint64(from), Len: uint64(to - from)}, &stat, 0)
	})
	return err == nil && int64(stat.Cache) >= (to-from)/page
}

// readAhead makes the kernel start to read a range of a file into the page cache.
func readAhead(f *os.File, off, n int64) { advise(f, off, n, unix.FADV_WILLNEED) }

// uncache takes the whole pages of a range out of the page cache.
func uncache(f *os.File, off, n int64) { advise(f, off, n, unix.FADV_DONTNEED) }

// advise gives advice, which may be ignored.
func advise(f *os.File, off, n int64, advice int) {
	_ = onDescriptor(f, func(fd int) error { return unix.Fadvise(fd, off, n, advice) })
}

// onDescriptor calls fn with f's descriptor, which is not closed meanwhile.
func onDescriptor(f *os.File, fn func(fd int) error) (err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if controlErr := raw.Control(func(fd uintptr) { err = fn(int(fd)) }); controlErr != nil {
		return controlErr
	}
	return err
}
