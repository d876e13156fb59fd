package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// stateLength returns how long a name may be where statfs says so many bytes. FAT counts in other units and says more.
func stateLength(most int64) int {
	if most < minName {
		return maxName
	}
	return int(min(most, maxName))
}

// RulesOf finds out what the file system of a directory asks of names: by what it says, and by trying, since
// directories of ext4 can be told to fold, and what is on the other side of a network share says nothing. Where nothing
// can be tried, because it may only be read, what it says has to do.
func RulesOf(directory string) Rules {
	rules := stated(directory)
	root, err := os.OpenRoot(directory)
	if err != nil {
		return rules
	}
	defer root.Close()
	try := func(name string) bool {
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return false
		}
		f.Close() // nothing was written
		_, err = root.Lstat(name)
		return err == nil
	}
	f, err := os.CreateTemp(directory, ".ebb-name-*")
	if err != nil {
		return rules
	}
	f.Close() // nothing was written
	plain := filepath.Base(f.Name())
	defer root.Remove(plain)
	if _, err := root.Lstat(strings.ToUpper(plain)); err == nil {
		rules.Fold = true
	} else if !errors.Is(err, fs.ErrNotExist) {
		return rules
	}
	if odd := plain + `":?`; try(odd) {
		_ = root.Remove(odd)
	} else {
		rules.Windows, rules.Fold = true, true
	}
	return rules
}
