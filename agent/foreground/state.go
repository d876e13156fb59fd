package foreground

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/anacrolix/torrent/metainfo"
)

// stateSuffix is appended to the path of rain's database.
const stateSuffix = ".state"

// state is what must survive a restart and rain does not keep. It is a text file
// of lines: 'clean' after an orderly stop, and 'stopped HASH' for each torrent
// that the owner has stopped. What it does not know is meant to run.
type state struct {
	clean   bool
	stopped map[metainfo.Hash]bool
}

// loadState reads the file; without one, all torrents are meant to run.
func loadState(path string) (state, error) {
	s := state{stopped: make(map[metainfo.Hash]bool)}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "clean" {
			s.clean = true
			continue
		}
		var h metainfo.Hash
		hash, ok := strings.CutPrefix(line, "stopped ")
		if !ok || h.FromHexString(hash) != nil {
			return s, fmt.Errorf("%s: cannot understand %.80q: move the file away, then all downloads start", path, line)
		}
		s.stopped[h] = true
	}
	return s, nil
}

// save replaces the file at once or not at all.
func (s state) save(path string) error {
	var text bytes.Buffer
	if s.clean {
		text.WriteString("clean\n")
	}
	var lines []string
	for h := range s.stopped {
		lines = append(lines, "stopped "+h.HexString()+"\n")
	}
	slices.Sort(lines)
	for _, line := range lines {
		text.WriteString(line)
	}

	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text.Bytes())
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes a rename in the directory last.
func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
