package foreground

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"ebb/agent/swarm"
)

func TestStateSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.state")
	s, err := loadState(path)
	if err != nil || s.clean || len(s.stopped) != 0 {
		t.Fatalf("without a file: %+v, %v", s, err)
	}
	a, b := swarm.InfoHash{1}, swarm.InfoHash{2}
	s.stopped[a], s.stopped[b], s.adopted[b], s.holed[a] = true, true, true, true
	for _, clean := range []bool{true, false} {
		s.clean = clean
		if err := s.save(path); err != nil {
			t.Fatal(err)
		}
		if got, err := loadState(path); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("saved %+v, loaded %+v, %v", s, got, err)
		}
	}
	if !s.forget(a) || s.forget(a) || s.stopped[a] || s.holed[a] || !s.stopped[b] || !s.adopted[b] {
		t.Errorf("after forgetting the first: %+v", s)
	}
	for _, text := range []string{"clean\nstopped 12\n", "nonsense", "lost " + a.String(), "stopped " + string(make([]byte, 40))} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := loadState(path); err == nil {
			t.Errorf("%q is taken for %+v", text, s)
		}
	}
}
