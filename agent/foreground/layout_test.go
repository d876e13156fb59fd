package foreground

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ebb/agent/peerwire"
)

// random returns a torrent of random files, some empty and some padding, and what its layout should be: the file and
// offset of each byte.
func random() (*peerwire.Info, []file, []span) {
	info := &peerwire.Info{PieceLength: 1 + rand.Int64N(20), MultiFile: true}
	var files []file
	var bytes []span
	for n := range 1 + rand.IntN(12) {
		f := peerwire.File{Path: fmt.Sprint("d/", n), Length: rand.Int64N(30)}
		where := len(files)
		switch rand.IntN(5) {
		case 0:
			f.Padding, where = true, padding
		case 1:
			f.Path, where = fmt.Sprint("d/_____padding_file_", n), padding
		case 2:
			f.Length = 0
			fallthrough
		default:
			files = append(files, file{path: "t/" + f.Path, length: f.Length})
		}
		info.Files = append(info.Files, f)
		info.Length += f.Length
		for off := range f.Length {
			bytes = append(bytes, span{where, off, 1})
		}
	}
	return info, files, bytes
}

func TestEveryByteOfAPieceIsWhereTheTorrentSays(t *testing.T) {
	for range 2000 {
		info, files, want := random()
		l, err := layoutOf(info, files)
		if err != nil {
			t.Fatalf("%+v: %v", info.Files, err)
		}
		var got []span
		for index := range uint32(l.pieces()) {
			var length int64
			for s := range l.piece(index) {
				length += s.length
				for off := range s.length {
					got = append(got, span{s.file, s.off + off, 1})
				}
			}
			if length != l.pieceLen(index) || length == 0 || length > info.PieceLength {
				t.Fatalf("%+v: piece %d is %d bytes long, its spans %d", info.Files, index, l.pieceLen(index), length)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v in pieces of %d: the bytes are at %v, not %v", info.Files, info.PieceLength, got, want)
		}
		if l.pieceLen(uint32(l.pieces())) != 0 || l.pieceLen(1<<32-1) != 0 {
			t.Fatal("there are pieces after the last one")
		}
	}
}

func TestFilesOfAnotherTorrentHaveNoLayout(t *testing.T) {
	info := &peerwire.Info{PieceLength: 10, Length: 6, MultiFile: true, Files: []peerwire.File{{Path: "a", Length: 2}, {Path: "b", Length: 4}}}
	for _, files := range [][]file{nil, {{"t/a", 2}}, {{"t/a", 2}, {"t/b", 5}}, {{"t/a", 2}, {"t/b", 4}, {"t/c", 0}}} {
		if l, err := layoutOf(info, files); !errors.Is(err, ErrBadSource) {
			t.Errorf("%v: %+v, %v", files, l, err)
		}
	}
}

// TestOnlyBlocksOfGivenPiecesAreHoles gives pieces back in a random order. The blocks must go that only they are in,
// each with the last of its pieces.
func TestOnlyBlocksOfGivenPiecesAreHoles(t *testing.T) {
	for range 2000 {
		info, files, bytes := random()
		layout, err := layoutOf(info, files)
		if err != nil {
			t.Fatal(err)
		}
		l := &Loan{layout: layout, given: make(map[uint32]bool), block: 1 + rand.Int64N(16)}
		for _, p := range layout.parts {
			if p.file != padding {
				l.starts = append(l.starts, p.at)
			}
		}
		type block struct {
			file int
			n    int64
		}
		needed := make(map[block]int) // pieces
		pieces := make(map[uint32]map[block]bool)
		for at, b := range bytes {
			index := uint32(int64(at) / info.PieceLength)
			if pieces[index] == nil {
				pieces[index] = make(map[block]bool)
			}
			in := block{b.file, b.off / l.block}
			if b.file != padding && !pieces[index][in] {
				pieces[index][in] = true
				needed[in]++
			}
		}
		freed := make(map[block]bool)
		for _, n := range rand.Perm(int(layout.pieces())) {
			index := uint32(n)
			l.given[index] = true
			for in := range pieces[index] {
				needed[in]--
			}
			for s := range layout.piece(index) {
				if s.file == padding {
					continue
				}
				begin, end := l.hole(s)
				for off := begin; off < end; off += l.block {
					freed[block{s.file, off / l.block}] = true
				}
			}
			for in, left := range needed {
				if freed[in] != (left == 0) {
					t.Fatalf("%+v in pieces of %d and blocks of %d: with %v given, block %+v is given back: %t",
						info.Files, info.PieceLength, l.block, l.given, in, freed[in])
				}
			}
		}
	}
}
