package fragstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

// bbolt trusts its file: a page that was edited, or that flash has forgotten, can send it round in circles or have it
// ask for more memory than there is, and neither can be recovered from. So before bbolt gets to work, the structure of
// the file is gone through once, page by page: that takes some 10 ms for 100,000 fragments. The layout is that of bbolt
// 1.3 to 1.5.

const (
	boltMagic     = 0xED0CDAED
	boltVersion   = 2
	boltHeader    = 16 // of a page: number (8), kind (2), count (2), overflow (4)
	boltElement   = 16 // of a branch: position (4), key length (4), page (8); of a leaf: flags (4), position (4), lengths of key and value (4 each)
	boltMetaLen   = 64 // magic, version, page size, flags (4 each), root (8), sequence (8), free list (8), pages (8), transaction (8), checksum (8)
	boltBucketLen = 16 // of the value that is a bucket: root (8), sequence (8)
	boltDepth     = 32 // no sane tree is as deep
	boltMany      = 0xFFFF

	boltBranch, boltLeaf, boltFreelist = 1, 2, 16
	boltIsBucket                       = 1
)

var native = binary.NativeEndian

// checkSound returns errIndexDamaged if the structure of an index is not sound. It opens it for reading, with the lock
// that keeps other processes from writing meanwhile. A file that is not there, or empty, is sound.
func checkSound(path string) error {
	if fi, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && fi.Size() == 0 {
		return nil
	}
	var file *os.File
	err := guarded(func() (err error) {
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: lockWait, ReadOnly: true, NoStatistics: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				file, err = os.OpenFile(name, flag, mode)
				return file, err
			},
		})
		if err != nil {
			return explainIndex(path, err)
		}
		fi, err := file.Stat()
		if err == nil {
			err = (&soundness{file: file, length: fi.Size(), page: int64(db.Info().PageSize)}).check()
		}
		return also(err, db.Close())
	})
	if err != nil && file != nil {
		return also(err, ignoreClosed(file.Close())) // with its lock, should bbolt have given up half-way
	}
	return err
}

// soundness is one walk through an index.
type soundness struct {
	file   io.ReaderAt
	length int64  // of the file, bytes
	page   int64  // bytes
	pages  uint64 // that are in use or free
	seen   []bool // by page
	last   []byte // the last key met in the present bucket
}

func unsound(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errIndexDamaged, fmt.Sprintf(format, args...))
}

func (s *soundness) check() error {
	meta, err := s.meta()
	if err != nil {
		return err
	}
	root, free := native.Uint64(meta[16:]), native.Uint64(meta[32:])
	s.pages = native.Uint64(meta[40:])
	if s.pages < 2 || s.pages > uint64(s.length/s.page) {
		return unsound("it is %d bytes long and says that it has %d pages", s.length, s.pages)
	}
	s.seen = make([]bool, s.pages)
	s.seen[0], s.seen[1] = true, true
	if err := s.tree(root, 0); err != nil {
		return err
	}
	return s.freelist(free)
}

// meta returns the newer of the two pages that describe the file, as bbolt chooses it.
func (s *soundness) meta() ([]byte, error) {
	var newest []byte
	for at := range int64(2) {
		b := make([]byte, boltMetaLen)
		if _, err := s.file.ReadAt(b, at*s.page+boltHeader); err != nil && err != io.EOF {
			return nil, err
		}
		sum := fnv.New64a()
		sum.Write(b[:boltMetaLen-8])
		if native.Uint32(b) == boltMagic && native.Uint32(b[4:]) == boltVersion && native.Uint64(b[56:]) == sum.Sum64() &&
			(newest == nil || native.Uint64(b[48:]) > native.Uint64(newest[48:])) {
			newest = b
		}
	}
	if newest == nil {
		return nil, unsound("it has no description of itself")
	}
	return newest, nil
}

// read reads a page with what it overflows into, and marks it as seen.
func (s *soundness) read(id uint64, kinds ...uint16) (kind, count uint16, page []byte, err error) {
	if id < 2 || id >= s.pages {
		return 0, 0, nil, unsound("page %d is not one of its %d", id, s.pages)
	}
	var header [boltHeader]byte
	if _, err := s.file.ReadAt(header[:], int64(id)*s.page); err != nil {
		return 0, 0, nil, err
	}
	kind, count = native.Uint16(header[8:]), native.Uint16(header[10:])
	overflow := uint64(native.Uint32(header[12:]))
	if native.Uint64(header[:]) != id || id+overflow >= s.pages || !slices.Contains(kinds, kind) {
		return 0, 0, nil, unsound("page %d has the header %x", id, header)
	}
	for i := id; i <= id+overflow; i++ {
		if s.seen[i] {
			return 0, 0, nil, unsound("page %d is used twice", i)
		}
		s.seen[i] = true
	}
	page = make([]byte, (overflow+1)*uint64(s.page))
	_, err = s.file.ReadAt(page, int64(id)*s.page)
	return kind, count, page, err
}

// tree goes through a bucket's pages from a root on.
func (s *soundness) tree(id uint64, depth int) error {
	if depth > boltDepth {
		return unsound("its tree is too deep")
	}
	kind, count, page, err := s.read(id, boltBranch, boltLeaf)
	if err != nil {
		return err
	}
	if kind == boltLeaf {
		return s.leaf(page, count, depth)
	}
	if count == 0 {
		return unsound("page %d branches to nothing", id)
	}
	for i := range int(count) {
		at := boltHeader + i*boltElement
		if at+boltElement > len(page) {
			return unsound("page %d has too many branches", id)
		}
		key, ok := part(page, at, uint64(native.Uint32(page[at:])), uint64(native.Uint32(page[at+4:])))
		if !ok || i > 0 && bytes.Compare(s.last, key) >= 0 {
			return unsound("branch %d of page %d leads nowhere", i, id)
		}
		if err := s.tree(native.Uint64(page[at+8:]), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaf goes through the keys of a page, and through the buckets among their values.
func (s *soundness) leaf(page []byte, count uint16, depth int) error {
	for i := range int(count) {
		at := boltHeader + i*boltElement
		if at+boltElement > len(page) {
			return unsound("a page has too many keys")
		}
		flags, pos := native.Uint32(page[at:]), uint64(native.Uint32(page[at+4:]))
		keyLen, valueLen := uint64(native.Uint32(page[at+8:])), uint64(native.Uint32(page[at+12:]))
		key, keyOK := part(page, at, pos, keyLen)
		value, valueOK := part(page, at, pos+keyLen, valueLen)
		if !keyOK || !valueOK || flags > boltIsBucket || s.last != nil && bytes.Compare(s.last, key) >= 0 {
			return unsound("a key or its value is out of place")
		}
		s.last = append(s.last[:0:0], key...)
		if flags == boltIsBucket {
			if err := s.bucket(value, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// bucket goes through a bucket that is another's value.
func (s *soundness) bucket(value []byte, depth int) error {
	if len(value) < boltBucketLen {
		return unsound("a bucket is too short")
	}
	outer := s.last
	s.last = nil
	defer func() { s.last = outer }()
	if root := native.Uint64(value); root != 0 {
		return s.tree(root, depth+1)
	}
	page := value[boltBucketLen:] // a small bucket's only page
	if len(page) < boltHeader || native.Uint16(page[8:]) != boltLeaf {
		return unsound("a small bucket has no page")
	}
	return s.leaf(page, native.Uint16(page[10:]), depth+1)
}

// part returns length bytes of a page, pos bytes after the element that names them.
func part(page []byte, element int, pos, length uint64) ([]byte, bool) {
	from := uint64(element) + pos
	if from > uint64(len(page)) || length > uint64(len(page))-from {
		return nil, false
	}
	return page[from : from+length], true
}

// freelist goes through the list of free pages, which must not be used.
func (s *soundness) freelist(id uint64) error {
	_, count, page, err := s.read(id, boltFreelist)
	if err != nil {
		return err
	}
	list, n := page[boltHeader:], uint64(count)
	if n == boltMany {
		n = native.Uint64(list)
		list = list[8:]
	}
	if n > uint64(len(list)/8) {
		return unsound("its list of free pages is longer than its page")
	}
	for i := range n {
		free := native.Uint64(list[i*8:])
		if free < 2 || free >= s.pages || s.seen[free] {
			return unsound("page %d is free, and it is not", free)
		}
		s.seen[free] = true
	}
	return nil
}
