package files

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ebb/agent/peerwire"
)

// random returns a torrent of random files, some empty and some padding, how many are written, and what its layout
// should be: the file and offset of each byte.
func random() (*peerwire.Info, int, []Span) {
	info := &peerwire.Info{PieceLength: 1 + rand.Int64N(20), MultiFile: true}
	files := 0
	var bytes []Span
	for n := range 1 + rand.IntN(12) {
		f := peerwire.File{Path: fmt.Sprint("d/", n), Length: rand.Int64N(30)}
		where := files
		switch rand.IntN(5) {
		case 0:
			f.Padding, where = true, Padding
		case 1:
			f.Path, where = fmt.Sprint("d/_____padding_file_", n), Padding
		case 2:
			f.Length = 0
			fallthrough
		default:
			files++
		}
		info.Files = append(info.Files, f)
		info.Length += f.Length
		for off := range f.Length {
			bytes = append(bytes, Span{where, off, 1})
		}
	}
	return info, files, bytes
}

func TestEveryByteOfAPieceIsWhereTheTorrentSays(t *testing.T) {
	for range 2000 {
		info, files, want := random()
		l := LayoutOf(info)
		if len(l.Starts) != files || len(Lengths(info)) != files {
			t.Fatalf("%+v: %d files are written, not %d", info.Files, len(l.Starts), files)
		}
		var got []Span
		for index := range uint32(l.Pieces()) {
			var length int64
			for s := range l.Piece(index) {
				length += s.Length
				for off := range s.Length {
					got = append(got, Span{s.File, s.Off + off, 1})
				}
			}
			if length != l.PieceLen(index) || length == 0 || length > info.PieceLength {
				t.Fatalf("%+v: piece %d is %d bytes long, its spans %d", info.Files, index, l.PieceLen(index), length)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v in pieces of %d: the bytes are at %v, not %v", info.Files, info.PieceLength, got, want)
		}
		if l.PieceLen(uint32(l.Pieces())) != 0 || l.PieceLen(1<<32-1) != 0 {
			t.Fatal("there are pieces after the last one")
		}
	}
}
