package fragstore

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"

	"ebb/agent/swarm"

	"golang.org/x/sync/errgroup"
)

// walkers is how many directories of swarms are gone through at a time: the kernel answers two cores faster than one,
// and a disk sorts several requests.
const walkers = 4

// visitor is told what is in the fragments directory. Its functions are called one at a time.
type visitor struct {
	// fragment gets a file with a fragment's name, by its directory and its name there.
	fragment func(k Key, in directory, name string, fi os.FileInfo) error
	// incoming gets a file with an incoming fragment's name.
	incoming func(in directory, name string, fi os.FileInfo) error
	// foreign gets the path of anything that is not ours. Nothing below it is looked at.
	foreign func(path string)
	// left is called after a directory of ours was gone through.
	left func(path string) error
}

// oneAtATime returns a visitor that several goroutines may tell.
func (v visitor) oneAtATime() visitor {
	var mu sync.Mutex
	return visitor{
		fragment: func(k Key, in directory, name string, fi os.FileInfo) error {
			mu.Lock()
			defer mu.Unlock()
			return v.fragment(k, in, name, fi)
		},
		incoming: func(in directory, name string, fi os.FileInfo) error {
			mu.Lock()
			defer mu.Unlock()
			return v.incoming(in, name, fi)
		},
		foreign: func(path string) {
			mu.Lock()
			defer mu.Unlock()
			v.foreign(path)
		},
		left: func(path string) error {
			mu.Lock()
			defer mu.Unlock()
			return v.left(path)
		},
	}
}

// walk goes through the whole tree. Links are foreign: they are not followed.
func walk(root directory, v visitor) error {
	v = v.oneAtATime()
	var group errgroup.Group
	group.SetLimit(walkers)
	err := eachEntry(root, func(e fs.DirEntry) error {
		switch {
		case e.IsDir() && e.Name() == incomingDir:
			return inside(root, e.Name(), e.Name(), v, v.walkIncoming)
		case e.IsDir() && isPrefix(e.Name()):
			group.Go(func() error { return inside(root, e.Name(), e.Name(), v, v.walkPrefix) })
		default:
			v.foreign(e.Name())
		}
		return nil
	})
	return also(err, group.Wait())
}

func (v visitor) walkPrefix(dir directory, e fs.DirEntry, prefix string) error {
	h, ok := parseHash(e.Name())
	if !ok || !e.IsDir() || prefixDir(h) != prefix {
		v.foreign(path.Join(prefix, e.Name()))
		return nil
	}
	return inside(dir, e.Name(), path.Join(prefix, e.Name()), v, func(dir directory, e fs.DirEntry, swarm string) error {
		return v.walkFragment(dir, e, swarm, h)
	})
}

func (v visitor) walkFragment(dir directory, e fs.DirEntry, swarm string, h swarm.InfoHash) error {
	index, ok := parseIndex(e.Name())
	if !ok || !e.Type().IsRegular() {
		v.foreign(path.Join(swarm, e.Name()))
		return nil
	}
	return withInfo(dir, e.Name(), func(fi os.FileInfo) error {
		return v.fragment(Key{h, index}, dir, e.Name(), fi)
	})
}

func (v visitor) walkIncoming(dir directory, e fs.DirEntry, in string) error {
	if _, ok := parseIncoming(e.Name()); !ok || !e.Type().IsRegular() {
		v.foreign(path.Join(in, e.Name()))
		return nil
	}
	return withInfo(dir, e.Name(), func(fi os.FileInfo) error {
		return v.incoming(dir, e.Name(), fi)
	})
}

// inside runs each on every entry of a directory of ours, whose full path below the root is given to it.
func inside(parent directory, name, full string, v visitor, each func(dir directory, e fs.DirEntry, full string) error) error {
	dir, err := parent.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has just gone
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := eachEntry(dir, func(e fs.DirEntry) error { return each(dir, e, full) }); err != nil {
		return err
	}
	return v.left(full)
}

func eachEntry(dir directory, each func(fs.DirEntry) error) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

func withInfo(dir directory, name string, use func(os.FileInfo) error) error {
	fi, err := dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it has just gone
	}
	if err != nil {
		return err
	}
	return use(fi)
}
