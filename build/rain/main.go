// Command rain makes the copies of rain, and of the bencode library that it reads strangers with, that ebb is linked
// with. They are as their modules have them, but for this.
//
// rain has no RPC server, which ebb never starts. A program that may start it links net/rpc, which looks methods up by
// name; then the linker has to keep every exported method of every type, and html/template and encoding/gob besides.
// On a router that is a sixth of the program. What is put in place of its files stands in build/rain/without. Nor has it
// a DHT, which ebb never starts either.
//
// And what any peer or tracker can bring ebb down with, or get its owner banned by, is mended, and what keeps torrents
// out whose files ebb itself finds names for: a few lines each, in the table below, with new files in build/rain/mends
// and a test for each.
//
//	go run ./build/rain DIR
//
// It leaves the copies in DIR/rain and DIR/bencode, and beside them the go.mod and go.sum to build with (go build
// -modfile).
package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// copies are the modules, by the names of their copies.
var copies = map[string]string{
	"rain":    "github.com/cenkalti/rain/v2",
	"bencode": "github.com/zeebo/bencode",
}

// mend is a place in a copy that is not as it should be.
type mend struct {
	file    string // within DIR
	was, is string
}

var mends = []mend{
	// The memory for a string was what its length claimed: 23 bytes of a peer took 2 GiB.
	{"bencode/decode.go", "buf := make([]byte, l)\n\t_, err = d.readFull(buf)\n", "buf, err := d.readClaimed(l)\n"},
	// Lists within lists were read by recursion without a bound: 256 KiB of a peer took 417 MB of stack.
	{"bencode/decode.go", "failUnordered bool\n}", "failUnordered bool\n\tnesting\n}"},
	{
		"bencode/decode.go", "decodeInto(val reflect.Value) (err error) {\n",
		"decodeInto(val reflect.Value) (err error) {\n\tif err := d.enter(); err != nil {\n\t\treturn err\n\t}\n\tdefer d.leave()\n",
	},
	// A tracker that names no interval was asked 228 times in ten seconds, and one that names half an hour each minute.
	{
		"rain/internal/announcer/periodic.go",
		"a.interval = resp.Interval\n\t\t\tif resp.MinInterval > 0 {\n\t\t\t\ta.minInterval = resp.MinInterval\n\t\t\t}\n",
		"a.interval, a.minInterval = pace(resp.Interval, resp.MinInterval)\n",
	},
	{"rain/internal/announcer/periodic.go", "return terr.RetryIn\n", "return clamp(terr.RetryIn)\n"},
	// With a factor of 0.5 for chance, that is a minute at least.
	{"rain/internal/announcer/periodic.go", "InitialInterval:     5 * time.Second", "InitialInterval:     2 * time.Minute"},
	// Its DHT is never started: ebb has its own. A library of it has no licence.
	{"rain/torrent/session.go", "\"github.com/nictuku/dht\"", "dht \"github.com/cenkalti/rain/v2/internal/nodht\""},
	{"rain/torrent/session_add.go", "\"github.com/nictuku/dht\"", "dht \"github.com/cenkalti/rain/v2/internal/nodht\""},
	// Torrents were refused whose names became equal when it cleaned them, as all do that are in another encoding.
	{
		"rain/internal/metainfo/info.go",
		"if _, ok := uniquePaths[joinedPath]; ok {\n\t\t\t\t\treturn nil, fmt.Errorf(\"duplicate file name: %q\", joinedPath)\n\t\t\t\t}\n",
		"joinedPath = distinct(joinedPath, uniquePaths, j)\n",
	},
}

// without holds the files in place of those of rain's package torrent, each by the other's name and ".txt".
//
//go:embed without
var without embed.FS

// added holds the files that mends need, by the path of each in DIR and ".txt".
//
//go:embed mends
var added embed.FS

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./build/rain DIR")
		os.Exit(2)
	}
	if err := makeCopies(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "rain:", err)
		os.Exit(1)
	}
}

// makeCopies leaves the copies in dir, a directory within the main module's root, which is the current one.
func makeCopies(dir string) error {
	for name, module := range copies {
		source, err := download(module)
		if err != nil {
			return err
		}
		target := filepath.Join(dir, name)
		if err := os.RemoveAll(target); err != nil {
			return fmt.Errorf("removing the former copy: %w", err)
		}
		if err := copyTree(source, target); err != nil {
			return fmt.Errorf("copying %s: %w", module, err)
		}
	}
	if err := replaceFiles(filepath.Join(dir, "rain", "torrent")); err != nil {
		return fmt.Errorf("taking the RPC server out of rain: %w", err)
	}
	for _, m := range mends {
		if err := m.apply(dir); err != nil {
			return fmt.Errorf("mending: %w", err)
		}
	}
	if err := addFiles(dir); err != nil {
		return fmt.Errorf("adding what mends need: %w", err)
	}
	return writeModule(dir)
}

// download returns the directory where go keeps a module, at the version that go.mod names and go.sum vouches for.
func download(module string) (string, error) {
	out, err := command("go", "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	var m struct{ Dir string }
	if err := json.Unmarshal(out, &m); err != nil {
		return "", fmt.Errorf("go mod download: %w", err)
	}
	return m.Dir, nil
}

// apply mends one place. Another version of the module, in which it is not there just once, has to be looked at anew.
func (m mend) apply(dir string) error {
	path := filepath.Join(dir, m.file)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), m.was); n != 1 {
		return fmt.Errorf("%s is not as this was written for: %q stands there %d times", m.file, m.was, n)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(text), m.was, m.is, 1)), 0o644)
}

// addFiles writes the files of mends, none of which is there yet.
func addFiles(dir string) error {
	return fs.WalkDir(added, "mends", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := added.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel("mends", strings.TrimSuffix(path, ".txt"))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		return errors.Join(err, f.Close())
	})
}

// copyTree copies what a build needs: Go files that are no tests, what they embed, and the module's own files.
func copyTree(source, target string) error {
	return filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, name)
		switch {
		case d.IsDir() && (d.Name() == "testdata" || name != "." && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case strings.HasSuffix(name, "_test.go"):
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o644)
	})
}

// replaceFiles writes the files of without over those that they stand for. A version of rain that has no such file
// has moved its RPC server elsewhere: then without has to follow.
func replaceFiles(torrent string) error {
	entries, err := without.ReadDir("without")
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(torrent, strings.TrimSuffix(e.Name(), ".txt"))
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("this version of rain keeps its RPC server elsewhere: %w", err)
		}
		content, err := without.ReadFile("without/" + e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeModule writes a go.mod that is the main module's own, but takes the copies, and the go.sum beside it.
func writeModule(dir string) error {
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	edit := []string{"mod", "edit"}
	for _, name := range slices.Sorted(maps.Keys(copies)) {
		edit = append(edit, "-replace", copies[name]+"=./"+filepath.ToSlash(filepath.Join(dir, name)))
	}
	_, err := command("go", append(edit, filepath.Join(dir, "go.mod"))...)
	return err
}

// command runs a program, whose errors are shown as they are, and returns what it says.
func command(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return out, nil
}
