package main

import "fmt"

// figure is one promise.
type figure struct {
	what      string
	benchmark string // its name in the output, without the number of processors
	over      string // if not empty: the figure is the benchmark's divided by this one's
	plus      string // if not empty: this one's is added
	unit      string // of the metric in the output
	scale     float64
	bound     float64
	least     bool // the bound is the least that the figure may be, not the most
	shown     string
}

// suite is figures that are measured together.
type suite struct {
	pkg     string // one or more, with spaces between them
	pattern string
	args    []string
	figures []figure
}

const (
	milliseconds = 1e-6 // of ns/op
	seconds      = 1e-9
	ticking      = 4 * 1e-9 * 100 // per cent of a core, of what happens four times a second
)

// suites: the bounds are those of the design's budgets, for two cores and ext4 or tmpfs.
var suites = []suite{
	{
		pkg: "./quota/disk", pattern: "^(BenchmarkReclaim10000|BenchmarkReserve1000|BenchmarkOvershoot)$", args: []string{"-benchtime=1x"},
		figures: []figure{
			{what: "breach to within quota, 10,000 fragments of 1 MiB", benchmark: "BenchmarkReclaim10000", unit: "ns/op", scale: seconds, bound: 1, shown: "s"},
			{what: "a reservation that needs 1,000 fragments gone", benchmark: "BenchmarkReserve1000", unit: "ns/op", scale: milliseconds, bound: 150, shown: "ms"},
			{what: "overshoot of the quota, in pieces per fetch in flight", benchmark: "BenchmarkOvershoot", unit: "pieces/fetch", scale: 1, bound: 1},
		},
	},
	{
		pkg: "./quota/line", pattern: "^(BenchmarkTick|BenchmarkSense)$",
		figures: []figure{
			{what: "governor (200 busy connections) and sensors", benchmark: "BenchmarkTick", plus: "BenchmarkSense", unit: "ns/op", scale: ticking, bound: 0.5, shown: "% of a core"},
		},
	},
	{
		pkg: "./quota/disk/fragstore", pattern: "^(BenchmarkOpen100000Clean|BenchmarkOpen100000Unclean|BenchmarkMemory100000)$", args: []string{"-benchtime=1x"},
		figures: []figure{
			{what: "opening 100,000 fragments after a clean stop", benchmark: "BenchmarkOpen100000Clean", unit: "ns/op", scale: seconds, bound: 1, shown: "s"},
			{what: "the same after an unclean one", benchmark: "BenchmarkOpen100000Unclean", unit: "ns/op", scale: seconds, bound: 5, shown: "s"},
			{what: "memory for 100,000 fragments in 10,000 swarms", benchmark: "BenchmarkMemory100000", unit: "rss-MB", scale: 1, bound: 24, shown: "MB"},
		},
	},
	{
		pkg: "./agent/ebb", pattern: "^BenchmarkIdle$", args: []string{"-benchtime=1x"},
		figures: []figure{
			{what: "memory of ebb, started and idle", benchmark: "BenchmarkIdle", unit: "rss-MB", scale: 1, bound: 25, shown: "MB"},
		},
	},
	{
		pkg: "./quota/disk/fragstore", pattern: "^BenchmarkPut256KiB$", args: []string{"-benchtime=1s"},
		figures: []figure{
			{what: "storing 256 KiB, beside write+fsync+rename (ratio)", benchmark: "BenchmarkPut256KiB/Plain", over: "BenchmarkPut256KiB/Store", unit: "ns/op", scale: 1, bound: 0.8, least: true},
		},
	},
	{
		pkg: "./agent/background", pattern: "^BenchmarkTurns$/^100$", args: []string{"-benchtime=1x", "-count=1"},
		figures: []figure{
			{what: "of 100 equal leechers at 4 MB/s: without a turn in a minute", benchmark: "BenchmarkTurns/100", unit: "left-out", scale: 1, bound: 0},
			{what: "what the best of them has had after five minutes, in worsts", benchmark: "BenchmarkTurns/100", unit: "best/worst", scale: 1, bound: 1.5},
		},
	},
}

// holds reports whether a value keeps to the bound.
func (f figure) holds(value float64) bool {
	if f.least {
		return value >= f.bound
	}
	return value <= f.bound
}

// row is a line of the table.
func (f figure) row(value float64) string {
	sign, verdict := "≤", "ok"
	if f.least {
		sign = "≥"
	}
	if !f.holds(value) {
		verdict = "MISSED"
	}
	unit := f.shown
	if unit != "" {
		unit = " " + unit
	}
	return fmt.Sprintf("%s\t%.3g%s\t%s %g%s\t%s", f.what, value, unit, sign, f.bound, unit, verdict)
}
