package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// results are measurements by benchmark and unit.
type results map[[2]string][]float64

// read takes the lines of benchmarks out of what go test prints: a name, how often it ran, and pairs of value and unit.
func (r results) read(output io.Reader) error {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
		for i := 2; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("reading %q: %w", lines.Text(), err)
			}
			key := [2]string{name, fields[i+1]}
			r[key] = append(r[key], value)
		}
	}
	return lines.Err()
}

// median returns the median of what was measured; false if nothing was.
func (r results) median(benchmark, unit string) (float64, bool) {
	values := slices.Sorted(slices.Values(r[[2]string{benchmark, unit}]))
	if len(values) == 0 {
		return 0, false
	}
	return values[len(values)/2], true
}

// value is a figure's value.
func (r results) value(f figure) (float64, error) {
	value, err := r.scaled(f, f.benchmark)
	switch {
	case err != nil:
		return 0, err
	case f.plus != "":
		more, err := r.scaled(f, f.plus)
		return value + more, err
	case f.over != "":
		other, err := r.scaled(f, f.over)
		if err == nil && other == 0 {
			err = fmt.Errorf("%s has taken no time", f.over)
		}
		return value / other, err
	}
	return value, nil
}

func (r results) scaled(f figure, benchmark string) (float64, error) {
	value, ok := r.median(benchmark, f.unit)
	if !ok {
		return 0, fmt.Errorf("%s has not said its %s", benchmark, f.unit)
	}
	return value * f.scale, nil
}
