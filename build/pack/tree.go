package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// file is a file, or a directory, of a package. All of them belong to root.
type file struct {
	name string // as in usr/bin/ebb; of a directory too
	mode uint32 // of tar: permissions only
	dir  bool
	data []byte
}

// tree is the files of a package, with the directories that they are in.
type tree []file

// add adds a file, and the directories above it.
func (t *tree) add(name string, mode uint32, data []byte) {
	t.mkdir(path.Dir(name))
	*t = append(*t, file{name: name, mode: mode, data: data})
}

// mkdir adds a directory, and those above it.
func (t *tree) mkdir(name string) {
	if name == "." || slices.ContainsFunc(*t, func(f file) bool { return f.name == name }) {
		return
	}
	t.mkdir(path.Dir(name))
	*t = append(*t, file{name: name, mode: 0o755, dir: true})
}

// source is a file for a tree that lies in the repository or among what was built.
type source struct {
	from, name string
	mode       uint32
}

func (t *tree) read(sources ...source) error {
	for _, s := range sources {
		data, err := os.ReadFile(s.from)
		if err != nil {
			return err
		}
		t.add(s.name, s.mode, data)
	}
	return nil
}

// sorted is the tree with a directory before what is in it.
func (t tree) sorted() tree {
	return slices.SortedFunc(slices.Values(t), func(a, b file) int { return strings.Compare(a.name, b.name) })
}

// size is the number of bytes in files.
func (t tree) size() (n int) {
	for _, f := range t {
		n += len(f.data)
	}
	return n
}

// tar writes the tree, with a prefix such as "./" before each name.
func (t tree) tar(w io.Writer, prefix string, when time.Time) error {
	out := tar.NewWriter(w)
	for _, f := range t.sorted() {
		h := &tar.Header{
			Name: prefix + f.name, Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: when, Format: tar.FormatGNU,
			Typeflag: tar.TypeReg, Uname: "root", Gname: "root",
		}
		if f.dir {
			h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
		}
		if err := out.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if _, err := out.Write(f.data); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return out.Close()
}

// tarGz is the tree as a compressed tar.
func (t tree) tarGz(prefix string, when time.Time) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression) // names no file and no time
	if err != nil {
		return nil, err
	}
	if err := t.tar(z, prefix, when); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
