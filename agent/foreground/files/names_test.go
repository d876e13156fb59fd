package files

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"ebb/agent/peerwire"
)

func nobody(string) bool { return false }

// torrent returns one with the files.
func torrent(name string, paths ...string) *peerwire.Info {
	info := &peerwire.Info{Name: name, MultiFile: len(paths) > 0, PieceLength: 1 << 14}
	for _, path := range paths {
		info.Files = append(info.Files, peerwire.File{Path: path, Length: 1})
	}
	if !info.MultiFile {
		info.Files = []peerwire.File{{Path: name, Length: 1}}
	}
	info.Length = int64(len(info.Files))
	return info
}

func TestNamesAreFitAndAsCloseAsTheyCanBe(t *testing.T) {
	long := strings.Repeat("長い名前", 22) // 264 bytes
	windows := Rules{MaxName: 255, Windows: true, Fold: true}
	for _, test := range []struct {
		what  string
		rules Rules
		info  *peerwire.Info
		want  []string
	}{
		{"usual", posix, torrent("Show", "e1.mkv", "extra/e1.mkv"), []string{"Show/e1.mkv", "Show/extra/e1.mkv"}},
		{"usual", windows, torrent("Show", "e1.mkv", "extra/e1.mkv"), []string{"Show/e1.mkv", "Show/extra/e1.mkv"}},
		{"a single file", posix, torrent("film.mkv"), []string{"film.mkv"}},
		{"Windows-1251", posix, torrent("Album", "\xcf\xe5.mp3", "\xcd\xee.mp3"), []string{"Album/%CF%E5.mp3", "Album/%CD%EE.mp3"}},
		{"GBK", posix, torrent("\xd7\xca", "\xcb\xb5\xc3\xf7.txt"), []string{"%D7%CA/%CB%B5%C3%F7.txt"}},
		{"duplicates", posix, torrent("Dup", "a.txt", "a.txt", "a (2).txt", "a.txt"),
			[]string{"Dup/a.txt", "Dup/a (2).txt", "Dup/a (2) (2).txt", "Dup/a (3).txt"}},
		{"a file and a directory", posix, torrent("T", "a", "a/b", "a/c"), []string{"T/a", "T/a (2)/b", "T/a (2)/c"}},
		{"long ones that differ at the end", posix, torrent("S", long+" 1.mkv", long+" 2.mkv"),
			[]string{"S/" + long[:249] + ".mkv", "S/" + long[:246] + " (2).mkv"}},
		{"in another case", posix, torrent("S", "README", "readme"), []string{"S/README", "S/readme"}},
		{"in another case", windows, torrent("S", "README", "readme"), []string{"S/README", "S/readme (2)"}},
		{"separators", posix, torrent(`a\b`, `c\d`), []string{"a_b/c_d"}},
		{"what Windows refuses", posix, torrent("a:b", `c?*"<>|`, "end. ", "CON", "com1.txt"), []string{
			"a:b/" + `c?*"<>|`, "a:b/end. ", "a:b/CON", "a:b/com1.txt"}},
		{"what Windows refuses", windows, torrent("a:b", `c?*"<>|`, "end. ", "CON", "com1.txt", "end"), []string{
			"a_b/c______", "a_b/end", "a_b/_CON", "a_b/_com1.txt", "a_b/end (2)"}},
		{"what does not show", posix, torrent("line\nbreak", "\u202egnp.exe", "\x00", "می\u200cخواهم"), []string{
			"line_break/_gnp.exe", "line_break/_", "line_break/می\u200cخواهم"}},
		{"dots", posix, torrent("...", ". .", " ", "", ".hidden"), []string{"____/____", "____/__", "____/_", "____/.hidden"}},
		{"eCryptfs", Rules{MaxName: 143}, torrent(strings.Repeat("x", 200) + ".mkv"), []string{strings.Repeat("x", 139) + ".mkv"}},
	} {
		if got := Fit(test.info, test.rules, nobody); !slices.Equal(got, test.want) {
			t.Errorf("%s, %+v: %q, not %q", test.what, test.rules, got, test.want)
		}
	}
}

func TestANameThatIsSomebodyElsesIsNotTaken(t *testing.T) {
	taken := func(top string) bool { return top == "Season 1.5" || top == "Season 1.5 (2)" || top == "film.mkv" }
	if got := Fit(torrent("Season 1.5", "e1.mkv"), posix, taken); got[0] != "Season 1.5 (3)/e1.mkv" {
		t.Errorf("%q", got)
	}
	if got := Fit(torrent("film.mkv"), posix, taken); got[0] != "film (2).mkv" {
		t.Errorf("%q", got)
	}
}

func TestTenThousandEqualNamesAreToldApart(t *testing.T) {
	for _, path := range []string{"a.txt", strings.Repeat("x", 300)} {
		got := Fit(torrent("T", slices.Repeat([]string{path}, 10_000)...), posix, nobody)
		slices.Sort(got)
		if n := len(slices.Compact(got)); n != 10_000 {
			t.Errorf("%d names", n)
		}
	}
}

func TestVeryLongPathsAreShortened(t *testing.T) {
	deep := strings.Repeat("directory/", 400)
	got := Fit(torrent("T", deep+"a.txt", deep+"b.txt", deep+"a.txt"), posix, nobody)
	if want := []string{"T/a.txt", "T/b.txt", "T/a (2).txt"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func FuzzFit(f *testing.F) {
	f.Add("Show", "e1.mkv\na/b\na", 255, false, false)
	f.Add("\xcf\xe5", "\xcf\n\xe5\nCON\ncon\nend.\nend ", 255, true, true)
	f.Add("...", "..\n.\n\n \na\\b\na:b", 64, true, false)
	f.Add(strings.Repeat("ä", 300)+".mkv", strings.Repeat("x", 300)+"1\n"+strings.Repeat("x", 300)+"2", 143, false, true)
	f.Fuzz(func(t *testing.T, name, paths string, most int, windows, fold bool) {
		rules := Rules{MaxName: max(minName, min(most, maxName)), Windows: windows, Fold: fold}
		info := torrent(name, strings.Split(paths, "\n")...)
		got := Fit(info, rules, func(top string) bool { return top == "taken" })
		if again := Fit(info, rules, func(top string) bool { return top == "taken" }); !slices.Equal(got, again) {
			t.Fatalf("once %q, once %q", got, again)
		}
		if len(got) != len(info.Files) {
			t.Fatalf("%d names for %d files", len(got), len(info.Files))
		}
		if err := (Place{Files: place("", got, slices.Repeat([]int64{1}, len(got))).Files}).check(); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		files, directories := make(map[string]bool), make(map[string]bool)
		for _, path := range got {
			key := rules.fold(path)
			if files[key] {
				t.Fatalf("two files are %q", path)
			}
			files[key] = true
			for dir := filepath.Dir(key); dir != "."; dir = filepath.Dir(dir) {
				directories[dir] = true
			}
			if len(path) > maxPath+2*maxName || !utf8.ValidString(path) {
				t.Fatalf("the path %q", path)
			}
			for component := range strings.SplitSeq(path, "/") {
				if err := unfit(component, rules); err != nil {
					t.Fatalf("%q in %q: %v", component, path, err)
				}
			}
		}
		for dir := range directories {
			if files[dir] {
				t.Fatalf("%q is a file and a directory", dir)
			}
		}
	})
}

// unfit says why a name is not fit.
func unfit(name string, rules Rules) error {
	trimmed := strings.Trim(name, ". ")
	switch {
	case len(name) > rules.MaxName:
		return fmt.Errorf("%d bytes", len(name))
	case trimmed == "" || name == "taken":
		return fmt.Errorf("it is none")
	case strings.ContainsAny(name, "/\\\x00\n\u202e"):
		return fmt.Errorf("it has what it must not have")
	case rules.Windows && (strings.ContainsAny(name, `"*:<>?|`) || strings.TrimRight(name, ". ") != name || device(name)):
		return fmt.Errorf("Windows refuses it")
	}
	return nil
}
