package peerwire

import (
	"crypto/sha1"
	"fmt"

	"ebb/agent/swarm"
)

// ParsePieces is ParseInfo for those who need the pieces of a torrent and no files, as all of the background does: what
// its files are called keeps no swarm from being helped. Files stays nil, and Name is made fit to be shown; it is the
// info-hash if nothing is left of it.
func ParsePieces(raw []byte) (*Info, error) {
	v, err := parseBencode(raw, torrentNesting)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInfo, err)
	}
	var f [8]value
	err = v.pick(f[:], "name", "name.utf-8", "piece length", "pieces", "length", "files", "private", "meta version")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInfo, err)
	}
	name, nameUTF8, pieceLength, pieces, length, files, private, version := f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
	if pieces == nil && version != nil {
		return nil, errOnlyV2
	}
	info := &Info{Hash: sha1.Sum(raw), Private: isPrivate(private)}
	info.Name = info.Hash.String()
	for _, v := range []value{name, nameUTF8} {
		text, _ := v.text()
		if shown := swarm.CleanName(string(text)); shown != "" {
			info.Name = shown
		}
	}
	if err := info.parsePieceLength(pieceLength); err != nil {
		return nil, err
	}
	if err := info.addLengths(length, files); err != nil {
		return nil, err
	}
	return info, info.parsePieces(pieces)
}

// addLengths fills Length from either of the two keys.
func (i *Info) addLengths(length, files value) error {
	if (length == nil) == (files == nil) {
		return infoError("it must have either a length or a list of files")
	}
	if files == nil {
		_, err := i.addLength(length)
		return err
	}
	i.MultiFile = true
	for v := range files.list() {
		var f [1]value
		if err := v.pick(f[:], "length"); err != nil {
			return infoError("list of files: %w", err)
		}
		if _, err := i.addLength(f[0]); err != nil {
			return err
		}
	}
	return nil
}
