package foreground

import (
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"ebb/agent/peerwire"
)

// layout says where in its files the bytes of a torrent are.
type layout struct {
	files       []file // that rain writes
	parts       []part // all of the torrent, in its order
	pieceLength int64
	length      int64
}

// part is what one file, or padding, is of the torrent.
type part struct {
	at, length int64 // bytes
	file       int   // index in layout.files; padding if it is none
}

// padding stands in for the index of a file that is not written (BEP 47).
const padding = -1

// layoutOf brings the torrent's list of files together with the one of those that rain writes. It is an error if they
// do not fit each other.
func layoutOf(info *peerwire.Info, files []file) (layout, error) {
	l := layout{files: files, pieceLength: info.PieceLength, length: info.Length}
	next, at := 0, int64(0)
	for _, f := range info.Files {
		p := part{at: at, length: f.Length, file: padding}
		if !info.MultiFile || !pads(f) {
			if next == len(files) || files[next].length != f.Length {
				return layout{}, fmt.Errorf("%w: its list of files is ambiguous at %q", ErrBadSource, f.Path)
			}
			p.file = next
			next++
		}
		l.parts = append(l.parts, p)
		at += f.Length
	}
	if next != len(files) {
		return layout{}, fmt.Errorf("%w: its list of files is ambiguous", ErrBadSource)
	}
	return l, nil
}

// pads reports whether rain takes the file for padding: BEP 47 says so, or the name that BitComet gave its own.
func pads(f peerwire.File) bool {
	return f.Padding || strings.HasPrefix(path.Base(f.Path), "_____padding_file")
}

// pieces returns the number of pieces.
func (l layout) pieces() int64 { return (l.length + l.pieceLength - 1) / l.pieceLength }

// pieceLen returns the length of a piece in bytes, 0 if there is none.
func (l layout) pieceLen(index uint32) int64 {
	return max(min(l.pieceLength, l.length-int64(index)*l.pieceLength), 0)
}

// span is a stretch of bytes in one file, or in padding.
type span struct {
	file        int // index in layout.files, or padding
	off, length int64
}

// spans returns what lies in the length bytes from at on, in order, without what is empty. at and length are within the
// torrent.
func (l layout) spans(at, length int64) iter.Seq[span] {
	return func(yield func(span) bool) {
		n, _ := slices.BinarySearchFunc(l.parts, at, func(p part, at int64) int {
			if p.at+p.length <= at {
				return -1
			}
			return 1
		})
		for end := at + length; at < end; n++ {
			p := l.parts[n]
			take := min(p.at+p.length, end) - at
			if take > 0 && !yield(span{file: p.file, off: at - p.at, length: take}) {
				return
			}
			at += take
		}
	}
}

// piece returns the spans of a piece.
func (l layout) piece(index uint32) iter.Seq[span] {
	return l.spans(int64(index)*l.pieceLength, l.pieceLen(index))
}
