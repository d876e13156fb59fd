package fragstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The clean mark is a small file beside the index. It is a file and not an entry because it must be possible to remove
// it on a full disk. It names the index's last transaction, so it cannot vouch for an index that was put back from a copy.

func markPath(index string) string { return index + ".clean" }

func markText(txid int) string { return fmt.Sprintf("clean at transaction %d\n", txid) }

// takeMark removes the mark, durably, and reports whether it was there and vouches for the index.
func takeMark(index string, txid int) (clean bool, err error) {
	text, err := os.ReadFile(markPath(index))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	// A mark that cannot be read does not vouch for anything, but it must go all the same.
	clean = err == nil && strings.TrimSpace(string(text)) == strings.TrimSpace(markText(txid))
	if err := os.Remove(markPath(index)); err != nil {
		return false, fmt.Errorf("removing the mark of the last clean stop: %w", explainDisk(err))
	}
	return clean, syncDir(filepath.Dir(index))
}

// putMark writes the mark.
func putMark(index string, txid int) error {
	f, err := os.OpenFile(markPath(index), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(markText(txid))
	err = also(also(err, f.Sync()), f.Close())
	if err != nil {
		return also(err, os.Remove(markPath(index)))
	}
	return syncDir(filepath.Dir(index))
}

// syncDir makes changes in a directory durable, where the file system offers that.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !unsupported(err) {
		return err
	}
	return nil
}
