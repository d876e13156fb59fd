package records

import (
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

type note struct {
	Text string `json:"text"`
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *fragstore.Store {
	t.Helper()
	s, err := fragstore.Open(filepath.Join(dir, "fragments"), filepath.Join(dir, "fragments.db"), fragstore.Options{Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	return s
}

func TestTableIsKeptOverRestarts(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	one, two := swarm.InfoHash{1}, swarm.InfoHash{2}
	notes := In[note](s, "notes")
	must(t, notes.Put(two, note{"second"}))
	must(t, notes.Put(one, note{"first"}))
	must(t, notes.Put(one, note{"changed"}))
	must(t, In[note](s, "others").Put(one, note{"of another table"}))
	must(t, s.Close())

	s = open(t, dir)
	defer func() { must(t, s.Close()) }()
	notes = In[note](s, "notes")
	if got := notes.Hashes(); !slices.Equal(got, []swarm.InfoHash{one, two}) {
		t.Errorf("hashes %v", got)
	}
	all, err := notes.All()
	if want := map[swarm.InfoHash]note{one: {"changed"}, two: {"second"}}; err != nil || !maps.Equal(all, want) {
		t.Errorf("all: %v, %v; want %v", all, err, want)
	}
	must(t, notes.Delete(one))
	must(t, notes.Delete(one))
	if _, there, err := notes.Get(one); there || err != nil {
		t.Errorf("what was deleted: %v, %v", there, err)
	}
}

func TestDamagedValueIsAnErrorThatNamesIt(t *testing.T) {
	s := open(t, t.TempDir())
	defer func() { must(t, s.Close()) }()
	notes, h := In[note](s, "notes"), swarm.InfoHash{1}
	must(t, s.PutMeta("notes", h.String(), []byte(`{"text": 1}`)))
	if v, there, err := notes.Get(h); there || err == nil || v != (note{}) || !strings.Contains(err.Error(), h.String()) {
		t.Errorf("got %v, %v, %v", v, there, err)
	}
	if _, err := notes.All(); err == nil {
		t.Error("all were read")
	}
	must(t, s.PutMeta("notes", "nonsense", []byte("{}")))
	if got := notes.Hashes(); !slices.Equal(got, []swarm.InfoHash{h}) {
		t.Errorf("hashes %v", got)
	}
}
