package fragstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// The clean mark is a small file beside the index. It is a file and not an entry because it must be possible to remove
// it on a full disk. It names the index's last transaction, so it cannot vouch for an index that was put back from a
// copy.

func markName(index string) string { return index + ".clean" }

func markText(txid int) string { return fmt.Sprintf("clean at transaction %d\n", txid) }

// consumeMark removes the mark, durably, and reports whether it was there and vouches for the index, which is the file
// of that name in home.
func consumeMark(home directory, index string, txid int) (clean bool, err error) {
	name := markName(index)
	fi, err := home.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	// A mark that cannot be read does not vouch for anything, but it must go all the same.
	want := markText(txid)
	clean = err == nil && fi.Mode().IsRegular() && fi.Size() == int64(len(want)) && hasText(home, name, want)
	if err := home.Remove(name); err != nil {
		return false, fmt.Errorf("removing the mark of the last clean stop: %w", explainDisk(err))
	}
	return clean, syncDir(home)
}

// hasText reports whether a file begins like that.
func hasText(home directory, name, want string) bool {
	f, err := home.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	got := make([]byte, len(want))
	n, _ := f.ReadAt(got, 0) // whatever keeps it from being read, the text is not complete then
	return string(got[:n]) == want
}

// putMark writes the mark.
func putMark(home directory, index string, txid int) error {
	name := markName(index)
	f, err := home.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(markText(txid)), 0)
	err = also(also(err, f.Sync()), f.Close())
	if err != nil {
		return also(err, home.Remove(name))
	}
	return syncDir(home)
}

// syncDir makes changes in a directory durable, where the file system offers that.
func syncDir(dir directory) error {
	d, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !unsupported(err) {
		return err
	}
	return nil
}
