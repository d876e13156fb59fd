package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestBillHasWhatIsLinkedAndWhoNeedsIt(t *testing.T) {
	modules := []*module{
		{path: "example.org/a", version: "v1.0.0", sum: "h1:x", licence: "MIT"},
		{path: "example.org/b", version: "v2.0.0", mended: true},
		{path: "std", version: "1.26.8", licence: "BSD-3-Clause"},
	}
	b := job{version: "1.2.3", licence: "LicenseRef-unset"}.bill(modules, `ebb example.org/a@v1.0.0
ebb example.org/unlinked@v1.0.0
example.org/a@v1.0.0 example.org/b@v1.9.0
example.org/a@v0.9.0 std@v1
example.org/b@v2.0.0 example.org/unlinked@v1.0.0
`)
	if len(b.Components) != 3 || b.Components[0].PURL != "pkg:golang/example.org/a@v1.0.0" || b.Components[0].Licences[0].Licence["id"] != "MIT" {
		t.Errorf("%+v", b.Components)
	}
	if b.Metadata.Component.Licences[0].Licence["name"] != "LicenseRef-unset" {
		t.Errorf("%+v", b.Metadata.Component)
	}
	got := map[string][]string{}
	for _, e := range b.Dependencies {
		got[e.Ref] = e.On
	}
	for ref, want := range map[string][]string{
		"ebb":                             {"pkg:golang/example.org/a@v1.0.0", "pkg:golang/std@1.26.8"},
		"pkg:golang/example.org/a@v1.0.0": {"pkg:golang/example.org/b@v2.0.0"},
		"pkg:golang/example.org/b@v2.0.0": {},
	} {
		if !slices.Equal(got[ref], want) {
			t.Errorf("%s needs %v, not %v", ref, got[ref], want)
		}
	}
}

func TestSumsAreThoseOfAllFiles(t *testing.T) {
	j := job{out: t.TempDir()}
	if err := os.Mkdir(filepath.Join(j.out, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(j.out, "below/abc"), []byte("abc"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there are sums already
		if err := j.sums(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(j.out, "SHA256SUMS"))
	if want := "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  below/abc\n"; err != nil || string(text) != want {
		t.Errorf("%s (%v)", text, err)
	}
}
