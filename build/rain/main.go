// Command rain makes the copy of rain that ebb is linked with: rain as its module has it, but for its RPC server, which
// ebb never starts. A program that may start it links net/rpc, which looks methods up by name; then the linker has to
// keep every exported method of every type, and html/template and encoding/gob besides. On a router that is a sixth
// of the program.
//
//	go run ./build/rain DIR
//
// It leaves rain in DIR/rain, and beside it the go.mod and go.sum to build with (go build -modfile). What is put in
// place of rain's own files stands in build/rain/without.
package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/cenkalti/rain/v2"

// without holds the files in place of those of rain's package torrent, each by the other's name and ".txt".
//
//go:embed without
var without embed.FS

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./build/rain DIR")
		os.Exit(2)
	}
	if err := copyRain(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "rain:", err)
		os.Exit(1)
	}
}

// copyRain leaves the copy in dir, a directory within the main module's root, which is the current one.
func copyRain(dir string) error {
	source, err := download()
	if err != nil {
		return err
	}
	target := filepath.Join(dir, "rain")
	if err := os.RemoveAll(target); err != nil {
		return fmt.Errorf("removing the former copy: %w", err)
	}
	if err := copyTree(source, target); err != nil {
		return fmt.Errorf("copying rain: %w", err)
	}
	if err := replaceFiles(filepath.Join(target, "torrent")); err != nil {
		return fmt.Errorf("taking the RPC server out of rain: %w", err)
	}
	return writeModule(dir, target)
}

// download returns the directory where go keeps rain, at the version that go.mod names and go.sum vouches for.
func download() (string, error) {
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

// writeModule writes a go.mod that is the main module's own, but takes rain from target, and the go.sum beside it.
func writeModule(dir, target string) error {
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	_, err := command("go", "mod", "edit", "-replace", module+"=./"+filepath.ToSlash(target), filepath.Join(dir, "go.mod"))
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
