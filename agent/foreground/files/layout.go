package files

import (
	"iter"
	"path"
	"slices"
	"strings"

	"ebb/agent/peerwire"
)

// Layout says where in its files the bytes of a torrent are.
type Layout struct {
	Starts      []int64 // where in the torrent each file that is written begins; by its index
	PieceLength int64   // bytes, of all pieces but the last
	Length      int64   // of the torrent, bytes

	parts []part // all of the torrent, in its order
}

// part is what one file, or padding, is of the torrent.
type part struct {
	at, length int64 // bytes
	file       int   // index in Layout.Starts; Padding if it is none
}

// Padding stands in for the index of a file that is not written (BEP 47).
const Padding = -1

// LayoutOf returns the layout of a torrent.
func LayoutOf(info *peerwire.Info) Layout {
	l := Layout{PieceLength: info.PieceLength, Length: info.Length, parts: make([]part, 0, len(info.Files))}
	at := int64(0)
	for _, f := range info.Files {
		p := part{at: at, length: f.Length, file: Padding}
		if !pads(info, f) {
			p.file = len(l.Starts)
			l.Starts = append(l.Starts, at)
		}
		l.parts = append(l.parts, p)
		at += f.Length
	}
	return l
}

// pads reports whether the file is padding: BEP 47 says so, or the name that BitComet gave its own.
func pads(info *peerwire.Info, f peerwire.File) bool {
	return info.MultiFile && (f.Padding || strings.HasPrefix(path.Base(f.Path), "_____padding_file"))
}

// written returns the files of a torrent that are written to disk, as they are called in the torrent.
func written(info *peerwire.Info) iter.Seq[peerwire.File] {
	return func(yield func(peerwire.File) bool) {
		for _, f := range info.Files {
			if !pads(info, f) && !yield(f) {
				return
			}
		}
	}
}

// Lengths returns the lengths of the files that are written, in bytes.
func Lengths(info *peerwire.Info) []int64 {
	var lengths []int64
	for f := range written(info) {
		lengths = append(lengths, f.Length)
	}
	return lengths
}

// Names returns the paths of the files that are written as the torrent has them: of any bytes, and maybe the same.
func Names(info *peerwire.Info) []string {
	var names []string
	for f := range written(info) {
		if info.MultiFile {
			f.Path = info.Name + "/" + f.Path
		}
		names = append(names, f.Path)
	}
	return names
}

// Pieces returns the number of pieces.
func (l Layout) Pieces() int64 { return (l.Length + l.PieceLength - 1) / l.PieceLength }

// PieceLen returns the length of a piece in bytes, 0 if there is none.
func (l Layout) PieceLen(index uint32) int64 {
	return max(min(l.PieceLength, l.Length-int64(index)*l.PieceLength), 0)
}

// Span is a stretch of bytes in one file, or in padding.
type Span struct {
	File        int // its index among those that are written, or Padding
	Off, Length int64
}

// Spans returns what lies in the length bytes from at on, in order, without what is empty. at and length are within the
// torrent.
func (l Layout) Spans(at, length int64) iter.Seq[Span] {
	return func(yield func(Span) bool) {
		n, _ := slices.BinarySearchFunc(l.parts, at, func(p part, at int64) int {
			if p.at+p.length <= at {
				return -1
			}
			return 1
		})
		for end := at + length; at < end; n++ {
			p := l.parts[n]
			take := min(p.at+p.length, end) - at
			if take > 0 && !yield(Span{File: p.file, Off: at - p.at, Length: take}) {
				return
			}
			at += take
		}
	}
}

// Piece returns the spans of a piece.
func (l Layout) Piece(index uint32) iter.Seq[Span] {
	return l.Spans(int64(index)*l.PieceLength, l.PieceLen(index))
}
