package platform

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Files says where the system tells about itself, so that tests can lay out machines of their own.
type Files struct {
	Proc string // proc(5)
	Sys  string // sysfs(5), with the control groups below it
	Etc  string // OpenWrt's configuration is in config/ there
}

// System is this machine.
var System = Files{Proc: "/proc", Sys: "/sys", Etc: "/etc"}

// attributeSize is the most that is read of one attribute: sysfs gives each a page.
const attributeSize = 4096

// attribute reads a small file of one value, without the white space around it.
func attribute(path string) (string, error) {
	text, err := readAtMost(path, attributeSize)
	return string(bytes.TrimSpace(text)), err
}

// number reads a file of one whole number.
func number(path string) (int64, error) {
	text, err := attribute(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s says %.20q, which is no number", path, text)
	}
	return n, nil
}

// readAtMost reads the beginning of a file.
func readAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// entries returns the names below a directory that start with prefix, sorted; at most limit of them.
func entries(dir, prefix string, limit int) ([]string, error) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range all {
		if strings.HasPrefix(entry.Name(), prefix) && len(names) < limit {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// interfaceNameSize is the kernel's IFNAMSIZ: a name has one byte less.
const interfaceNameSize = 16

// link returns a path below the directory of a network interface. Names come from settings too: what the kernel would
// not take as a name is not made into a path.
func (f Files) link(name string, below ...string) (string, error) {
	if name == "" || len(name) >= interfaceNameSize || name == "." || name == ".." || strings.ContainsAny(name, "/: \t\n\x00") {
		return "", fmt.Errorf("%.20q cannot be the name of a network interface: %w", name, fs.ErrInvalid)
	}
	return filepath.Join(append([]string{f.Sys, "class", "net", name}, below...)...), nil
}
