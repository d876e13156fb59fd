// Command pack makes packages of ebb's binaries: what build/out/ebb-linux-* are goes in, what a device's own package
// manager takes comes out. It needs nothing but Go, and the same input gives the same bytes.
//
//	go run . -root ../.. -version 1.2.3 -out DIR KIND…
//
// The kinds are in the table below. What goes into a package stands in firmware/.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// job is what every kind of package needs to know.
type job struct {
	root    string    // of the repository
	binary  string    // directory of ebb-linux-*
	out     string    // where packages go
	only    string    // the one architecture that packages are made for; empty for all of them
	version string    // as in semver.org
	commit  string    // empty if not known
	licence string    // an identifier of SPDX
	time    time.Time // of everything that has a time
}

// kinds are the packages that can be asked for.
var kinds = map[string]func(job) error{
	"linux":   linux,
	"openwrt": openwrt,
	"image":   images,
	"nas":     nas,
	"release": release,
}

func main() {
	root := flag.String("root", ".", "the repository's `directory`")
	out := flag.String("out", "packages", "the `directory` for packages")
	only := flag.String("only", "", "the one `architecture` of the Makefile to make packages for")
	flag.Parse()
	if err := pack(*root, *out, *only, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(root, out, only string, names []string) error {
	epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil || epoch < 0 {
		return fmt.Errorf("SOURCE_DATE_EPOCH has to be a number of seconds since 1970, not %q", os.Getenv("SOURCE_DATE_EPOCH"))
	}
	j := job{
		root: root, binary: filepath.Join(root, "build/out"), out: out, only: only,
		version: os.Getenv("VERSION"), commit: os.Getenv("COMMIT"), licence: os.Getenv("LICENSE_ID"),
		time: time.Unix(epoch, 0).UTC(),
	}
	if j.version == "" || j.licence == "" {
		return fmt.Errorf("VERSION and LICENSE_ID have to be set; `make packages` does")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		make, ok := kinds[name]
		if !ok {
			return fmt.Errorf("there is no kind of package %q", name)
		}
		if err := make(j); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// wants reports whether packages are to be made for one of the Makefile's architectures.
func (j job) wants(architecture string) bool { return j.only == "" || j.only == architecture }

// ebb is the path of the binary for one of the Makefile's architectures.
func (j job) ebb(architecture string) string {
	return filepath.Join(j.binary, "ebb-linux-"+architecture)
}

// firmware is the path of a file that goes into packages.
func (j job) firmware(name string) string {
	return filepath.Join(j.root, "firmware", name)
}
