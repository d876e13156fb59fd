package main

import (
	"bytes"
	"cmp"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// The third format of apk's packages, as apk-tools 3 describes it in doc/apk-v3.5.scd, src/adb.h and src/apk_adb.h.
//
// A file is a header and blocks. The first block is a database: a tree of values that describes the package, and every
// file in it with its hash. A data block for each file that is not empty follows, in the database's order. All of it is
// compressed as one stream. Numbers are little-endian.

// adbValue is a value of the database: its kind in the four highest bits, below them a small number itself, or where in
// the database the value is. 0 is none.
type adbValue uint32

const (
	adbInt    adbValue = 0x10000000
	adbInt32  adbValue = 0x20000000
	adbInt64  adbValue = 0x30000000
	adbBlob8  adbValue = 0x80000000
	adbBlob16 adbValue = 0x90000000
	adbBlob32 adbValue = 0xa0000000
	adbArray  adbValue = 0xd0000000
	adbObject adbValue = 0xe0000000
)

// The blocks of a file.
const (
	adbBlockADB  = 0
	adbBlockData = 2
)

// adbPackage says that the database describes a package: "pckg".
const adbPackage = 0x676b6370

// adbDatabase is a database that is being written. It begins with two versions and two bytes of nothing, and the root.
type adbDatabase struct {
	bytes []byte
	known map[string]uint32 // where a value that was written before is: names and owners come up again and again
}

func newADB() *adbDatabase {
	return &adbDatabase{bytes: make([]byte, 8), known: map[string]uint32{}}
}

// put writes a value at an address that is a multiple of align, unless it is there already.
func (d *adbDatabase) put(value []byte, align int) uint32 {
	if at, ok := d.known[string(value)]; ok && at%uint32(align) == 0 {
		return at
	}
	at := d.write(value, align)
	d.known[string(value)] = at
	return at
}

func (d *adbDatabase) write(value []byte, align int) uint32 {
	for len(d.bytes)%align != 0 {
		d.bytes = append(d.bytes, 0)
	}
	at := uint32(len(d.bytes))
	d.bytes = append(d.bytes, value...)
	return at
}

func (d *adbDatabase) number(n uint64) adbValue {
	switch {
	case n < 1<<28:
		return adbInt | adbValue(n)
	case n < 1<<32:
		return adbInt32 | adbValue(d.put(binary.LittleEndian.AppendUint32(nil, uint32(n)), 4))
	}
	return adbInt64 | adbValue(d.put(binary.LittleEndian.AppendUint64(nil, n), 4))
}

// lengthed is a blob as it is stored, behind its length.
func lengthed(value []byte) (kind adbValue, stored []byte, align int) {
	switch n := len(value); {
	case n < 1<<8:
		kind, stored, align = adbBlob8, []byte{byte(n)}, 1
	case n < 1<<16:
		kind, stored, align = adbBlob16, binary.LittleEndian.AppendUint16(nil, uint16(n)), 2
	default:
		kind, stored, align = adbBlob32, binary.LittleEndian.AppendUint32(nil, uint32(n)), 4
	}
	return kind, append(stored, value...), align
}

func (d *adbDatabase) blob(value []byte) adbValue {
	if len(value) == 0 {
		return 0
	}
	kind, stored, align := lengthed(value)
	return kind | adbValue(d.put(stored, align))
}

func (d *adbDatabase) text(value string) adbValue { return d.blob([]byte(value)) }

// object writes the fields of an object, the first of which has number 1. Those that are missing at the end are left out.
func (d *adbDatabase) object(fields ...adbValue) adbValue { return d.slots(adbObject, fields) }

func (d *adbDatabase) array(items ...adbValue) adbValue { return d.slots(adbArray, items) }

func (d *adbDatabase) slots(kind adbValue, values []adbValue) adbValue {
	for len(values) > 0 && values[len(values)-1] == 0 {
		values = values[:len(values)-1]
	}
	if len(values) == 0 {
		return 0
	}
	stored := binary.LittleEndian.AppendUint32(nil, uint32(len(values)+1))
	for _, v := range values {
		stored = binary.LittleEndian.AppendUint32(stored, uint32(v))
	}
	return kind | adbValue(d.put(stored, 4))
}

// root says which value the database is about.
func (d *adbDatabase) root(v adbValue) { binary.LittleEndian.PutUint32(d.bytes[4:], uint32(v)) }

// apkPackage is what apk is told of a package.
type apkPackage struct {
	name, version, about, arch, licence, origin, maintainer, url string
	depends                                                      []string // names only
	scripts                                                      apkScripts
	files                                                        tree
	built                                                        time.Time
}

// apkScripts are the scripts that apk runs, in the order of the format.
type apkScripts struct {
	trigger, preInstall, postInstall, preDeinstall, postDeinstall, preUpgrade, postUpgrade string
}

// apkFolder is a directory with its files, both sorted, as the format wants them.
type apkFolder struct {
	name  string
	mode  uint32
	files []file
}

func (p apkPackage) folders() []apkFolder {
	folders := []apkFolder{{name: "", mode: 0o755}}
	for _, f := range p.files {
		if f.dir {
			folders = append(folders, apkFolder{name: f.name, mode: f.mode})
		}
	}
	slices.SortFunc(folders, func(a, b apkFolder) int { return cmp.Compare(a.name, b.name) })
	for _, f := range p.files.sorted() {
		if !f.dir {
			i := slices.IndexFunc(folders, func(in apkFolder) bool { return in.name == strings.TrimPrefix(path.Dir(f.name), ".") })
			folders[i].files = append(folders[i].files, f)
		}
	}
	return folders
}

// database describes the package. Among it is a number of its own: the first 20 bytes of the hash of the database with
// nothing in that place.
func (p apkPackage) database(folders []apkFolder) []byte {
	d := newADB()
	owner := d.text("root")
	acl := func(mode uint32) adbValue { return d.object(d.number(uint64(mode)), owner, owner) }
	var paths []adbValue
	for _, folder := range folders {
		var files []adbValue
		for _, f := range folder.files {
			hash := sha256.Sum256(f.data)
			files = append(files, d.object(d.text(path.Base(f.name)), acl(f.mode), d.number(uint64(len(f.data))),
				d.number(uint64(p.built.Unix())), d.blob(hash[:])))
		}
		paths = append(paths, d.object(d.text(folder.name), acl(folder.mode), d.array(files...)))
	}
	var depends []adbValue
	for _, name := range slices.Compact(slices.Sorted(slices.Values(p.depends))) {
		depends = append(depends, d.object(d.text(name)))
	}
	_, stored, _ := lengthed(make([]byte, 20))
	identity := d.write(stored, 1)
	info := d.object(d.text(p.name), d.text(p.version), adbBlob8|adbValue(identity), d.text(p.about), d.text(p.arch),
		d.text(p.licence), d.text(p.origin), d.text(p.maintainer), d.text(p.url), 0, d.number(uint64(p.built.Unix())),
		d.number(uint64(max(p.files.size(), 1))), 0, 0, d.array(depends...))
	s := p.scripts
	scripts := d.object(d.text(s.trigger), d.text(s.preInstall), d.text(s.postInstall), d.text(s.preDeinstall),
		d.text(s.postDeinstall), d.text(s.preUpgrade), d.text(s.postUpgrade))
	d.root(d.object(info, d.array(paths...), scripts))
	hash := sha256.Sum256(d.bytes)
	copy(d.bytes[identity+1:], hash[:20])
	return d.bytes
}

// write writes the package. It is not signed: apk wants --allow-untrusted, or the key of who signs it with `apk adbsign`.
// contents is what p.contents returns, of this package or of one that differs in its description only.
func (p apkPackage) write(w io.Writer, contents []byte) error {
	if _, err := io.WriteString(w, "ADBd"); err != nil { // what follows is deflated
		return err
	}
	z, err := flate.NewWriter(w, flate.BestCompression)
	if err != nil {
		return err
	}
	header := binary.LittleEndian.AppendUint32([]byte("ADB."), adbPackage)
	if _, err := z.Write(append(header, adbBlock(adbBlockADB, p.database(p.folders()))...)); err != nil {
		return err
	}
	if err := z.Flush(); err != nil { // a stream that is not at its end: the contents go on with it
		return err
	}
	_, err = w.Write(contents)
	return err
}

// contents is the compressed rest of a package, behind its description.
func (p apkPackage) contents() ([]byte, error) {
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	for i, folder := range p.folders() {
		for j, f := range folder.files {
			if len(f.data) == 0 {
				continue // has no block
			}
			which := binary.LittleEndian.AppendUint32(nil, uint32(i+1))
			which = binary.LittleEndian.AppendUint32(which, uint32(j+1))
			if _, err := z.Write(adbBlock(adbBlockData, which, f.data)); err != nil {
				return nil, err
			}
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// adbBlock is a block of a file: its kind in two bits, its length with these four bytes in the other thirty, and zeros up
// to a multiple of eight.
func adbBlock(kind uint32, parts ...[]byte) []byte {
	payload := bytes.Join(parts, nil)
	n := 4 + len(payload) // far below the GiB beyond which the format has another kind of header
	block := binary.LittleEndian.AppendUint32(nil, kind<<30|uint32(n))
	block = append(block, payload...)
	return append(block, make([]byte, -n&7)...)
}
