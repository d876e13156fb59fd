package peerwire

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// maxPath is PATH_MAX on Linux: no longer path can be opened. Bytes.
const maxPath = 4096

// File is one file of a torrent.
type File struct {
	// Path is relative and made of plain names joined by '/'; see Info.MultiFile.
	Path   string
	Length int64 // bytes
	// Padding says that the file only fills up a piece (BEP 47) and is usually not written to disk. Only paths of
	// padding files may occur more than once.
	Padding bool
}

// parseName takes the name of a torrent. Clients differ in whether they prefer the UTF-8 variant, so both must be safe.
func parseName(name, nameUTF8 value) (string, error) {
	best := ""
	for _, v := range []value{name, nameUTF8} {
		if v == nil {
			continue
		}
		s, ok := v.text()
		if !ok || !safeComponent(s) {
			return "", infoError("its name %s cannot be the name of a file", show(v))
		}
		best = string(s)
	}
	if best == "" {
		return "", infoError("it has no name")
	}
	return best, nil
}

// safeComponent reports whether s can be one component of a path without leading anywhere else. Names that are only
// dots and spaces are refused in all forms, because file systems that drop trailing spaces (FAT, SMB) make them "..".
func safeComponent(s []byte) bool {
	switch string(bytes.TrimSpace(s)) {
	case "", ".", "..":
		return false
	}
	return !bytes.ContainsAny(s, "/\\\x00")
}

// parseFiles fills Files and Length from either of the two keys.
func (i *Info) parseFiles(length, files value) error {
	if (length == nil) == (files == nil) {
		return infoError("it must have either a length or a list of files")
	}
	if files == nil {
		n, err := i.addLength(length)
		if err != nil {
			return err
		}
		i.Files = []File{{Path: i.Name, Length: n}}
		return nil
	}
	i.MultiFile = true
	for v := range files.list() {
		if len(i.Files) == MaxFiles {
			return infoError("it has more than %d files", MaxFiles)
		}
		file, err := i.parseFile(v)
		if err != nil {
			return err
		}
		i.Files = append(i.Files, file)
	}
	if len(i.Files) == 0 {
		return infoError("it has no files")
	}
	return checkCollisions(i.Files)
}

// parseFile reads one entry of the list of files.
func (i *Info) parseFile(v value) (file File, err error) {
	var f [4]value
	if err := v.pick(f[:], "length", "path", "path.utf-8", "attr"); err != nil {
		return File{}, infoError("list of files: %w", err)
	}
	if file.Length, err = i.addLength(f[0]); err != nil {
		return File{}, err
	}
	if file.Path, err = parsePath(f[1]); err != nil {
		return File{}, err
	}
	if f[2] != nil {
		if file.Path, err = parsePath(f[2]); err != nil {
			return File{}, err
		}
	}
	attr, _ := f[3].text()
	file.Padding = bytes.IndexByte(attr, 'p') >= 0
	return file, nil
}

// parsePath joins the components of a path.
func parsePath(v value) (string, error) {
	var path []byte
	for item := range v.list() {
		s, ok := item.text()
		if !ok || !safeComponent(s) {
			return "", infoError("the file path %s is not safe", show(v))
		}
		if len(path) > 0 {
			path = append(path, '/')
		}
		if path = append(path, s...); len(path) > maxPath {
			return "", infoError("the file path %s is longer than %d bytes", show(v), maxPath)
		}
	}
	if len(path) == 0 {
		return "", infoError("a file has no path")
	}
	return string(path), nil
}

// checkCollisions makes sure that no two files have the same path, and that no file is at a path that another needs for
// a directory.
func checkCollisions(files []File) error {
	order := make([]int32, 0, len(files)) // MaxFiles fits
	for n := range files {
		if !files[n].Padding {
			order = append(order, int32(n))
		}
	}
	// With '/' sorted before everything else, a file is directly followed by what would be inside it.
	slices.SortFunc(order, func(a, b int32) int { return comparePaths(files[a].Path, files[b].Path) })
	for n := 1; n < len(order); n++ {
		before, path := files[order[n-1]].Path, files[order[n]].Path
		rest, inside := strings.CutPrefix(path, before)
		if inside && (rest == "" || rest[0] == '/') {
			return infoError("two files share the path %q", before)
		}
	}
	return nil
}

// comparePaths orders paths component by component.
func comparePaths(a, b string) int {
	for n := 0; n < len(a) && n < len(b); n++ {
		if a[n] != b[n] {
			switch {
			case a[n] == '/':
				return -1
			case b[n] == '/':
				return 1
			}
			return cmp.Compare(a[n], b[n])
		}
	}
	return cmp.Compare(len(a), len(b))
}
