package foreground

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cenkalti/rain/v2/torrent"

	"ebb/agent/swarm"
)

// Modes of what is made for a download; the umask takes from them what the owner wants it to.
const (
	directoryMode = 0o777
	fileMode      = 0o666
)

// useStorage has rain keep its files in ours. The types of rain's field are internal, so they are inferred from it.
func useStorage(cfg *torrent.Config, files *diskFiles) {
	cfg.CustomStorage = newProvider(cfg.CustomStorage, files)
}

// provider is rain's storage.Provider: S is its Storage, F its File.
type provider[S, F any] struct{ files *diskFiles }

// newProvider returns a provider of the types of its first argument, which is not used otherwise.
func newProvider[
	P interface{ GetStorage(string) (S, error) },
	S interface {
		Open(string, int64) (F, bool, error)
		RootDir() string
	},
	F any,
](_ P, files *diskFiles) provider[S, F] {
	return provider[S, F]{files}
}

// GetStorage returns where the files of a torrent are. rain calls torrents as we do: by their info-hash.
func (p provider[S, F]) GetStorage(id string) (S, error) {
	return any(rainStorage[F]{p.files, id}).(S), nil
}

// rainStorage is rain's storage.Storage.
type rainStorage[F any] struct {
	files *diskFiles
	id    string
}

// RootDir returns the directory that all files are below.
func (s rainStorage[F]) RootDir() string { return s.files.directory }

// Open makes a file if it does not exist, at full length. It leaves no descriptor open: see pool.
func (s rainStorage[F]) Open(name string, size int64) (file F, exists bool, err error) {
	h, err := swarm.ParseInfoHash(s.id)
	if err != nil {
		return file, false, fmt.Errorf("opening files of %s: %w", s.id, err)
	}
	opened, exists, err := s.files.open(h, name, size)
	if err != nil {
		return file, exists, err
	}
	return any(opened).(F), exists, nil
}

// diskFiles are the files of all downloads.
type diskFiles struct {
	directory string
	pool      *pool
}

// open returns a file of a download, which is made if it does not exist. exists says that it did.
func (d *diskFiles) open(_ swarm.InfoHash, name string, size int64) (*pooledFile, bool, error) {
	f := &pooledFile{pool: d.pool, directory: d.directory, path: name}
	root, err := os.OpenRoot(f.directory)
	if err != nil {
		return nil, false, err
	}
	defer root.Close()
	made, err := makeFile(root, file{path: name, length: size})
	if err != nil {
		return nil, !made, err
	}
	return f, !made, nil
}

// makeFile makes one file at full length, sparse, if it does not exist. One that does has that length, or none yet: a
// crash came between making it and that. Nothing is written to it otherwise, so it may be one that can only be read.
func makeFile(root *os.Root, f file) (made bool, err error) {
	fi, err := root.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case !fi.Mode().IsRegular() || fi.Size() != 0 && fi.Size() != f.length:
		return false, fmt.Errorf("%w: %s exists and is not what was downloaded", ErrInTheWay, f.path)
	case fi.Size() == f.length:
		return false, nil
	}
	made = err != nil
	if made {
		if err := root.MkdirAll(filepath.Dir(f.path), directoryMode); err != nil {
			return false, err
		}
	}
	flags := os.O_RDWR
	if made {
		flags |= os.O_CREATE | os.O_EXCL
	}
	opened, err := root.OpenFile(f.path, flags, fileMode)
	if err != nil {
		return false, err
	}
	return made, errors.Join(opened.Truncate(f.length), opened.Close())
}

// openData opens a file for rain: to read and write, and to read if that is all that is allowed, as when the owner
// shares what belongs to somebody else. What is written is on disk when the write returns: rain's marks must not be
// ahead of the files.
func openData(directory, path string) (*os.File, error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(path, os.O_RDWR|os.O_SYNC, 0)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errReadOnly) {
		f, err = root.OpenFile(path, os.O_RDONLY, 0)
	}
	if err != nil {
		return nil, err
	}
	noReadAhead(f)
	return f, nil
}
