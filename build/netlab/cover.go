//go:build linux

package netlab

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Cell is one line with its peers, and where ebb is and what it is told there.
type Cell struct {
	Up, Down int64 // Mbit/s
	Trip     time.Duration
	Jitter   time.Duration // at most, each way
	Buffer   time.Duration
	Peers    int
	Router   bool
	Told     float64 // of the line's rates, times so much; 0: nothing
}

func (c Cell) String() string {
	where := "behind the router"
	if c.Router {
		where = "on the router"
	}
	return fmt.Sprintf("%d/%d Mbit/s, %v, jitter %v, buffer %v, %d peers, %s, told ×%v", c.Up, c.Down, c.Trip, c.Jitter, c.Buffer, c.Peers, where, c.Told)
}

// world is the cell's. Jitter is in the path, which is passed in both directions.
func (c Cell) world() Config {
	return Config{
		Line:  Line{Up: c.Up * MBit, Down: c.Down * MBit, Buffer: c.Buffer},
		Path:  Path{Delay: c.Trip / 2, Jitter: c.Jitter, Seed: 1},
		Peers: c.Peers,
	}
}

// position is where ebb is.
func (c Cell) position() Position {
	if c.Router {
		return OnRouter
	}
	return BehindIt
}

// promised is what ebb promises of a silent house in this cell: a packet takes its time, and so do the two or three of
// ours that may be ahead of it.
func (c Cell) promised() promise {
	segment := time.Duration(float64(frame) / float64(c.Up*MBit) * float64(time.Second))
	if c.Router {
		return promise{ping: max(10*time.Millisecond, 2*segment+5*time.Millisecond), used: 0.85}
	}
	return promise{ping: max(15*time.Millisecond, 3*segment+5*time.Millisecond), used: 0.80}
}

// matrix is what the cells are made of: the number of values of each factor, and how to make a cell of a choice. The
// values that have made trouble stand first.
var matrix = struct {
	lines   [][2]int64
	trips   []time.Duration
	jitters []time.Duration
	buffers []time.Duration
	peers   []int
	told    []float64
}{
	lines:   [][2]int64{{2, 16}, {1, 8}, {10, 50}, {40, 100}, {100, 100}, {500, 500}},
	trips:   []time.Duration{20 * time.Millisecond, 80 * time.Millisecond, 200 * time.Millisecond, 10 * time.Millisecond},
	jitters: []time.Duration{0, 15 * time.Millisecond, 3 * time.Millisecond},
	buffers: []time.Duration{500 * time.Millisecond, 50 * time.Millisecond, time.Second},
	peers:   []int{4, 1, 12, 40},
	told:    []float64{1, 0, 10},
}

const factors = 7

// choice is which value of each factor a cell has.
type choice [factors]int

func sizes() choice {
	return choice{len(matrix.lines), len(matrix.trips), len(matrix.jitters), len(matrix.buffers), len(matrix.peers), 2, len(matrix.told)}
}

func (c choice) cell() Cell {
	return Cell{
		Up: matrix.lines[c[0]][0], Down: matrix.lines[c[0]][1], Trip: matrix.trips[c[1]], Jitter: matrix.jitters[c[2]],
		Buffer: matrix.buffers[c[3]], Peers: matrix.peers[c[4]], Router: c[5] == 1, Told: matrix.told[c[6]],
	}
}

// pair is two values of two factors.
type pair struct{ factor1, value1, factor2, value2 int }

func (c choice) pairs() []pair {
	var all []pair
	for i := range factors {
		for j := i + 1; j < factors; j++ {
			all = append(all, pair{i, c[i], j, c[j]})
		}
	}
	return all
}

// Covering returns cells in which every pair of values occurs, drawn by a seed: it takes the best of some that are
// drawn, again and again. Those that cover most, and the values that have made trouble, come first.
func Covering(seed uint64) []Cell {
	const drawn = 40
	random := rand.New(rand.NewPCG(seed, 7))
	of := sizes()
	missing := map[pair]bool{}
	for i := range factors {
		for j := i + 1; j < factors; j++ {
			for a := range of[i] {
				for b := range of[j] {
					missing[pair{i, a, j, b}] = true
				}
			}
		}
	}
	var chosen []choice
	for len(missing) > 0 {
		var best choice
		most := 0
		for most == 0 {
			for range drawn {
				var c choice
				for i := range c {
					c[i] = random.IntN(of[i])
				}
				covers := 0
				for _, p := range c.pairs() {
					if missing[p] {
						covers++
					}
				}
				if covers > most {
					best, most = c, covers
				}
			}
		}
		for _, p := range best.pairs() {
			delete(missing, p)
		}
		chosen = append(chosen, best)
	}
	// Slow lines first: there a packet takes its time.
	slices.SortStableFunc(chosen, func(a, b choice) int { return a[0]/3 - b[0]/3 })
	cells := make([]Cell, len(chosen))
	for i, c := range chosen {
		cells[i] = c.cell()
	}
	return cells
}
