package files

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"ebb/agent/peerwire"
)

const (
	// maxName is how long a name may be where the file system does not say: NAME_MAX of Linux. Bytes.
	maxName = 255
	// minName is the shortest bound on names that is believed. Bytes.
	minName = 64
	// maxExtension is the longest end of a name, from its last dot on, that is kept when the name is cut. Bytes.
	maxExtension = 16
	// maxPath is the longest path below the download directory. Linux opens paths of 4,096 bytes, and other programs
	// have to get at the files with the directory's own path before it. Bytes.
	maxPath = 3000
)

// Rules are what a file system asks of names.
type Rules struct {
	MaxName int  // bytes of a name
	Windows bool // as FAT, exFAT, NTFS and SMB: "*:<>?| and trailing dots and spaces are refused, or lost
	Fold    bool // names that differ only in case are one
}

// posix are the rules of a file system that has none of its own.
var posix = Rules{MaxName: maxName}

// Fit returns names for the files of a torrent that are written: fit for the file system, all distinct, and as close to
// the torrent's own as they can be. They are paths below the download directory, whose first component is the same for
// all. The same torrent and rules give the same names. taken says which first components are somebody else's.
func Fit(info *peerwire.Info, rules Rules, taken func(top string) bool) []string {
	root := newFolder(rules)
	name := info.Name
	if name == "" {
		name = hex.EncodeToString(info.Hash[:]) // as every client does
	}
	top := root.pick(name, !info.MultiFile, taken)
	if !info.MultiFile {
		return []string{top}
	}
	inside := newFolder(rules)
	var paths []string
	for f := range written(info) {
		path := filepath.Join(top, inside.place(f.Path))
		if len(path) > maxPath {
			// Nobody has such paths but to find out what happens.
			base := f.Path[strings.LastIndexByte(f.Path, '/')+1:]
			path = filepath.Join(top, inside.pick(cut(base, minName), true, nil))
		}
		paths = append(paths, path)
	}
	return paths
}

// folder gives the names in one directory.
type folder struct {
	rules   Rules
	used    map[string]int     // names as the file system tells them apart; how often each was wanted
	folders map[string]*inside // those in it, by their names in the torrent
}

// inside is a directory in another.
type inside struct {
	*folder
	name string
}

func newFolder(rules Rules) *folder {
	return &folder{rules: rules, used: make(map[string]int), folders: make(map[string]*inside)}
}

// place returns the path of a file, whose components the torrent joins by slashes.
func (f *folder) place(path string) string {
	component, rest, deeper := strings.Cut(path, "/")
	if !deeper {
		return f.pick(component, true, nil)
	}
	in := f.folders[component]
	if in == nil {
		in = &inside{newFolder(f.rules), f.pick(component, false, nil)}
		f.folders[component] = in
	}
	return filepath.Join(in.name, in.place(rest))
}

// pick returns a name, of a file or a directory, that is not used in the directory yet, and that taken does not know.
func (f *folder) pick(name string, file bool, taken func(string) bool) string {
	stem, extension := f.rules.clean(name), ""
	if file {
		stem, extension = split(stem)
	}
	fit := f.rules.join(stem, "", extension)
	key := f.rules.fold(fit)
	for {
		n := f.used[f.rules.fold(fit)]
		if n == 0 && (taken == nil || !taken(fit)) {
			f.used[f.rules.fold(fit)] = 1
			return fit
		}
		// Equal names count on from the last of them, or ten thousand would be tried ten thousand times each.
		f.used[key] = max(f.used[key], 1) + 1
		fit = f.rules.join(stem, fmt.Sprintf(" (%d)", f.used[key]), extension)
	}
}

// split splits a name before its extension, if it has a usual one.
func split(name string) (stem, extension string) {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || len(name)-dot > maxExtension {
		return name, ""
	}
	return name[:dot], name[dot:]
}

// join returns a name of the parts whose length the file system allows; it is the stem that is cut.
func (r Rules) join(stem, mark, extension string) string {
	return r.end(cut(stem, r.MaxName-len(mark)-len(extension)) + mark + extension)
}

// cut returns the beginning of the text in at most so many bytes. It does not cut within a character.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// clean returns the name without what no file system, or not this one, takes, and without what could confuse a terminal
// or the reader's eye. The bytes of names in other encodings than UTF-8 are kept in the form %FF, so that they stay
// distinct, and can be made out.
func (r Rules) clean(name string) string {
	var b strings.Builder
	if !utf8.ValidString(name) {
		for n := range len(name) {
			if name[n] < utf8.RuneSelf {
				b.WriteByte(name[n])
			} else {
				fmt.Fprintf(&b, "%%%02X", name[n])
			}
		}
		name = b.String()
		b.Reset()
	}
	for _, c := range name {
		switch {
		case c == '/' || c == '\\' || !shown(c) || r.Windows && strings.ContainsRune(`"*:<>?|`, c):
			b.WriteByte('_')
		default:
			b.WriteRune(c)
		}
	}
	clean := b.String()
	// File systems that drop trailing spaces (FAT, SMB) make ".." of ".. ", whatever carries the files there.
	if strings.Trim(clean, ". ") == "" {
		clean = strings.Map(func(rune) rune { return '_' }, clean+"_")
	}
	if r.Windows && device(clean) {
		clean = "_" + clean
	}
	return r.end(clean)
}

// shown reports whether a character shows, or joins those that do, as in Persian and in emoji.
func shown(c rune) bool { return unicode.IsGraphic(c) || c == '\u200c' || c == '\u200d' }

// end returns the name without an end that the file system drops.
func (r Rules) end(name string) string {
	if kept := strings.TrimRight(name, ". "); r.Windows && kept != "" {
		return kept
	}
	return name
}

// device reports whether Windows takes the name for one of its devices, with any extension.
func device(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "COM" || stem[:3] == "LPT") && stem[3] >= '0' && stem[3] <= '9'
}

// fold returns what is the same for names that are one to the file system.
func (r Rules) fold(name string) string {
	if !r.Fold {
		return name
	}
	return fold(name)
}

// fold returns what is the same for names that differ only in case.
func fold(name string) string {
	return strings.Map(func(c rune) rune { return unicode.ToLower(unicode.ToUpper(c)) }, name)
}
