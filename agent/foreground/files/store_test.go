package files

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

func open(t *testing.T, records string) *Store {
	t.Helper()
	s, err := Open(records)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// settle settles where the files of a torrent are, and returns their paths.
func settle(t *testing.T, s *Store, info *peerwire.Info, dir string, former []string, inUse bool) []string {
	t.Helper()
	p, err := s.Settle(info, dir, former, inUse)
	if err != nil {
		t.Fatal(err)
	}
	if kept, ok := s.Place(info.Hash); !ok || kept.Directory != p.Directory || !slices.Equal(kept.Files, p.Files) {
		t.Errorf("settled %+v, kept %+v", p, kept)
	}
	var paths []string
	for _, f := range p.Files {
		paths = append(paths, f.Path)
	}
	return paths
}

func with(hash byte, info *peerwire.Info) *peerwire.Info {
	info.Hash = swarm.InfoHash{hash}
	return info
}

func TestTwoTorrentsOfOneNameCanBothBeHad(t *testing.T) {
	dir, records := t.TempDir(), filepath.Join(t.TempDir(), "places")
	first, second, third := with(1, torrent("Season 1", "e1.mkv")), with(2, torrent("season 1", "e1.mkv")), with(3, torrent("Season 1"))
	s := open(t, records)
	check := func() {
		t.Helper()
		for info, want := range map[*peerwire.Info]string{first: "Season 1/e1.mkv", second: "season 1 (2)/e1.mkv", third: "Season 1 (3)"} {
			if got := settle(t, s, info, dir, nil, false); got[0] != want {
				t.Errorf("%q is %q, not %q", info.Name, got, want)
			}
		}
	}
	settle(t, s, first, dir, nil, false)
	settle(t, s, second, dir, nil, false)
	settle(t, s, third, dir, nil, false)
	check()
	s = open(t, records) // a restart, and the owner has another directory for new downloads
	elsewhere := dir
	dir = t.TempDir()
	check()
	if p, _ := s.Place(second.Hash); p.Directory != elsewhere {
		t.Errorf("after a restart it is in %s", p.Directory)
	}
	if err := s.Forget(first.Hash); err != nil {
		t.Error(err)
	}
	if got := settle(t, s, with(4, torrent("SEASON 1", "e1.mkv")), elsewhere, nil, false); got[0] != "SEASON 1/e1.mkv" {
		t.Errorf("the name is not free again: %q", got)
	}
	if _, known := open(t, records).Place(first.Hash); known {
		t.Error("a place is remembered that was forgotten")
	}
}

func TestNamesThatAreOnTheDiskAlreadyAreKept(t *testing.T) {
	dir := t.TempDir()
	odd := func(hash byte, name string) (*peerwire.Info, []string) {
		return with(hash, torrent(name, "\xcf.mp3", "b.mp3")), []string{name + "/\ufffd.mp3", name + "/b.mp3"}
	}
	s := open(t, t.TempDir())
	info, former := odd(1, "known")
	if got := settle(t, s, info, dir, former, true); !slices.Equal(got, former) {
		t.Errorf("what another version has had is %q now", got)
	}
	info, former = odd(2, "there")
	put(t, dir, former[0], 1)
	if got := settle(t, s, info, dir, former, false); !slices.Equal(got, former) {
		t.Errorf("what is on disk as %q is called %q", former, got)
	}
	info, former = odd(3, "new")
	if got := settle(t, s, info, dir, former, false); got[0] != "new/%CF.mp3" {
		t.Errorf("a new one is %q", got)
	}
	info, former = odd(4, "out")
	former[1] = "../b.mp3"
	if got := settle(t, s, info, dir, former, true); got[0] != "out/%CF.mp3" {
		t.Errorf("names that lead out are kept: %q", got)
	}
	info, former = odd(5, "new")
	if got := settle(t, s, info, dir, former, true); got[0] != "new (2)/%CF.mp3" {
		t.Errorf("names of another download are taken: %q", got)
	}
}

func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "thesis.doc", 5000)
	s := open(t, t.TempDir())
	if _, err := s.Settle(torrent("thesis.doc"), dir, nil, false); !errors.Is(err, ErrInTheWay) {
		t.Errorf("%v", err)
	}
	if _, known := s.Place(swarm.InfoHash{}); known {
		t.Error("its place is settled")
	}
}

func TestPlacesOfWhatIsNoDownloadAreForgottenWithoutItsFiles(t *testing.T) {
	dir, records := t.TempDir(), t.TempDir()
	s := open(t, records)
	for n, name := range []string{"known", "placed", "neither"} {
		settle(t, s, with(byte(n), torrent(name)), dir, nil, false)
	}
	put(t, dir, "placed", 1)
	if err := s.Prune(func(h swarm.InfoHash) bool { return h == swarm.InfoHash{0} }); err != nil {
		t.Fatal(err)
	}
	s = open(t, records)
	for n, want := range []bool{true, true, false} {
		if _, known := s.Place(swarm.InfoHash{byte(n)}); known != want {
			t.Errorf("%d is known: %t", n, known)
		}
	}
}

func TestDamagedRecordsAreAsIfThereWereNone(t *testing.T) {
	dir, records := t.TempDir(), t.TempDir()
	info := torrent("film.mkv")
	for _, text := range []string{
		"", "{", `{"directory":"/","paths":["../x"],"lengths":[1]}`, `{"directory":"/","paths":["x"],"lengths":[]}`, `[]`,
		`{"directory":"/","paths":["another"],"lengths":[7]}`,
	} {
		if err := os.WriteFile(filepath.Join(records, info.Hash.String()), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := settle(t, open(t, records), info, dir, nil, false); got[0] != "film.mkv" {
			t.Errorf("with %s: %q", text, got)
		}
	}
}

func TestRulesAreThoseOfTheDirectory(t *testing.T) {
	dir := t.TempDir()
	if got := RulesOf(dir); got.Windows || got.MaxName < minName || got.MaxName > maxName {
		t.Errorf("%+v", got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
	if got := RulesOf(filepath.Join(dir, "missing")); got.MaxName != maxName {
		t.Errorf("where there is nothing: %+v", got)
	}
}
