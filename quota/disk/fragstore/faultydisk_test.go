package fragstore

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"go.etcd.io/bbolt"
)

// operation is a kind of thing that is asked of a disk.
type operation uint16

const (
	opOpen operation = 1 << iota
	opCreate
	opMkdir
	opRename
	opRemove
	opStat
	opList
	opRead
	opWrite
	opSync
	opClose
	opPreallocate
	opView
	opUpdate
	opAll operation = 1<<iota - 1

	opChange = opCreate | opMkdir | opRename | opRemove | opWrite | opSync | opClose | opPreallocate | opUpdate
)

// fault is a way for a disk to fail.
type fault struct {
	name string
	at   operation // which operations it befalls
	err  error
	late bool // the operation is done, and then reported to have failed
	half bool // half of what is to be written is written
}

var faults = []fault{
	{name: "EIO", at: opAll, err: syscall.EIO},
	{name: "ENOSPC", at: opCreate | opMkdir | opRename | opWrite | opSync | opPreallocate | opUpdate, err: syscall.ENOSPC},
	{name: "EROFS", at: opChange &^ (opSync | opClose), err: syscall.EROFS},
	{name: "short", at: opWrite, err: syscall.ENOSPC, half: true},
	{name: "late", at: opChange &^ opPreallocate, err: syscall.EIO, late: true},
}

// faultyDisk fails at the first operation after nth others that its fault befalls, and at no other, or at all that
// follow.
type faultyDisk struct {
	fault
	nth     int
	lasting bool

	mu    sync.Mutex
	count int
	off   bool
}

func (d *faultyDisk) repair() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
}

// do does an operation, or not.
func (d *faultyDisk) do(op operation, fn func() error) error {
	d.mu.Lock()
	fails := false
	if !d.off && d.at&op != 0 {
		fails = d.count == d.nth || d.lasting && d.count > d.nth
		d.count++
	}
	d.mu.Unlock()
	if fails && !d.late {
		return d.err
	}
	if err := fn(); err != nil || !fails {
		return err
	}
	return d.err
}

func (d *faultyDisk) open(dir string) (_ directory, err error) {
	var opened directory
	if err := d.do(opMkdir, func() (err error) { opened, err = osDisk{}.open(dir); return err }); err != nil {
		if opened != nil {
			opened.Close()
		}
		return nil, err
	}
	return faultyDirectory{opened, d}, nil
}

func (d *faultyDisk) transactions(db *bbolt.DB) transactions { return faultyTransactions{db, d} }

type faultyTransactions struct {
	db *bbolt.DB
	d  *faultyDisk
}

func (t faultyTransactions) View(fn func(*bbolt.Tx) error) error {
	return t.d.do(opView, func() error { return t.db.View(fn) })
}

func (t faultyTransactions) Update(fn func(*bbolt.Tx) error) error {
	return t.d.do(opUpdate, func() error { return t.db.Update(fn) })
}

type faultyDirectory struct {
	directory
	d *faultyDisk
}

func (r faultyDirectory) Open(name string) (file, error) { return r.OpenFile(name, os.O_RDONLY, 0) }

func (r faultyDirectory) OpenFile(name string, flag int, mode os.FileMode) (file, error) {
	op := opOpen
	if flag&os.O_CREATE != 0 {
		op = opCreate
	}
	var f file
	if err := r.d.do(op, func() (err error) { f, err = r.directory.OpenFile(name, flag, mode); return err }); err != nil {
		if f != nil {
			f.Close()
		}
		return nil, err
	}
	return faultyFile{f, r.d}, nil
}

func (r faultyDirectory) OpenRoot(name string) (directory, error) {
	var opened directory
	if err := r.d.do(opOpen, func() (err error) { opened, err = r.directory.OpenRoot(name); return err }); err != nil {
		return nil, err
	}
	return faultyDirectory{opened, r.d}, nil
}

func (r faultyDirectory) MkdirAll(name string, mode os.FileMode) error {
	return r.d.do(opMkdir, func() error { return r.directory.MkdirAll(name, mode) })
}

func (r faultyDirectory) Rename(from, to string) error {
	return r.d.do(opRename, func() error { return r.directory.Rename(from, to) })
}

func (r faultyDirectory) Remove(name string) error {
	return r.d.do(opRemove, func() error { return r.directory.Remove(name) })
}

func (r faultyDirectory) Lstat(name string) (fi os.FileInfo, err error) {
	err = r.d.do(opStat, func() error { fi, err = r.directory.Lstat(name); return err })
	return fi, err
}

func (r faultyDirectory) Stat(name string) (fi os.FileInfo, err error) {
	err = r.d.do(opStat, func() error { fi, err = r.directory.Stat(name); return err })
	return fi, err
}

func (r faultyDirectory) Close() error { return r.d.do(opClose, r.directory.Close) }

type faultyFile struct {
	file
	d *faultyDisk
}

func (f faultyFile) ReadDir(n int) (entries []fs.DirEntry, err error) {
	err = f.d.do(opList, func() error { entries, err = f.file.ReadDir(n); return err })
	return entries, err
}

func (f faultyFile) Stat() (fi os.FileInfo, err error) {
	err = f.d.do(opStat, func() error { fi, err = f.file.Stat(); return err })
	return fi, err
}

func (f faultyFile) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.d.do(opRead, func() error { n, err = f.file.ReadAt(p, off); return err })
	return n, err
}

func (f faultyFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.d.do(opWrite, func() error { n, err = f.file.WriteAt(p, off); return err })
	switch {
	case n > 0 && f.d.late && errors.Is(err, f.d.err):
		n = 0
	case n == 0 && f.d.half && errors.Is(err, f.d.err):
		n, _ = f.file.WriteAt(p[:len(p)/2], off)
	}
	return n, err
}

func (f faultyFile) Sync() error { return f.d.do(opSync, f.file.Sync) }

// Close closes the file in any case, as the system does.
func (f faultyFile) Close() error {
	done := false
	err := f.d.do(opClose, func() error { done = true; return f.file.Close() })
	if !done {
		f.file.Close()
	}
	return err
}

func (f faultyFile) preallocate(length int64) (done bool, err error) {
	err = f.d.do(opPreallocate, func() error { done, err = f.file.preallocate(length); return err })
	return done, err
}
