package main

import (
	"strings"
	"testing"
)

const output = `goos: linux
BenchmarkReclaim10000-2   	       1	 512345678 ns/op
BenchmarkReclaim10000-2   	       1	 412345678 ns/op
BenchmarkReclaim10000-2   	       1	2412345678 ns/op
BenchmarkPut256KiB/Store-2	     100	   2000000 ns/op	 131.07 MB/s
BenchmarkPut256KiB/Plain-2	     100	   1500000 ns/op	 174.76 MB/s
PASS
`

func read(t *testing.T) results {
	t.Helper()
	r := make(results)
	if err := r.read(strings.NewReader(output)); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFiguresAreMediansAndRatios(t *testing.T) {
	r := read(t)
	for _, c := range []struct {
		figure figure
		want   float64
		holds  bool
	}{
		{figure{benchmark: "BenchmarkReclaim10000", unit: "ns/op", scale: 1e-6, bound: 512}, 512.345678, false},
		{figure{benchmark: "BenchmarkPut256KiB/Plain", over: "BenchmarkPut256KiB/Store", unit: "ns/op", scale: 1, bound: 0.7, least: true}, 0.75, true},
		{figure{benchmark: "BenchmarkPut256KiB/Plain", over: "BenchmarkPut256KiB/Store", unit: "ns/op", scale: 1, bound: 0.8, least: true}, 0.75, false},
		{figure{benchmark: "BenchmarkPut256KiB/Plain", plus: "BenchmarkPut256KiB/Store", unit: "ns/op", scale: 1e-6, bound: 3}, 3.5, false},
		{figure{benchmark: "BenchmarkPut256KiB/Store", unit: "MB/s", scale: 1, bound: 131.07, least: true}, 131.07, true},
	} {
		got, err := r.value(c.figure)
		if err != nil || got < c.want*0.999999 || got > c.want*1.000001 {
			t.Errorf("%+v: %v, %v; want %v", c.figure, got, err, c.want)
		}
		if c.figure.holds(got) != c.holds {
			t.Errorf("%+v: holds is %v at %v", c.figure, !c.holds, got)
		}
	}
}

func TestAFigureThatWasNotMeasuredIsAnError(t *testing.T) {
	if v, err := read(t).value(figure{benchmark: "BenchmarkOther", unit: "ns/op", scale: 1}); err == nil {
		t.Errorf("got %v", v)
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	if err := make(results).read(strings.NewReader("BenchmarkX-2 1 fast ns/op\n")); err == nil {
		t.Error("no error")
	}
}
