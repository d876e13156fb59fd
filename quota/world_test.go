package quota

import (
	"crypto/sha1"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/anacrolix/torrent/metainfo"
	"go.uber.org/goleak"

	"ebb/quota/fragstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// failer is what testing.TB and *rapid.T have in common here.
type failer interface {
	Helper()
	Fatal(args ...any)
}

func must(t failer, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func hashOf(name string) metainfo.Hash { return sha1.Sum([]byte(name)) }

func key(swarm string, index uint32) fragstore.Key {
	return fragstore.Key{Hash: hashOf(swarm), Index: index}
}

func content(k fragstore.Key, length int64) []byte {
	p := make([]byte, length)
	seed := [32]byte{31: byte(k.Index)}
	copy(seed[:], k.Hash[:])
	_, _ = rand.NewChaCha8(seed).Read(p) // never fails
	return p
}

// world is a real store on a pretended disk.
type world struct {
	state  string
	store  *fragstore.Store
	ledger *Ledger

	mu        sync.Mutex
	total     int64
	others    int64 // what everybody else has on the disk
	broken    error // what measuring it reports
	reclaimed []fragstore.Key
	whys      []string
}

// disk says what df would say.
func (w *world) disk() (free, total int64, err error) {
	_, unwritten := w.store.InFlight()
	used := w.store.Used() - unwritten
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.total-w.others-used, 0), w.total, w.broken
}

func (w *world) fill(others int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.others = others
}

func (w *world) hear(keys []fragstore.Key, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reclaimed = append(w.reclaimed, keys...)
	w.whys = append(w.whys, why)
}

// heard returns what was reclaimed since the last call.
func (w *world) heard() []fragstore.Key {
	w.mu.Lock()
	defer w.mu.Unlock()
	keys := w.reclaimed
	w.reclaimed, w.whys = nil, nil
	return keys
}

func (w *world) open(t failer) {
	t.Helper()
	s, err := fragstore.Open(filepath.Join(w.state, "disk", "fragments"), filepath.Join(w.state, "fragments.db"),
		fragstore.Options{Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	w.store = s
}

// newWorld has a disk of 1 GiB with nothing else on it.
func newWorld(t testing.TB, limits Limits) *world {
	w := &world{state: t.TempDir(), total: gib}
	w.open(t)
	t.Cleanup(func() { must(t, w.store.Close()) })
	w.ledger = NewLedger(w.store, w.disk, limits, w.hear)
	return w
}

// admit stores a fragment of that value, through the ledger.
func (w *world) admit(k fragstore.Key, length int64, value float64) error {
	p := content(k, length)
	writer, err := w.ledger.Admit(k, length, sha1.Sum(p), value)
	if err != nil {
		return err
	}
	if _, err := writer.WriteAt(p, 0); err != nil {
		writer.Abort()
		return err
	}
	return writer.Commit()
}

// admitFromAllSides begins 8 workers that admit 480 fragments of all sizes and values, and enforce the limit in between.
func (w *world) admitFromAllSides(t *testing.T, workers *sync.WaitGroup) {
	for worker := range 8 {
		workers.Go(func() {
			for i := range 60 {
				k := key(string(rune('a'+worker)), uint32(i))
				err := w.admit(k, int64(1+(i*worker*3000)%(64*kib)), float64(1+(i*7+worker)%50))
				if err != nil && !errors.Is(err, ErrNoRoom) && !errors.Is(err, fragstore.ErrAborted) {
					t.Errorf("%s: %v", k, err)
				}
				if i%20 == 19 {
					w.ledger.Enforce()
				}
			}
		})
	}
}

// fillWith admits fragments 0.. of swarm a, of 64 KiB each, with the given values.
func (w *world) fillWith(t failer, values ...float64) {
	t.Helper()
	for i, v := range values {
		must(t, w.admit(key("a", uint32(i)), 64*kib, v))
	}
}

func (w *world) held() []uint32 { return w.store.Held(hashOf("a")) }

func expectHeld(t *testing.T, w *world, want ...uint32) {
	t.Helper()
	if got := w.held(); !slices.Equal(got, want) {
		t.Errorf("held: %v, want %v", got, want)
	}
}

func expectNoSpace(t *testing.T, err error, missing int64) {
	t.Helper()
	var noSpace *NoSpaceError
	if !errors.As(err, &noSpace) || noSpace.Missing != missing {
		t.Errorf("got %v, want that %d bytes are missing", err, missing)
	}
}

// memoryDir is a directory in memory where there is one: many short histories sync very often.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "quota")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}
