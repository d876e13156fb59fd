package main

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// release makes what goes with the packages: the binaries themselves, a bill of materials, the licences of all that is in
// ebb, and the hashes of every file.
func release(j job) error {
	binaries, err := filepath.Glob(filepath.Join(j.binary, "ebb-linux-*"))
	if err != nil {
		return err
	}
	if len(binaries) == 0 {
		return errors.New("there are no binaries; `make cross` makes them")
	}
	for _, path := range binaries {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir := filepath.Join(j.out, "binaries")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := write(filepath.Join(dir, filepath.Base(path)), func(f *os.File) error {
			_, err := f.Write(data)
			return err
		}); err != nil {
			return err
		}
	}
	modules, err := linked(binaries)
	if err != nil {
		return err
	}
	licences, err := j.licences(modules)
	if err != nil {
		return err
	}
	graph, err := goCommand(j.root, "mod", "graph")
	if err != nil {
		return err
	}
	bill, err := json.MarshalIndent(j.bill(modules, string(graph)), "", "  ")
	if err != nil {
		return err
	}
	if err := j.put("ebb.cdx.json", append(bill, '\n')); err != nil {
		return err
	}
	packed, err := licences.tarGz("", j.time)
	if err != nil {
		return err
	}
	if err := j.put("ebb-licenses.tar.gz", packed); err != nil {
		return err
	}
	return j.sums()
}

// module is a module that is linked into ebb.
type module struct {
	path, version, sum string
	mended             bool   // build/rain has changed it
	licence            string // an identifier of SPDX; empty if the text is none that is known here
}

// linked lists the modules of binaries, Go's own library among them, sorted.
func linked(binaries []string) ([]*module, error) {
	all := map[string]*module{}
	for _, path := range binaries {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return nil, err
		}
		all["std"] = &module{path: "std", version: strings.TrimPrefix(info.GoVersion, "go"), licence: "BSD-3-Clause"}
		for _, d := range info.Deps {
			all[d.Path] = moduleOf(d)
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *module) int { return cmp.Compare(a.path, b.path) }), nil
}

func moduleOf(d *debug.Module) *module {
	return &module{path: d.Path, version: d.Version, sum: d.Sum, mended: d.Replace != nil}
}

func goCommand(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// licences collects the texts of what is linked, and notes which licence each is. It warns of a module without any.
func (j job) licences(modules []*module) (tree, error) {
	var t tree
	goroot, err := goCommand(j.root, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		dir := strings.TrimSpace(string(goroot))
		if m.path != "std" {
			out, err := goCommand(j.root, "list", "-m", "-f", "{{.Dir}}", m.path)
			if err != nil {
				return nil, err
			}
			dir = strings.TrimSpace(string(out))
		}
		found := false
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !isLicence(e.Name()) || e.IsDir() {
				continue
			}
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return nil, err
			}
			t.add("licenses/"+m.path+"@"+m.version+"/"+e.Name(), 0o644, text)
			m.licence = cmp.Or(m.licence, recognize(string(text)))
			found = true
		}
		if !found { // its authors have to be asked, or it has to go
			fmt.Fprintf(os.Stderr, "pack: warning: %s@%s comes without a licence\n", m.path, m.version)
			t.add("licenses/"+m.path+"@"+m.version+"/NONE", 0o644, []byte("This module comes without a licence.\n"))
		}
	}
	return t, nil
}

func isLicence(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE", "PATENTS"}, func(word string) bool {
		return strings.HasPrefix(name, word)
	})
}

// recognize names a licence by words that are in its text and in no other's.
func recognize(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	for _, known := range []struct{ id, words string }{
		{"LGPL-3.0-only", "This software is licensed under the LGPLv3"}, // and holds the texts that it refers to
		{"Apache-2.0", "Apache License Version 2.0"},
		{"MPL-2.0", "Mozilla Public License Version 2.0"},
		{"MPL-2.0", "Mozilla Public License, version 2.0"},
		{"BSD-3-Clause", "Neither the name of"},
		{"BSD-2-Clause", "Redistributions in binary form must reproduce"},
		{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
		{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose"},
		{"Unlicense", "This is free and unencumbered software released into the public domain"},
	} {
		if strings.Contains(text, known.words) {
			return known.id
		}
	}
	return ""
}

// The bill of materials, in the form of CycloneDX 1.5.
type billOfMaterials struct {
	Format       string          `json:"bomFormat"`
	Spec         string          `json:"specVersion"`
	Version      int             `json:"version"`
	Metadata     billMetadata    `json:"metadata"`
	Components   []billComponent `json:"components"`
	Dependencies []billEdge      `json:"dependencies"`
}

type billMetadata struct {
	Timestamp string        `json:"timestamp"`
	Component billComponent `json:"component"`
}

type billComponent struct {
	Type       string         `json:"type"`
	Ref        string         `json:"bom-ref"`
	Name       string         `json:"name"`
	Version    string         `json:"version"`
	PURL       string         `json:"purl,omitempty"`
	Licences   []billLicence  `json:"licenses,omitempty"`
	Properties []billProperty `json:"properties,omitempty"`
}

type billLicence struct {
	Licence map[string]string `json:"license"`
}

type billProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type billEdge struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

// bill makes it from the modules that are linked, and from the graph of requirements as `go mod graph` prints it, of
// which only what is linked counts.
func (j job) bill(modules []*module, graph string) billOfMaterials {
	key := "id"
	if strings.HasPrefix(j.licence, "LicenseRef-") {
		key = "name" // it is no identifier of SPDX's list
	}
	b := billOfMaterials{Format: "CycloneDX", Spec: "1.5", Version: 1, Metadata: billMetadata{
		Timestamp: j.time.Format("2006-01-02T15:04:05Z"),
		Component: billComponent{Type: "application", Ref: "ebb", Name: "ebb", Version: j.version,
			Licences: []billLicence{{map[string]string{key: j.licence}}}},
	}}
	refs := map[string]string{"ebb": "ebb"} // by path
	on := map[string]map[string]bool{"ebb": {}}
	for _, m := range modules {
		c := billComponent{Type: "library", Name: m.path, Version: m.version, PURL: "pkg:golang/" + m.path + "@" + m.version}
		c.Ref = c.PURL
		if m.licence != "" {
			c.Licences = []billLicence{{map[string]string{"id": m.licence}}}
		}
		if m.sum != "" {
			c.Properties = append(c.Properties, billProperty{"go:sum", m.sum})
		}
		if m.mended {
			c.Properties = append(c.Properties, billProperty{"ebb:mended", "build/rain/mends, build/rain/without"})
		}
		b.Components = append(b.Components, c)
		refs[m.path] = c.Ref
		on[c.Ref] = map[string]bool{}
	}
	for line := range strings.Lines(graph) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		fromPath, fromVersion, _ := strings.Cut(from, "@")
		toPath, _, _ := strings.Cut(to, "@")
		fromRef, toRef := refs[fromPath], refs[toPath]
		// What another version of a module requires does not count.
		if fromRef != "" && toRef != "" && (fromPath == "ebb" || strings.HasSuffix(fromRef, "@"+fromVersion)) {
			on[fromRef][toRef] = true
		}
	}
	on["ebb"][refs["std"]] = true
	for _, ref := range slices.Sorted(maps.Keys(on)) {
		b.Dependencies = append(b.Dependencies, billEdge{ref, slices.Sorted(maps.Keys(on[ref]))})
	}
	return b
}

// sums writes the hashes of all files, for `sha256sum -c`.
func (j job) sums() error {
	const name = "SHA256SUMS"
	var lines strings.Builder
	err := filepath.WalkDir(j.out, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == name {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, f); err != nil {
			return err
		}
		within, err := filepath.Rel(j.out, path)
		fmt.Fprintf(&lines, "%x  %s\n", sum.Sum(nil), filepath.ToSlash(within))
		return err
	})
	if err != nil {
		return err
	}
	return j.put(name, []byte(lines.String()))
}
