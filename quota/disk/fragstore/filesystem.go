package fragstore

import (
	"io"
	"io/fs"
	"os"

	"go.etcd.io/bbolt"
)

// The store reaches the file system through the types of this file, and nothing else. Tests put others in their place
// that fail at a chosen operation.

// disk opens directories, and decides what becomes of the index's transactions.
type disk interface {
	open(dir string) (directory, error) // makes it, if it is missing
	transactions(db *bbolt.DB) transactions
}

// transactions are those of a bbolt database.
type transactions interface {
	View(fn func(*bbolt.Tx) error) error
	Update(fn func(*bbolt.Tx) error) error
}

// directory is an open directory. As with os.Root, no name and no link leads out of it.
type directory interface {
	Open(name string) (file, error)
	OpenFile(name string, flag int, mode os.FileMode) (file, error)
	OpenRoot(name string) (directory, error)
	MkdirAll(name string, mode os.FileMode) error
	Rename(from, to string) error
	Remove(name string) error
	Lstat(name string) (os.FileInfo, error)
	Stat(name string) (os.FileInfo, error)
	Close() error
}

// file is an open file or directory.
type file interface {
	io.ReaderAt
	io.WriterAt
	ReadDir(n int) ([]fs.DirEntry, error)
	Stat() (os.FileInfo, error)
	Sync() error
	Close() error

	preallocate(length int64) (bool, error) // see the function of that name
	plain() *os.File                        // for sendfile and advice to the kernel
}

type osDisk struct{}

func (osDisk) open(dir string) (directory, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return osDirectory{root}, nil
}

func (osDisk) transactions(db *bbolt.DB) transactions { return db }

type osDirectory struct{ *os.Root }

func (d osDirectory) Open(name string) (file, error) {
	return d.OpenFile(name, os.O_RDONLY, 0)
}

func (d osDirectory) OpenFile(name string, flag int, mode os.FileMode) (file, error) {
	f, err := d.Root.OpenFile(name, flag, mode)
	if err != nil {
		return nil, err // and not a file that is not nil and holds nil
	}
	return osFile{f}, nil
}

func (d osDirectory) OpenRoot(name string) (directory, error) {
	root, err := d.Root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return osDirectory{root}, nil
}

type osFile struct{ *os.File }

func (f osFile) preallocate(length int64) (bool, error) { return preallocate(f.File, length) }

func (f osFile) plain() *os.File { return f.File }
