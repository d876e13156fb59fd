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

	"ebb/agent/swarm"
)

// stateSuffix is appended to the path of rain's database.
const stateSuffix = ".state"

// placesSuffix is appended likewise; a directory of files.Store.
const placesSuffix = ".places"

// state is what must survive a restart and rain does not keep. It is a text file of lines: 'clean' after an orderly
// stop, and 'WORD HASH' for what is true of a torrent. What it does not know is meant to run.
type state struct {
	clean   bool
	stopped hashes // by the owner
	adopted hashes // it became a download by Adopt
	holed   hashes // some of its files' space was given back: see Loan.GiveBack
}

// hashes is a set of torrents.
type hashes map[swarm.InfoHash]bool

// set puts h in the set, or takes it out. It reports whether that has changed anything.
func (s hashes) set(h swarm.InfoHash, in bool) bool {
	if s[h] == in {
		return false
	}
	if in {
		s[h] = true
	} else {
		delete(s, h)
	}
	return true
}

// words are how the file calls the sets.
func (s state) words() map[string]hashes {
	return map[string]hashes{"stopped": s.stopped, "adopted": s.adopted, "holed": s.holed}
}

// forget takes a torrent out of all sets.
func (s state) forget(h swarm.InfoHash) (changed bool) {
	for _, set := range s.words() {
		changed = set.set(h, false) || changed
	}
	return changed
}

// loadState reads the file; without one, all torrents are meant to run.
func loadState(path string) (state, error) {
	s := state{stopped: make(hashes), adopted: make(hashes), holed: make(hashes)}
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
		word, hash, _ := strings.Cut(line, " ")
		set := s.words()[word]
		h, err := swarm.ParseInfoHash(hash)
		if set == nil || err != nil {
			return s, fmt.Errorf("%s: cannot understand %.80q: move the file away, then all downloads start", path, line)
		}
		set[h] = true
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
	for word, set := range s.words() {
		for h := range set {
			lines = append(lines, word+" "+h.String()+"\n")
		}
	}
	slices.Sort(lines)
	for _, line := range lines {
		text.WriteString(line)
	}

	return replaceFile(path, text.Bytes())
}

// replaceFile writes a file at once or not at all.
func replaceFile(path string, content []byte) error {
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
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
