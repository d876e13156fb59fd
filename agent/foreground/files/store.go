package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// Store keeps the places of all downloads, and their open files. Its methods may be called at the same time.
type Store struct {
	records string // the directory of what must survive a restart: a file for each download
	pool    *pool

	mu     sync.Mutex // guards the rest
	places map[swarm.InfoHash]Place
}

// record is what is written down of a place.
type record struct {
	Directory string   `json:"directory"`
	Paths     []string `json:"paths"`
	Lengths   []int64  `json:"lengths,omitempty"`
	// To is where the files are to be moved to, and From where something is left of a move. Their lengths are the same.
	To   *record `json:"to,omitempty"`
	From *record `json:"from,omitempty"`
}

func recordOf(p *Place) *record {
	if p == nil {
		return nil
	}
	r := &record{Directory: p.Directory, To: recordOf(p.to), From: recordOf(p.from)}
	for _, f := range p.Files {
		r.Paths, r.Lengths = append(r.Paths, f.Path), append(r.Lengths, f.Length)
	}
	return r
}

// place returns what the record says, if that is possible.
func (r *record) place(lengths []int64) (*Place, error) {
	if r == nil {
		return nil, nil
	}
	p := place(r.Directory, r.Paths, lengths)
	if err := p.check(); err != nil {
		return nil, err
	}
	var errs [2]error
	p.to, errs[0] = r.To.place(lengths)
	p.from, errs[1] = r.From.place(lengths)
	return &p, errors.Join(errs[:]...)
}

// Open returns the store whose records are in the directory, which is made when the first is written. Records that
// cannot be read are as if they were not there: what is on disk is found again by its names.
func Open(records string) (*Store, error) {
	s := &Store{records: records, pool: newPool(poolLimit(descriptors())), places: make(map[swarm.InfoHash]Place)}
	entries, err := os.ReadDir(records)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		h, err := swarm.ParseInfoHash(entry.Name())
		if err != nil {
			continue // one that was not finished
		}
		if p, err := readRecord(filepath.Join(records, entry.Name())); err == nil {
			s.places[h] = p
		}
	}
	return s, nil
}

func readRecord(path string) (Place, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Place{}, err
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return Place{}, err
	}
	p, err := r.place(r.Lengths)
	if err != nil {
		return Place{}, err
	}
	return *p, nil
}

// Place returns where the files of a download are, if that was settled.
func (s *Store) Place(h swarm.InfoHash) (Place, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.places[h]
	return p, ok
}

// Settle returns the place of a torrent's files, which is in the directory if it has none yet. A name that another
// download uses there is not used twice. former are the paths by which the version before this one has kept those that
// are written: what is on disk by these names keeps them, and so does what is known to be theirs (inUse), even if its
// disk is away just now. Nothing is made yet. Errors wrap ErrInTheWay if something else has one of the names.
func (s *Store) Settle(info *peerwire.Info, directory string, former []string, inUse bool) (Place, error) {
	lengths := Lengths(info)
	p, settled := s.Place(info.Hash)
	if settled = settled && p.fits(lengths); !settled {
		s.mu.Lock()
		defer s.mu.Unlock()
		taken := func(top string) bool { return s.taken(info.Hash, directory, top) }
		p = place(directory, former, lengths)
		if kept := p.check() == nil && !taken(p.Top()); !kept || !inUse {
			fit := place(directory, Fit(info, RulesOf(directory), taken), lengths)
			if !kept || p.present() <= fit.present() {
				p = fit
			}
		}
	}
	if err := p.check(); err != nil {
		return Place{}, err
	}
	if _, err := p.Survey(); err != nil || settled {
		return p, err
	}
	return p, s.keep(info.Hash, p)
}

// place returns a place of paths and their lengths; an empty one if there is not one of each.
func place(directory string, paths []string, lengths []int64) Place {
	p := Place{Directory: directory}
	if len(paths) != len(lengths) {
		return p
	}
	for n, path := range paths {
		p.Files = append(p.Files, File{Path: path, Length: lengths[n]})
	}
	return p
}

// fits reports whether the files have the lengths.
func (p Place) fits(lengths []int64) bool {
	if len(p.Files) != len(lengths) {
		return false
	}
	for n, f := range p.Files {
		if f.Length != lengths[n] {
			return false
		}
	}
	return true
}

// present returns how many of the files are there.
func (p Place) present() (n int) {
	for _, f := range p.Files {
		if fi, err := os.Stat(filepath.Join(p.Directory, f.Path)); err == nil && f.is(fi) {
			n++
		}
	}
	return n
}

// taken reports whether another download uses a name in the directory. Names that differ only in case count as one:
// they are, on the disks of many NAS devices. The caller holds mu.
func (s *Store) taken(h swarm.InfoHash, directory, top string) bool {
	for other, p := range s.places {
		for _, p := range []*Place{&p, p.to, p.from} {
			if other != h && p != nil && p.Directory == directory && fold(p.Top()) == fold(top) {
				return true
			}
		}
	}
	return false
}

// Forget forgets the place of a download. Its files stay.
func (s *Store) Forget(h swarm.InfoHash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.places, h)
	err := os.Remove(s.path(h))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Prune forgets the places of downloads that are not known and have no files: somebody was killed before they began.
func (s *Store) Prune(known func(swarm.InfoHash) bool) error {
	s.mu.Lock()
	var gone []swarm.InfoHash
	for h, p := range s.places {
		if !known(h) && p.present() == 0 {
			gone = append(gone, h)
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, h := range gone {
		errs = append(errs, s.Forget(h))
	}
	return errors.Join(errs...)
}

func (s *Store) path(h swarm.InfoHash) string { return filepath.Join(s.records, h.String()) }

// keep writes down where the files of a download are. The caller holds mu.
func (s *Store) keep(h swarm.InfoHash, p Place) error {
	if err := s.write(h, p); err != nil {
		return fmt.Errorf("writing down where its files are: %w", err)
	}
	s.places[h] = p
	return nil
}

// write writes a record, at once or not at all.
func (s *Store) write(h swarm.InfoHash, p Place) error {
	text, err := json.Marshal(recordOf(&p))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.records, 0o700); err != nil {
		return err
	}
	temporary := s.path(h) + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, s.path(h)); err != nil {
		return err
	}
	return syncDirectory(s.records)
}

// syncDirectory makes a rename in the directory last.
func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // some network file systems know no such thing
	}
	return errors.Join(err, dir.Close())
}

// OpenFile returns a file of a download, which is made if it does not exist, but not its directory: that is missing if
// a disk is. exists says that the file did. It has a descriptor only while it is used, and for a while after.
func (s *Store) OpenFile(h swarm.InfoHash, n int) (f *Pooled, exists bool, err error) {
	p, ok := s.Place(h)
	if !ok || n < 0 || n >= len(p.Files) {
		return nil, false, fmt.Errorf("opening file %d of %s: it is not known where it is", n, h.String())
	}
	root, err := os.OpenRoot(p.Directory)
	if err != nil {
		return nil, false, err
	}
	defer root.Close()
	made, err := p.Files[n].make(root)
	if err != nil {
		return nil, !made, err
	}
	return &Pooled{pool: s.pool, directory: p.Directory, path: p.Files[n].Path}, !made, nil
}
