package foreground

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"ebb/agent/foreground/files"
	"ebb/agent/peerwire"
)

// TestOnlyBlocksOfGivenPiecesAreHoles gives pieces back in a random order. The blocks must go that only they are in,
// each with the last of its pieces.
func TestOnlyBlocksOfGivenPiecesAreHoles(t *testing.T) {
	for range 2000 {
		info := &peerwire.Info{PieceLength: 1 + rand.Int64N(20), MultiFile: true}
		for n := range 1 + rand.IntN(12) {
			f := peerwire.File{Path: fmt.Sprint("d/", n), Length: max(rand.Int64N(30)-5, 0), Padding: rand.IntN(5) == 0}
			info.Files = append(info.Files, f)
			info.Length += f.Length
		}
		layout := files.LayoutOf(info)
		l := &Loan{layout: layout, given: make(map[uint32]bool), block: 1 + rand.Int64N(16)}
		for n, length := range files.Lengths(info) {
			l.place.Files = append(l.place.Files, files.File{Path: fmt.Sprint(n), Length: length})
		}
		var bytes []files.Span // each of the torrent
		for at := range info.Length {
			for s := range layout.Spans(at, 1) {
				bytes = append(bytes, s)
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
			in := block{b.File, b.Off / l.block}
			if b.File != files.Padding && !pieces[index][in] {
				pieces[index][in] = true
				needed[in]++
			}
		}
		freed := make(map[block]bool)
		for _, n := range rand.Perm(int(layout.Pieces())) {
			index := uint32(n)
			l.given[index] = true
			for in := range pieces[index] {
				needed[in]--
			}
			for s := range layout.Piece(index) {
				if s.File == files.Padding {
					continue
				}
				begin, end := l.hole(s)
				for off := begin; off < end; off += l.block {
					freed[block{s.File, off / l.block}] = true
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
