package peerwire

import (
	"bytes"
	"strings"
)

// maxPath is the longest path that is taken, PATH_MAX of Linux. Bytes.
const maxPath = 4096

// File is one file of a torrent.
type File struct {
	// Path is what the torrent calls the file: names joined by '/', see Info.MultiFile. It leads nowhere else, but that
	// is all: the names may be of any bytes and length, there may be none, and files may have the same.
	Path   string
	Length int64 // bytes
	// Padding says that the file only fills up a piece (BEP 47) and is usually not written to disk.
	Padding bool
}

// parseName takes the name of a torrent; it may have none. Clients differ in whether they prefer the UTF-8 variant, so
// both must be harmless.
func parseName(name, nameUTF8 value) (string, error) {
	best := ""
	for _, v := range []value{name, nameUTF8} {
		if v == nil {
			continue
		}
		s, ok := v.text()
		if !ok || leadsOut(s) {
			return "", infoError("its name %s cannot be the name of a file", show(v))
		}
		if len(s) > 0 {
			best = plain(s)
		}
	}
	return best, nil
}

// leadsOut reports whether a component of a path leads to the directory above. Spaces around it do not change that: file
// systems that drop them (FAT, SMB) make ".." of it. Nobody means well with such a torrent.
func leadsOut(s []byte) bool { return string(bytes.TrimSpace(s)) == ".." }

// plain returns what can stand between slashes: a slash in it is no separator.
func plain(s []byte) string { return strings.ReplaceAll(string(s), "/", "_") }

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
	return nil
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

// parsePath joins the components of a path, without those that lead nowhere.
func parsePath(v value) (string, error) {
	var path []byte
	if !v.isList() {
		return "", infoError("a file has the path %s", show(v))
	}
	for item := range v.list() {
		s, ok := item.text()
		if !ok || leadsOut(s) {
			return "", infoError("the file path %s is not safe", show(v))
		}
		if len(s) == 0 || string(s) == "." {
			continue
		}
		if len(path) > 0 {
			path = append(path, '/')
		}
		if path = append(path, plain(s)...); len(path) > maxPath {
			return "", infoError("the file path %s is longer than %d bytes", show(v), maxPath)
		}
	}
	return string(path), nil
}
