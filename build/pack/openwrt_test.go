package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// untarred reads a compressed tar: contents by name.
func untarred(t *testing.T, packed []byte) map[string]string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(time.Unix(1_700_000_000, 0)) {
			t.Errorf("%s belongs to %d:%d and is of %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		files[h.Name] = string(data)
	}
}

func TestIPKHasWhatOpkgReads(t *testing.T) {
	j := job{version: "1.2.3-alpha.4", licence: "MIT", time: time.Unix(1_700_000_000, 0)}
	p := openwrtPackage{name: "ebb", about: "about", depends: []string{"ca-bundle"}, user: "ebb:ebb", conffiles: []string{"/etc/config/ebb"}}
	p.files.add("etc/config/ebb", 0o644, []byte("config"))
	data, err := p.files.tarGz("./", j.time)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := j.ipk(&b, p, "1.2.3~alpha.4-r1", "mipsel_24kc", data); err != nil {
		t.Fatal(err)
	}
	outer := untarred(t, b.Bytes())
	if got := slices.Sorted(maps.Keys(outer)); !slices.Equal(got, []string{"./control.tar.gz", "./data.tar.gz", "./debian-binary"}) {
		t.Errorf("there are %v", got)
	}
	if outer["./debian-binary"] != "2.0\n" || untarred(t, []byte(outer["./data.tar.gz"]))["./etc/config/ebb"] != "config" {
		t.Error("version or files are not right")
	}
	control := untarred(t, []byte(outer["./control.tar.gz"]))
	for _, line := range []string{
		"Package: ebb", "Version: 1.2.3~alpha.4-r1", "Depends: libc, ca-bundle", "Architecture: mipsel_24kc", "Installed-Size: 6",
		"Require-User: ebb:ebb", "License: MIT", "Description: about",
	} {
		if !strings.Contains("\n"+control["./control"], "\n"+line+"\n") {
			t.Errorf("the control file does not have %q:\n%s", line, control["./control"])
		}
	}
	if control["./conffiles"] != "/etc/config/ebb\n" || !strings.Contains(control["./postinst"], "default_postinst") {
		t.Error("conffiles or postinst are not right")
	}
}

func TestOpenWrtAPKListsWhatItsScriptsRead(t *testing.T) {
	p := openwrtPackage{name: "ebb", depends: []string{"ca-bundle"}, user: "ebb:ebb", conffiles: []string{"/etc/config/ebb", "/etc/ebb/ebb.toml"}}
	p.files.add("etc/config/ebb", 0o644, []byte("abc"))
	a := job{}.openwrtAPK(p, "1-r1", "all")
	files := map[string]string{}
	for _, f := range a.files {
		files[f.name] = string(f.data)
	}
	for name, want := range map[string]string{
		"rusers": "ebb:ebb\n", "conffiles": "/etc/config/ebb\n/etc/ebb/ebb.toml\n",
		"list":             "/etc/config/ebb\n/lib/apk/packages/ebb.rusers\n",
		"conffiles_static": "/etc/config/ebb ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n",
	} {
		if got := files["lib/apk/packages/ebb."+name]; got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if a.arch != "noarch" {
		t.Errorf("it is for %s", a.arch)
	}
}

func TestEveryCPUOfOpenWrtHasOneBinary(t *testing.T) {
	seen := map[string]string{}
	for ours, theirs := range openwrtArchitectures {
		for _, name := range theirs {
			if seen[name] != "" {
				t.Errorf("%s gets %s and %s", name, ours, seen[name])
			}
			seen[name] = ours
		}
	}
}
