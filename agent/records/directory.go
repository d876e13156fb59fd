package records

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// AddressFile says where the page is, such as http://127.0.0.1:8088/, while the agent runs.
const AddressFile = "api-address"

// Directory is the directory in which the agent keeps everything that must
// survive a restart. Only one agent works on it at a time.
//
//	lock            held while the agent runs
//	api-token       the secret of the HTTP API
//	password        the hash of the owner's password, if there is one
//	api-tokens      the hashes of tokens that the owner has made for programs, if there are any
//	api-address     where the page is, while the agent runs
//	api.sock        where the commands find the HTTP API, while the agent runs
//	fragments/      fragments of background swarms
//	fragments.db    their index, and the records of the swarms
//	foreground.db   rain's database of the owner's torrents
//	mounts          which file systems hold the fragments and the downloads: Mounts
//	dht-nodes       DHT nodes to start from
//	downloads/      the owner's downloads, unless foreground.directory says otherwise
type Directory struct {
	Path string
	lock *os.File
}

// OpenDirectory creates the directory if need be and locks it. Every error says what to do.
func OpenDirectory(path string) (*Directory, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("state directory %s cannot be created (%w): choose another with -state, or with directory in the section [state] of ebb.toml", path, cause(err))
	}
	s := &Directory{Path: path}
	f, err := os.OpenFile(s.File("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state directory %s cannot be written (%w): %s", path, cause(err), advice(err))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another ebb is running on the state directory %s: stop it first, or give this one a directory of its own with -state", path)
		}
		return nil, fmt.Errorf("locking %s: %w", s.File("lock"), err)
	}
	s.lock = f
	return s, nil
}

// File is the path of a file in the directory.
func (s *Directory) File(name string) string { return filepath.Join(s.Path, name) }

// Downloads is the directory for the owner's downloads. When it is made, which this does, those whom its mode lets in may
// pass through the state directory, too; nobody else than its owner may list that, or read anything in it.
func (s *Directory) Downloads() string {
	path := s.File("downloads")
	if os.Mkdir(path, 0o777) != nil {
		return path // it is there; and who works in it says what is wrong, if something is
	}
	made, err := os.Stat(path)
	if err != nil {
		return path
	}
	if home, err := os.Stat(s.Path); err == nil {
		_ = os.Chmod(s.Path, home.Mode().Perm()|made.Mode().Perm()&passing) // else the owner has to
	}
	return path
}

// passing is what a mode says of who else may pass through a directory.
const passing = 0o011

// Close lets another agent have the directory.
func (s *Directory) Close() error {
	err := os.Remove(s.File(AddressFile))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, s.lock.Close())
}

// WriteAddress writes down where the page is.
func (s *Directory) WriteAddress(url string) error {
	temporary := s.File(AddressFile + ".new")
	if err := os.WriteFile(temporary, []byte(url+"\n"), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", temporary, err)
	}
	return os.Rename(temporary, s.File(AddressFile))
}

// cause strips the operation and path that the os package puts before an
// error, where the message around it names them already.
func cause(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// advice says what the owner can do about an error of the file system.
func advice(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "the disk is full; free some space and start again"
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS):
		return "give the user that runs ebb the right to write there, or choose another directory"
	default:
		return "check the disk, or choose another directory"
	}
}

// OpenError explains why a part of the state could not be opened, in one line.
func OpenError(what string, err error) error {
	if strings.Contains(err.Error(), "\n") {
		err = errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return fmt.Errorf("%s: %w: %s", what, err, advice(err))
}
