package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Pressure is how much of the time work was held up for want of something: the kernel's Pressure Stall Information,
// Documentation/accounting/psi.rst.
type Pressure struct {
	Some, Full           float64       // of the last ten seconds, 0 to 1: some tasks waited; all of them did
	SomeTotal, FullTotal time.Duration // since the machine was started
}

// MemoryPressure returns how long tasks waited for memory: those of the machine or of this process's control group,
// where more was waited. Kernels need not tell: the error says so in plain words.
func (f Files) MemoryPressure() (Pressure, error) {
	return f.pressure("memory")
}

// CPUPressure returns how long tasks waited for a processor.
func (f Files) CPUPressure() (Pressure, error) {
	return f.pressure("cpu")
}

func (f Files) pressure(of string) (Pressure, error) {
	machine, err := readPressure(filepath.Join(f.Proc, "pressure", of))
	dir, ok := f.cgroups().own()
	if !ok {
		return machine, err
	}
	group, groupErr := readPressure(filepath.Join(dir, of+".pressure"))
	if groupErr != nil { // the root group has no such file
		return machine, err
	}
	// What the machine does not tell is 0.
	return Pressure{
		Some: max(machine.Some, group.Some), SomeTotal: max(machine.SomeTotal, group.SomeTotal),
		Full: max(machine.Full, group.Full), FullTotal: max(machine.FullTotal, group.FullTotal),
	}, nil
}

func readPressure(path string) (Pressure, error) {
	text, err := readAtMost(path, attributeSize)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported) {
		return Pressure{}, fmt.Errorf("this kernel does not measure it: %w", err)
	}
	if err != nil {
		return Pressure{}, err
	}
	p, err := parsePressure(string(text))
	if err != nil {
		return Pressure{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return p, nil
}

// parsePressure reads
//
//	some avg10=0.00 avg60=0.00 avg300=0.00 total=0
//	full avg10=0.00 avg60=0.00 avg300=0.00 total=0
//
// with shares in per cent and times in microseconds. Older kernels have no 'full' line for processors.
func parsePressure(text string) (Pressure, error) {
	var p Pressure
	known := false
	for line := range strings.Lines(text) {
		kind, values, _ := strings.Cut(strings.TrimSpace(line), " ")
		var share *float64
		var total *time.Duration
		switch kind {
		case "some":
			share, total, known = &p.Some, &p.SomeTotal, true
		case "full":
			share, total = &p.Full, &p.FullTotal
		default:
			continue
		}
		for word := range strings.FieldsSeq(values) {
			switch name, value, _ := strings.Cut(word, "="); name {
			case "avg10":
				percent, err := strconv.ParseFloat(value, 64)
				if err != nil || !(percent >= 0 && percent <= 100) {
					return Pressure{}, fmt.Errorf("%.20q is no share of the time", word)
				}
				*share = percent / 100
			case "total":
				micros, err := strconv.ParseInt(value, 10, 64)
				if err != nil || micros < 0 || micros > int64(1<<63-1)/int64(time.Microsecond) {
					return Pressure{}, fmt.Errorf("%.20q is no time", word)
				}
				*total = time.Duration(micros) * time.Microsecond
			}
		}
	}
	if !known {
		return Pressure{}, errors.New("there is no line 'some'")
	}
	return p, nil
}
