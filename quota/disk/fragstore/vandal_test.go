package fragstore

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// vandalise does to a running store what nobody should, and has it mended.
func (m *model) vandalise(t *rapid.T) {
	must(t, m.store.Sync()) // what waits for the index would cover up what is done to it
	wrong := false
	used := make(map[Key]bool) // one thing per fragment
	for range rapid.IntRange(1, 4).Draw(t, "deeds") {
		k := someKeys.Draw(t, "victim")
		if used[k] {
			continue
		}
		used[k] = true
		_, held := m.held[k]
		deed := rapid.SampledFrom(slices.Sorted(maps.Keys(deeds))).Draw(t, "deed")
		if deeds[deed](m, t, k, held) {
			wrong = true
		}
	}
	if err := m.store.Check(); (err != nil) != wrong {
		t.Fatalf("something is wrong: %v, and Check says %v", wrong, err)
	}
	mended, err := m.store.Mend()
	if err != nil || (mended != nil) != wrong {
		t.Fatalf("something is wrong: %v, and Mend says %q, %v", wrong, mended, err)
	}
	if mended, err := m.store.Mend(); err != nil || mended != nil {
		t.Fatalf("mending what was mended: %q, %v", mended, err)
	}
}

// deeds are things that can be done to a fragment, or in the place of one that is not held. They report whether
// something is wrong then.
var deeds = map[string]func(m *model, t *rapid.T, k Key, held bool) bool{
	"remove": func(m *model, t *rapid.T, k Key, held bool) bool {
		if held {
			must(t, os.Remove(fileOf(m.state, k)))
			m.forget(k)
		}
		return held
	},
	"resize": func(m *model, t *rapid.T, k Key, held bool) bool {
		if held {
			must(t, os.Truncate(fileOf(m.state, k), m.held[k]+int64(rapid.SampledFrom([]int{-1, 1, 5000}).Draw(t, "by"))))
			m.forget(k)
		}
		return held
	},
	// The same length, and no blocks. A fragment of whole blocks counts for its length in any case, so nobody sees that
	// its blocks have gone until it is hashed: that is no deed for a store which trusts what it has hashed.
	"empty": func(m *model, t *rapid.T, k Key, held bool) bool {
		if !held || m.held[k]%m.store.block == 0 {
			return false
		}
		must(t, os.Truncate(fileOf(m.state, k), 0))
		must(t, os.Truncate(fileOf(m.state, k), m.held[k]))
		m.damaged[k] = true
		return true
	},
	"stray": func(m *model, t *rapid.T, k Key, held bool) bool {
		if !held {
			m.file(t, fragmentPath(k), 100)
		}
		return !held
	},
	"incoming": func(m *model, t *rapid.T, k Key, _ bool) bool {
		m.file(t, incomingPath(k), 100)
		return true
	},
	"foreign file": func(m *model, t *rapid.T, k Key, _ bool) bool {
		name := rapid.SampledFrom([]string{"notes", "0x", "-1"}).Draw(t, "name")
		for _, in := range []string{"", prefixDir(k.Hash), swarmDir(k.Hash), incomingDir} {
			m.foreign[m.file(t, filepath.Join(in, name), 0)] = true
		}
		return false
	},
	"foreign directory": func(m *model, t *rapid.T, k Key, held bool) bool {
		if held {
			return false
		}
		path := filepath.Join(m.state, "fragments", fragmentPath(k)) + "d"
		must(t, os.MkdirAll(path, 0o700))
		m.foreign[path] = true
		return false
	},
	"index entry gone": func(m *model, t *rapid.T, k Key, held bool) bool {
		m.edit(t, fragmentKey(k), nil)
		return held
	},
	"index entry edited": func(m *model, t *rapid.T, k Key, _ bool) bool {
		m.edit(t, fragmentKey(k), rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "value"))
		return true
	},
	"index entry made up": func(m *model, t *rapid.T, k Key, held bool) bool {
		if !held {
			m.edit(t, fragmentKey(k), valueOf(100, 0))
		}
		return !held
	},
	"index nonsense": func(m *model, t *rapid.T, k Key, _ bool) bool {
		m.edit(t, fmt.Sprint("nonsense", k.Index), []byte{1})
		return true
	},
	"used": func(m *model, t *rapid.T, _ Key, _ bool) bool {
		m.store.mu.Lock()
		defer m.store.mu.Unlock()
		m.store.used += 5
		return true
	},
}

// forget notes that a fragment is lost.
func (m *model) forget(k Key) {
	delete(m.held, k)
	delete(m.damaged, k)
}

func (m *model) file(t *rapid.T, name string, length int) (path string) {
	path = filepath.Join(m.state, "fragments", name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, make([]byte, length), 0o600))
	return path
}

func (m *model) edit(t *rapid.T, key string, value []byte) {
	must(t, m.store.index.db.Update(func(tx *bbolt.Tx) error {
		if value == nil {
			return tx.Bucket(fragmentsBucket.name()).Delete([]byte(key))
		}
		return tx.Bucket(fragmentsBucket.name()).Put([]byte(key), value)
	}))
}
