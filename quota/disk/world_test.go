package disk

import (
	"context"
	"crypto/sha1"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"ebb/agent/swarm"
	"ebb/platform"
	"ebb/quota/disk/fragstore"
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

func hashOf(name string) swarm.InfoHash { return sha1.Sum([]byte(name)) }

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

// unlimited is a write budget that is never spent.
const unlimited = -1

// world is a real store on a pretended disk.
type world struct {
	state  string
	store  *fragstore.Store
	ledger recorder

	mu        sync.Mutex
	total     int64
	others    int64 // what everybody else has on the disk
	id        string
	readOnly  bool
	broken    error                // what measuring it reports
	apart     *platform.FileSystem // where the downloads are; nil: on the same disk
	sick      chan struct{}
	reclaimed []fragstore.Key
	whys      []string
}

// disk says what df would say.
func (w *world) disk() (platform.FileSystem, error) {
	_, unwritten := w.store.InFlight()
	used := w.store.Used() - unwritten
	w.mu.Lock()
	defer w.mu.Unlock()
	return platform.FileSystem{ID: "disk" + w.id, Free: w.total - w.others - used, Total: w.total, ReadOnly: w.readOnly}, w.broken
}

// downloads is where the downloads are. While sick is set, it does not answer.
func (w *world) downloads() (platform.FileSystem, error) {
	w.mu.Lock()
	sick, apart := w.sick, w.apart
	w.mu.Unlock()
	if sick != nil {
		<-sick
	}
	if apart != nil {
		return *apart, nil
	}
	return w.disk()
}

// set changes the disk.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) fill(others int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.others = others
}

func (w *world) hear(r Reclaimed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(r.Keys) > 0 {
		w.reclaimed, w.whys = append(w.reclaimed, r.Keys...), append(w.whys, r.Why)
	}
}

// recorder is a ledger that has its world hear what it says was reclaimed.
type recorder struct {
	*Ledger
	world *world
}

// record returns a ledger of that configuration.
func (w *world) record(cfg Config) recorder { return recorder{NewLedger(cfg), w} }

func (l recorder) Admit(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, error) {
	writer, reclaimed, err := l.Ledger.Admit(k, length, sum, value)
	l.world.hear(reclaimed)
	return writer, err
}

func (l recorder) AdmitAsked(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, error) {
	writer, reclaimed, err := l.Ledger.AdmitAsked(k, length, sum, value)
	l.world.hear(reclaimed)
	return writer, err
}

func (l recorder) Reserve(h swarm.InfoHash, remaining func() int64) error {
	reclaimed, err := l.Ledger.Reserve(h, remaining)
	l.world.hear(reclaimed)
	return err
}

func (l recorder) Enforce() int64 {
	reclaimed, freed := l.Ledger.Enforce()
	l.world.hear(reclaimed)
	return freed
}

func (l recorder) Run(ctx context.Context) { l.Ledger.Run(ctx, l.world.hear) }

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

// newWorld has a disk of 1 GiB with nothing else on it. The write budget is no subject unless limits name one.
func newWorld(t testing.TB, limits Limits) *world {
	w := &world{state: t.TempDir(), total: gib}
	w.open(t)
	t.Cleanup(func() { must(t, w.store.Close()) })
	w.begin(limits)
	return w
}

// begin gives the world a ledger.
func (w *world) begin(limits Limits) {
	w.ledger = w.over(w.store, limits)
}

// over returns a ledger over that store.
func (w *world) over(s Store, limits Limits) recorder {
	if limits.Writes == 0 {
		limits.Writes = unlimited
	}
	return w.record(Config{Store: s, Fragments: w.disk, Downloads: w.downloads, Limits: fixed(limits)})
}

// fixed are limits that stay as they are.
func fixed(limits Limits) func() Limits { return func() Limits { return limits } }

// setLimits is what the owner does.
func setLimits(l recorder, limits Limits) {
	l.ownersLimits = fixed(limits)
	l.LimitsChanged()
}

// remains is a download of which so much is still to come.
func remains(n int64) func() int64 { return func() int64 { return n } }

// download is one of which the test changes how much is still to come.
type download struct{ atomic.Int64 }

func (d *download) remaining() int64 { return d.Load() }

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

// admitFromAllSides begins 8 workers that admit 480 fragments of all sizes and values, and enforce the limit in
// between.
func (w *world) admitFromAllSides(t testing.TB, workers *sync.WaitGroup) {
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
