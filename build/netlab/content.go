//go:build linux

package netlab

import (
	"ebb/build/interop"
)

// Content is what a subject seeds.
type Content struct {
	Torrent string // path of the .torrent file; it names no trackers: peers are told of each other
	Dir     string // where the data is
	Name    string // of the file in it
	Hash    string // hexadecimal
}

const (
	pieceLength = 256 << 10
	// contentLength is more than a leecher gets in a scenario: four at 10 Mbit/s together take 3.5 minutes for all of
	// it.
	contentLength = 64 << 20
)

// Content makes the content, or returns it if it is there.
func (w *World) Content() (*Content, error) {
	if w.content != nil {
		return w.content, nil
	}
	dir, err := w.Dir("content")
	if err != nil {
		return nil, err
	}
	const name = "content"
	made, err := interop.MakeContent(dir, name, 1, pieceLength, nil, interop.File{Length: contentLength})
	if err != nil {
		return nil, err
	}
	torrent, err := made.WriteTorrent(w.dir)
	if err != nil {
		return nil, err
	}
	w.content = &Content{Torrent: torrent, Dir: dir, Name: name, Hash: made.Hash.String()}
	return w.content, nil
}
