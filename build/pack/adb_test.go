package main

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// adbFile is a file of apk's third format, read by the format's description alone: it shares nothing with the writer.
type adbFile struct {
	t      *testing.T
	db     []byte
	blocks map[[2]uint32][]byte // contents, by the numbers of directory and file
	order  [][2]uint32
}

func readADB(t *testing.T, packed []byte) *adbFile {
	t.Helper()
	if string(packed[:4]) != "ADBd" {
		t.Fatalf("begins with %q", packed[:4])
	}
	all, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed[4:])))
	if err != nil {
		t.Fatal(err)
	}
	if string(all[:8]) != "ADB.pckg" {
		t.Fatalf("is %q", all[:8])
	}
	f := &adbFile{t: t, blocks: map[[2]uint32][]byte{}}
	for rest, first := all[8:], true; len(rest) > 0; first = false {
		head := binary.LittleEndian.Uint32(rest)
		kind, n := head>>30, int(head&(1<<30-1))
		if n < 4 || n > len(rest) {
			t.Fatalf("a block of %d bytes, where %d are left", n, len(rest))
		}
		payload := rest[4:n]
		whole := (n + 7) / 8 * 8
		if strings.Trim(string(rest[n:whole]), "\x00") != "" {
			t.Error("what fills a block up is not zero")
		}
		rest = rest[whole:]
		switch {
		case first && kind == 0:
			f.db = payload
		case !first && kind == 2:
			where := [2]uint32{binary.LittleEndian.Uint32(payload), binary.LittleEndian.Uint32(payload[4:])}
			f.blocks[where] = payload[8:]
			f.order = append(f.order, where)
		default:
			t.Fatalf("an unexpected block of kind %d", kind)
		}
	}
	return f
}

func (f *adbFile) word(at uint32) uint32 { return binary.LittleEndian.Uint32(f.db[at:]) }

// slot returns a slot of an object or an array; 0 if it has not as many.
func (f *adbFile) slot(v, i uint32) uint32 {
	f.t.Helper()
	if v == 0 {
		return 0
	}
	if kind := v >> 28; kind != 0xd && kind != 0xe {
		f.t.Fatalf("%#x is neither object nor array", v)
	}
	at := v & 0x0fffffff
	if at%4 != 0 {
		f.t.Fatalf("%#x is not at a multiple of 4", v)
	}
	if i >= f.word(at) {
		return 0
	}
	return f.word(at + 4*i)
}

func (f *adbFile) length(v uint32) uint32 {
	if v == 0 {
		return 0
	}
	return f.word(v&0x0fffffff) - 1
}

func (f *adbFile) number(v uint32) uint64 {
	f.t.Helper()
	switch at := v & 0x0fffffff; v >> 28 {
	case 1:
		return uint64(at)
	case 2:
		return uint64(f.word(at))
	case 3:
		return binary.LittleEndian.Uint64(f.db[at:])
	}
	f.t.Fatalf("%#x is no number", v)
	return 0
}

func (f *adbFile) text(v uint32) string {
	f.t.Helper()
	switch at := v & 0x0fffffff; v >> 28 {
	case 0:
		return ""
	case 8:
		return string(f.db[at+1:][:f.db[at]])
	case 9:
		return string(f.db[at+2:][:binary.LittleEndian.Uint16(f.db[at:])])
	case 10:
		return string(f.db[at+4:][:f.word(at)])
	}
	f.t.Fatalf("%#x is no text", v)
	return ""
}

// walk prints what the database says of files, one line each, and checks that contents and hashes agree.
func (f *adbFile) walk() (lines []string) {
	f.t.Helper()
	paths := f.slot(f.word(4), 2)
	var wanted [][2]uint32
	before := "-"
	for i := uint32(1); i <= f.length(paths); i++ {
		dir := f.slot(paths, i)
		name := f.text(f.slot(dir, 1))
		if i > 1 && name <= before {
			f.t.Errorf("the directory %q comes behind %q", name, before)
		}
		before = name
		acl := f.slot(dir, 2)
		lines = append(lines, fmt.Sprintf("%s/ %o %s %s", name, f.number(f.slot(acl, 1)), f.text(f.slot(acl, 2)), f.text(f.slot(acl, 3))))
		files, last := f.slot(dir, 3), ""
		for j := uint32(1); j <= f.length(files); j++ {
			file := f.slot(files, j)
			base := f.text(f.slot(file, 1))
			if base <= last {
				f.t.Errorf("the file %q comes behind %q", base, last)
			}
			last = base
			size := f.number(f.slot(file, 3))
			content := f.blocks[[2]uint32{i, j}]
			if size > 0 {
				wanted = append(wanted, [2]uint32{i, j})
			}
			if hash := sha256.Sum256(content); string(hash[:]) != f.text(f.slot(file, 5)) || uint64(len(content)) != size {
				f.t.Errorf("%s/%s: size or hash is not that of its content", name, base)
			}
			acl := f.slot(file, 2)
			lines = append(lines, fmt.Sprintf("%s/%s %o %s %s %d %d", name, base, f.number(f.slot(acl, 1)), f.text(f.slot(acl, 2)),
				f.text(f.slot(acl, 3)), size, f.number(f.slot(file, 4))))
		}
	}
	if fmt.Sprint(wanted) != fmt.Sprint(f.order) {
		f.t.Errorf("contents come in the order %v, not %v", f.order, wanted)
	}
	return lines
}

func testPackage() apkPackage {
	p := apkPackage{
		name: "ebb", version: "1.2.3_alpha4-r1", about: strings.Repeat("about ", 60), arch: "mipsel_24kc", licence: "MIT",
		origin: "ebb", maintainer: "somebody", url: "https://example.org/", depends: []string{"libc", "ca-bundle", "libc"},
		scripts: apkScripts{postInstall: strings.Repeat("x", 70_000), preDeinstall: "#!/bin/sh\n"}, built: time.Unix(1_700_000_000, 0),
	}
	p.files.add("usr/bin/ebb", 0o755, bytes.Repeat([]byte{1, 2, 3}, 100_001))
	p.files.add("etc/config/ebb", 0o644, []byte("config\n"))
	p.files.add("etc/empty", 0o600, nil)
	p.files.add("etc/config.d/x", 0o644, []byte("x"))
	p.files.mkdir("srv")
	return p
}

func TestAPKIsReadBackAsItWasWritten(t *testing.T) {
	packed := written(t, testPackage())
	f := readADB(t, packed)
	if f.db[0] != 0 || f.db[1] != 0 {
		t.Errorf("the versions of the format are %v", f.db[:2])
	}
	root := f.word(4)
	info := f.slot(root, 1)
	for slot, want := range map[uint32]string{
		1: "ebb", 2: "1.2.3_alpha4-r1", 4: strings.Repeat("about ", 60), 5: "mipsel_24kc", 6: "MIT", 7: "ebb", 8: "somebody",
		9: "https://example.org/",
	} {
		if got := f.text(f.slot(info, slot)); got != want {
			t.Errorf("field %d of the package is %q", slot, got)
		}
	}
	if built, size := f.number(f.slot(info, 11)), f.number(f.slot(info, 12)); built != 1_700_000_000 || size != 300_011 {
		t.Errorf("built at %d, %d bytes", built, size)
	}
	depends := f.slot(info, 15)
	if n := f.length(depends); n != 2 || f.text(f.slot(f.slot(depends, 1), 1)) != "ca-bundle" || f.text(f.slot(f.slot(depends, 2), 1)) != "libc" {
		t.Errorf("depends on %d", n)
	}
	scripts := f.slot(root, 3)
	if f.text(f.slot(scripts, 3)) != strings.Repeat("x", 70_000) || f.text(f.slot(scripts, 4)) != "#!/bin/sh\n" || f.slot(scripts, 1) != 0 {
		t.Error("the scripts are not what they were")
	}
	want := `/ 755 root root
etc/ 755 root root
etc/empty 600 root root 0 1700000000
etc/config/ 755 root root
etc/config/ebb 644 root root 7 1700000000
etc/config.d/ 755 root root
etc/config.d/x 644 root root 1 1700000000
srv/ 755 root root
usr/ 755 root root
usr/bin/ 755 root root
usr/bin/ebb 755 root root 300003 1700000000`
	if got := strings.Join(f.walk(), "\n"); got != want {
		t.Errorf("files:\n%s", got)
	}

	// The package's own number is the hash of a database that has zeros there.
	identity := f.text(f.slot(info, 3))
	at := f.slot(info, 3)&0x0fffffff + 1
	blank := bytes.Clone(f.db)
	copy(blank[at:], make([]byte, 20))
	if hash := sha256.Sum256(blank); identity != string(hash[:20]) {
		t.Error("its number is not its hash")
	}

	if !bytes.Equal(packed, written(t, testPackage())) {
		t.Error("the same package is not the same bytes")
	}
}

func written(t *testing.T, p apkPackage) []byte {
	t.Helper()
	contents, err := p.contents()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := p.write(&b, contents); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestADBKeepsLargeNumbers(t *testing.T) {
	for _, n := range []uint64{0, 1, 1<<28 - 1, 1 << 28, 1<<32 - 1, 1 << 32, 1 << 60} {
		d := newADB()
		d.text("x") // so that what follows has to be aligned
		v := d.number(n)
		f := &adbFile{t: t, db: d.bytes}
		if got := f.number(uint32(v)); got != n {
			t.Errorf("%d became %d", n, got)
		}
	}
}
