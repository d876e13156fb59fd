package fragstore

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is what a store should be: a plain map.
type model struct {
	t       *rapid.T
	state   string
	store   *Store
	held    map[Key]int64   // → length
	served  map[Key]int64   // → bytes, of those that are held
	damaged map[Key]bool    // their files were changed while the store could not see it
	foreign map[string]bool // paths of what is not the store's
}

var someKeys = rapid.Custom(func(t *rapid.T) Key {
	return key(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "swarm"), rapid.Uint32Range(0, 4).Draw(t, "index"))
})

var someLengths = rapid.SampledFrom([]int64{1, 100, 4096, 4097, 16 << 10, 40000, 70000})

func TestAnyHistoryLeavesWhatAMapWouldHold(t *testing.T) {
	parent := memoryDir(t)
	rapid.Check(t, func(t *rapid.T) {
		state, err := os.MkdirTemp(parent, "")
		must(t, err)
		m := &model{
			t: t, state: state,
			held: make(map[Key]int64), served: make(map[Key]int64), damaged: make(map[Key]bool), foreign: make(map[string]bool),
		}
		m.store = reopen(t, state)
		defer func() { must(t, m.store.Close()) }()
		t.Repeat(map[string]func(*rapid.T){
			"":            m.agrees,
			"put":         m.put,
			"wrongHash":   m.wrongHash,
			"abort":       m.abort,
			"delete":      m.delete,
			"deleteSwarm": m.deleteSwarm,
			"reclaim":     m.reclaim,
			"read":        m.read,
			"serve":       m.serve,
			"restart":     m.restart,
			"crash":       m.crash,
			"vandalise":   m.vandalise,
		})
	})
}

// memoryDir is a directory in memory where there is one: many short histories sync very often.
func memoryDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "fragstore")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

func (m *model) agrees(t *rapid.T) {
	must(t, m.store.Check())
	got, served := make(map[Key]int64), make(map[Key]int64)
	var sum int64
	for f := range m.store.Fragments() {
		got[f.Key] = f.Length
		if f.Served != 0 {
			served[f.Key] = f.Served
		}
		sum += f.Bytes
		if f.Stored.IsZero() || f.Stored.After(time.Now()) || f.LastServed.IsZero() != (f.Served == 0) {
			t.Fatalf("times of %+v", f)
		}
	}
	if !maps.Equal(got, m.held) {
		t.Fatalf("held: %v, should be %v", got, m.held)
	}
	maps.DeleteFunc(m.served, func(k Key, _ int64) bool { _, held := m.held[k]; return !held })
	if !maps.Equal(served, m.served) {
		t.Fatalf("served: %v, should be %v", served, m.served)
	}
	for path := range m.foreign {
		if _, err := os.Lstat(path); err != nil {
			t.Fatalf("what is not ours: %v", err)
		}
	}
	if used := m.store.Used(); used != sum {
		t.Fatalf("Used = %d, the fragments have %d", used, sum)
	}
	if files := onDisk(t, filepath.Join(m.state, "fragments")); files > sum {
		t.Fatalf("the files take %d bytes, more than the %d counted", files, sum)
	}
	for _, swarm := range []string{"a", "b", "c"} {
		var want []uint32
		for k := range m.held {
			if k.Hash == hashOf(swarm) {
				want = append(want, k.Index)
			}
		}
		slices.Sort(want)
		if held := m.store.Held(hashOf(swarm)); !slices.Equal(held, want) || m.store.Count(hashOf(swarm)) != len(want) {
			t.Fatalf("of swarm %s are held %v (%d), should be %v", swarm, held, m.store.Count(hashOf(swarm)), want)
		}
	}
}

func (m *model) put(t *rapid.T) {
	k, length := someKeys.Draw(t, "key"), someLengths.Draw(t, "length")
	w, err := m.store.Create(k, length, sumOf(k, length))
	if _, held := m.held[k]; held {
		if !errors.Is(err, ErrHeld) {
			t.Fatalf("Create of a held fragment: %v", err)
		}
		return
	}
	must(t, err)
	const block = 16 << 10
	blocks := make([]int, (length+block-1)/block)
	for i := range blocks {
		blocks[i] = i
	}
	p := content(k, length)
	for _, i := range rapid.Permutation(blocks).Draw(t, "order") {
		_, err := w.WriteAt(p[i*block:min((i+1)*block, len(p))], int64(i*block))
		must(t, err)
	}
	must(t, w.Commit())
	m.held[k] = length
}

// begin begins to receive a fragment that is not held, and writes a part of it.
func (m *model) begin(t *rapid.T) *Writer {
	k, length := someKeys.Draw(t, "key"), someLengths.Draw(t, "length")
	if _, held := m.held[k]; held {
		return nil
	}
	before := m.store.Used()
	w, err := m.store.Create(k, length, sumOf(k, length))
	must(t, err)
	if got := m.store.Used(); got != before+m.store.Charge(length) {
		t.Fatalf("Used went from %d to %d at Create", before, got)
	}
	_, err = w.WriteAt(content(k, length)[:length/2], 0)
	must(t, err)
	return w
}

func (m *model) wrongHash(t *rapid.T) {
	if w := m.begin(t); w != nil {
		if err := w.Commit(); !errors.Is(err, ErrHash) {
			t.Fatalf("Commit of half a fragment: %v", err)
		}
	}
}

func (m *model) abort(t *rapid.T) {
	if w := m.begin(t); w != nil {
		w.Abort()
	}
}

func (m *model) delete(t *rapid.T) {
	keys := rapid.SliceOfN(someKeys, 0, 6).Draw(t, "keys")
	before := m.store.Used()
	freed, err := m.store.Delete(keys...)
	must(t, err)
	if got := m.store.Used(); got != before-freed {
		t.Fatalf("Used went from %d to %d, freed were %d", before, got, freed)
	}
	for _, k := range keys {
		delete(m.held, k)
		delete(m.damaged, k)
	}
}

func (m *model) deleteSwarm(t *rapid.T) {
	h := someKeys.Draw(t, "key").Hash
	w := m.begin(t)
	_, err := m.store.DeleteSwarm(h)
	must(t, err)
	if w != nil {
		w.Abort()
	}
	maps.DeleteFunc(m.held, func(k Key, _ int64) bool { return k.Hash == h })
	maps.DeleteFunc(m.damaged, func(k Key, _ bool) bool { return k.Hash == h })
}

// reclaim deletes the fragments of the lowest values, as who needs the space does.
func (m *model) reclaim(t *rapid.T) {
	for _, swarm := range []string{"a", "b", "c"} {
		m.store.SetValues(hashOf(swarm), func(uint32) float64 { return rapid.Float64().Draw(t, "value") })
	}
	all := slices.SortedFunc(m.store.Fragments(), func(a, b Fragment) int { return cmp.Compare(a.Value, b.Value) })
	all = all[:rapid.IntRange(0, len(all)).Draw(t, "victims")]
	var keys []Key
	var want int64
	for _, f := range all {
		keys = append(keys, f.Key)
		want += f.Bytes
		delete(m.held, f.Key)
		delete(m.damaged, f.Key)
	}
	freed, err := m.store.Delete(keys...)
	must(t, err)
	if freed != want {
		t.Fatalf("freed %d bytes of %d", freed, want)
	}
}

func (m *model) serve(t *rapid.T) {
	k, n := someKeys.Draw(t, "key"), rapid.Int64Range(1, 1<<40).Draw(t, "bytes")
	m.store.Served(k, n)
	if _, held := m.held[k]; held {
		m.served[k] += n
	}
	if rapid.Bool().Draw(t, "hour") {
		m.store.settle()
	}
}

func (m *model) read(t *rapid.T) {
	k := someKeys.Draw(t, "key")
	length, held := m.held[k]
	got, err := read(m.store, k, length)
	switch {
	case !held:
		if !errors.Is(err, ErrNotHeld) {
			t.Fatalf("reading what is not held: %v", err)
		}
	case m.damaged[k]:
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("reading what was damaged: %v", err)
		}
		delete(m.held, k)
		delete(m.damaged, k)
	case err != nil || !bytes.Equal(got, content(k, length)):
		t.Fatalf("reading %s: %v", k, err)
	}
}

func (m *model) restart(t *rapid.T) {
	must(t, m.store.Close())
	m.store = reopen(t, m.state)
}

// crash ends the store without warning, maybe while something is received and maybe before the index has heard of
// everything; and may damage what is on disk before the next start.
func (m *model) crash(t *rapid.T) {
	m.begin(t)
	synced := rapid.Bool().Draw(t, "synced")
	if synced {
		must(t, m.store.Sync())
	}
	crash(t, m.store)
	victim := someKeys.Draw(t, "victim")
	if _, held := m.held[victim]; held {
		path := fileOf(m.state, victim)
		switch rapid.SampledFrom([]string{"nothing", "flip", "cut", "remove"}).Draw(t, "damage") {
		case "flip":
			if !m.damaged[victim] { // a second flip would mend it
				flip(t, path)
				m.damaged[victim] = true
			}
		case "cut":
			must(t, os.Truncate(path, m.held[victim]-1))
			delete(m.held, victim)
		case "remove":
			must(t, os.Remove(path))
			delete(m.held, victim)
		}
	}
	m.store = reopen(t, m.state)
	if !synced { // what the index had not heard of may be lost; nothing else may
		maps.DeleteFunc(m.held, func(k Key, _ int64) bool { return !m.store.Has(k) })
	}
	before := m.served
	m.served = make(map[Key]int64)
	for f := range m.store.Fragments() {
		if f.Served > before[f.Key] {
			t.Fatalf("%d bytes of %s were served, and after a crash it is %d", before[f.Key], f.Key, f.Served)
		}
		if f.Served != 0 {
			m.served[f.Key] = f.Served
		}
	}
	maps.DeleteFunc(m.damaged, func(k Key, _ bool) bool { _, held := m.held[k]; return !held })
}
