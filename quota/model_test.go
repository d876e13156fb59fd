package quota

import (
	"crypto/sha1"
	"errors"
	"maps"
	"os"
	"testing"

	"github.com/anacrolix/torrent/metainfo"
	"pgregory.net/rapid"

	"ebb/quota/fragstore"
)

// model is what a ledger and its store should be: plain maps.
type model struct {
	*world
	limits   Limits
	values   map[fragstore.Key]float64 // of what is held
	sizes    map[fragstore.Key]int64
	promises map[metainfo.Hash]int64
	incoming map[fragstore.Key]*fragstore.Writer
}

const modelDisk = 800 * kib

func TestAnyHistoryKeepsToTheLimits(t *testing.T) {
	parent := memoryDir(t)
	rapid.Check(t, func(t *rapid.T) {
		state, err := os.MkdirTemp(parent, "")
		must(t, err)
		m := &model{
			world:    &world{state: state, total: modelDisk},
			limits:   Limits{Storage: 300 * kib, KeepFree: 50 * kib},
			values:   make(map[fragstore.Key]float64),
			sizes:    make(map[fragstore.Key]int64),
			promises: make(map[metainfo.Hash]int64),
			incoming: make(map[fragstore.Key]*fragstore.Writer),
		}
		m.start(t)
		defer func() { must(t, m.store.Close()) }()
		t.Repeat(map[string]func(*rapid.T){
			"":          m.agrees,
			"admit":     m.admitSome,
			"finish":    m.finish,
			"limits":    m.setLimits,
			"others":    m.othersWrite,
			"enforce":   m.enforce,
			"reserve":   m.reserve,
			"promise":   m.promise,
			"deleteOne": m.deleteOne,
			"restart":   m.restart,
		})
	})
}

func (m *model) start(t failer) {
	m.open(t)
	m.ledger = NewLedger(m.store, m.disk, m.limits, m.hear)
	for h, bytes := range m.promises {
		m.ledger.Promise(h, bytes)
	}
	for _, swarm := range []string{"a", "b"} {
		h := hashOf(swarm)
		m.store.SetValues(h, func(index uint32) float64 { return m.values[fragstore.Key{Hash: h, Index: index}] })
	}
}

func (m *model) promised() (sum int64) {
	for _, bytes := range m.promises {
		sum += bytes
	}
	return sum
}

// used adds up what is held and incoming.
func (m *model) used() (sum int64) {
	for _, size := range m.sizes {
		sum += size
	}
	for _, w := range m.incoming {
		sum += w.Charge()
	}
	return sum
}

// limit is the rule of the design, in one line.
func (m *model) limit() int64 {
	return max(min(m.limits.Storage, modelDisk-m.others-m.limits.KeepFree-m.promised()), 0)
}

func (m *model) agrees(t *rapid.T) {
	must(t, m.store.Check())
	got := make(map[fragstore.Key]float64)
	for f := range m.store.Fragments() {
		got[f.Key] = f.Value
	}
	if !maps.Equal(got, m.values) {
		t.Fatalf("held: %v, should be %v", got, m.values)
	}
	u := m.ledger.Usage()
	if u.Used != m.used() || u.Promised != m.promised() || u.Limit != m.limit() {
		t.Fatalf("Usage = %+v; should be used %d, promised %d, limit %d", u, m.used(), m.promised(), m.limit())
	}
}

// forget takes what was reclaimed out of the model, after checking that each of it was worth less than limit says.
func (m *model) forget(t *rapid.T, mayGo func(value float64) bool) (gone int) {
	keys := m.heard()
	for _, k := range keys {
		value, held := m.values[k]
		if !held || m.store.Has(k) {
			t.Fatalf("%s was reclaimed: held before %v, after %v", k, held, m.store.Has(k))
		}
		if !mayGo(value) {
			t.Fatalf("%s of value %v was reclaimed", k, value)
		}
		delete(m.values, k)
		delete(m.sizes, k)
	}
	return len(keys)
}

// lowest says whether a value is not above that of anything that is still there.
func (m *model) lowest(value float64) bool {
	for f := range m.store.Fragments() {
		if f.Value < value {
			return false
		}
	}
	return true
}

// dropAborted takes the incoming fragments out of the model that the ledger gave up.
func (m *model) dropAborted() (n int) {
	for k, w := range m.incoming {
		if _, err := w.WriteAt(nil, 0); errors.Is(err, fragstore.ErrAborted) {
			delete(m.incoming, k)
			n++
		}
	}
	return n
}

func (m *model) admitSome(t *rapid.T) {
	k := key(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "swarm"), rapid.Uint32Range(0, 9).Draw(t, "index"))
	if _, busy := m.incoming[k]; busy {
		return
	}
	length := rapid.SampledFrom([]int64{1, 10 * kib, 64 * kib}).Draw(t, "length")
	value := float64(rapid.IntRange(0, 20).Draw(t, "value"))
	used, limit, charge := m.used(), m.limit(), m.store.Charge(length)
	var replaceable int64
	for k, v := range m.values {
		if v*1.5 < value {
			replaceable += m.sizes[k]
		}
	}
	w, err := m.ledger.Admit(k, length, sha1.Sum(content(k, length)), value)
	_, held := m.values[k]
	gone := m.forget(t, func(victim float64) bool { return victim*1.5 < value })
	switch {
	case held:
		if !errors.Is(err, fragstore.ErrHeld) || gone > 0 {
			t.Fatalf("Admit of a held fragment: %v, %d reclaimed", err, gone)
		}
	case used+charge-replaceable > limit:
		if !errors.Is(err, ErrNoRoom) || gone > 0 {
			t.Fatalf("Admit of %d with %d of %d used, %d of it replaceable: %v, %d reclaimed", charge, used, limit, replaceable, err, gone)
		}
	case err != nil:
		t.Fatalf("Admit of %d with %d of %d used, %d of it replaceable: %v", charge, used, limit, replaceable, err)
	default:
		m.incoming[k] = w
		if got := m.used(); got > limit {
			t.Fatalf("%d are used, the limit is %d", got, limit)
		}
		if used+charge <= limit && gone > 0 {
			t.Fatalf("%d reclaimed with room enough", gone)
		}
	}
}

// finish ends what is incoming: it is committed, or found wrong, or given up.
func (m *model) finish(t *rapid.T) {
	for k, w := range m.incoming {
		switch rapid.SampledFrom([]string{"commit", "wrong", "abort", "later"}).Draw(t, "end") {
		case "commit":
			for _, length := range []int64{1, 10 * kib, 64 * kib} {
				if m.store.Charge(length) == w.Charge() {
					_, err := w.WriteAt(content(k, length), 0)
					must(t, err)
				}
			}
			value := w.Value()
			must(t, w.Commit())
			m.values[k], m.sizes[k] = value, w.Charge()
		case "wrong":
			if err := w.Commit(); !errors.Is(err, fragstore.ErrHash) {
				t.Fatalf("Commit of nothing: %v", err)
			}
		case "abort":
			w.Abort()
		case "later":
			continue
		}
		delete(m.incoming, k)
	}
}

func (m *model) setLimits(t *rapid.T) {
	m.limits = Limits{
		Storage:  rapid.Int64Range(0, 600).Draw(t, "storage") * kib,
		KeepFree: rapid.Int64Range(0, 200).Draw(t, "keepFree") * kib,
	}
	m.ledger.SetLimits(m.limits)
}

func (m *model) othersWrite(t *rapid.T) {
	m.fill(rapid.Int64Range(0, max(modelDisk-m.used(), 0)/kib).Draw(t, "others") * kib)
}

func (m *model) enforce(t *rapid.T) {
	before := m.used()
	freed := m.ledger.Enforce()
	m.dropAborted()
	if gone := m.forget(t, m.lowest); gone > 0 && len(m.incoming) > 0 {
		t.Fatal("fragments went before what is incoming")
	}
	used, limit := m.used(), m.limit()
	if freed != before-used || used > limit || before <= limit && freed > 0 {
		t.Fatalf("Enforce freed %d: from %d to %d, the limit is %d", freed, before, used, limit)
	}
	if most := int64(64*kib + limit/slackShare); before > limit && limit-used > most {
		t.Fatalf("Enforce went down to %d, the limit is %d", used, limit)
	}
}

func (m *model) reserve(t *rapid.T) {
	h := hashOf(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "download"))
	bytes := rapid.Int64Range(0, 900).Draw(t, "bytes") * kib
	old := m.promises[h]
	m.promises[h] = bytes
	missing := m.promised() - (modelDisk - m.others)
	before := m.used()
	err := m.ledger.Reserve(h, bytes)
	m.dropAborted()
	gone := m.forget(t, m.lowest)
	var noSpace *NoSpaceError
	switch {
	case missing > 0:
		if !errors.As(err, &noSpace) || noSpace.Missing != missing || m.used() != before || gone > 0 {
			t.Fatalf("Reserve with %d missing: %v; used from %d to %d", missing, err, before, m.used())
		}
		m.promises[h] = old
	case err != nil:
		t.Fatalf("Reserve of %d with room for it: %v", bytes, err)
	case m.used() > m.limit():
		t.Fatalf("Reserve has left %d used, the limit is %d", m.used(), m.limit())
	}
}

func (m *model) promise(t *rapid.T) {
	h := hashOf(rapid.SampledFrom([]string{"x", "y"}).Draw(t, "download"))
	bytes := rapid.Int64Range(0, 300).Draw(t, "remaining") * kib
	if rapid.Bool().Draw(t, "release") {
		bytes = 0
		m.ledger.Release(h)
	} else {
		m.ledger.Promise(h, bytes)
	}
	m.promises[h] = bytes
}

func (m *model) deleteOne(t *rapid.T) {
	k := key("a", rapid.Uint32Range(0, 9).Draw(t, "index"))
	_, err := m.store.Delete(k)
	must(t, err)
	delete(m.values, k)
	delete(m.sizes, k)
}

func (m *model) restart(t *rapid.T) {
	must(t, m.store.Close())
	clear(m.incoming)
	m.start(t)
}
