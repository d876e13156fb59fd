package foreground

import (
	"fmt"
	"sync"

	"github.com/cenkalti/rain/v2/torrent"

	"ebb/agent/foreground/files"
	"ebb/agent/swarm"
)

// storage is rain's way to the files of downloads. rain calls files as its own rules for names say; that is only a name
// between it and us.
type storage struct {
	store *files.Store

	mu    sync.Mutex
	known map[swarm.InfoHash]map[string]int // of the files of a torrent, by rain's names: the index of each
}

func newStorage(store *files.Store) *storage {
	return &storage{store: store, known: make(map[swarm.InfoHash]map[string]int)}
}

// know takes note of what rain calls the files of a torrent, in their order.
func (s *storage) know(h swarm.InfoHash, names []string) {
	indexes := make(map[string]int, len(names))
	for n, name := range names {
		indexes[name] = n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[h] = indexes
}

// forget forgets a torrent.
func (s *storage) forget(h swarm.InfoHash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, h)
}

// open opens what rain calls by a name.
func (s *storage) open(id, name string) (*files.Pooled, bool, error) {
	h, err := swarm.ParseInfoHash(id) // torrents are called by their info-hash
	if err != nil {
		return nil, false, fmt.Errorf("opening files of %s: %w", id, err)
	}
	s.mu.Lock()
	n, ok := s.known[h][name]
	s.mu.Unlock()
	if !ok {
		return nil, false, fmt.Errorf("opening files of %s: there is none called %q", id, name)
	}
	return s.store.OpenFile(h, n)
}

// useStorage has rain keep its files in ours. The types of rain's field are internal, so they are inferred from it.
func useStorage(cfg *torrent.Config, files *storage) {
	cfg.CustomStorage = newProvider(cfg.CustomStorage, files)
}

// provider is rain's storage.Provider: S is its Storage, F its File.
type provider[S, F any] struct{ files *storage }

// newProvider returns a provider of the types of its first argument, which is not used otherwise.
func newProvider[
	P interface{ GetStorage(string) (S, error) },
	S interface {
		Open(string, int64) (F, bool, error)
		RootDir() string
	},
	F any,
](_ P, files *storage) provider[S, F] {
	return provider[S, F]{files}
}

// GetStorage returns where the files of a torrent are.
func (p provider[S, F]) GetStorage(id string) (S, error) {
	return any(rainStorage[F]{p.files, id}).(S), nil
}

// rainStorage is rain's storage.Storage.
type rainStorage[F any] struct {
	files *storage
	id    string
}

// RootDir returns nothing: rain tells it to those who ask where a torrent is, and we do not ask rain.
func (s rainStorage[F]) RootDir() string { return "" }

// Open makes a file if it does not exist, at full length. It leaves no descriptor open.
func (s rainStorage[F]) Open(name string, _ int64) (file F, exists bool, err error) {
	opened, exists, err := s.files.open(s.id, name)
	if err != nil {
		return file, exists, err
	}
	return any(opened).(F), exists, nil
}
