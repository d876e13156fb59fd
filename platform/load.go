package platform

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// Load returns how many tasks ran, or waited to, in the mean of the last minute.
func (f Files) Load() (float64, error) {
	path := filepath.Join(f.Proc, "loadavg")
	text, err := attribute(path)
	if err != nil {
		return 0, err
	}
	minute, _, _ := strings.Cut(text, " ")
	load, err := strconv.ParseFloat(minute, 64)
	if err != nil || !(load >= 0 && load < 1e9) {
		return 0, fmt.Errorf("%s says %.20q, which is no load", path, minute)
	}
	return load, nil
}

// CPUs returns how many processors this process may keep busy. It may be a fraction, if the control group limits it.
func (f Files) CPUs() float64 {
	cpus := float64(runtime.NumCPU())
	for _, limit := range f.cgroups().cpuLimits() {
		cpus = min(cpus, limit)
	}
	return cpus
}

// CPUMeter tells how busy the processors are. Close it. It may be used by one goroutine at a time.
type CPUMeter struct {
	path        string
	file        *os.File
	part        [512]byte
	busy, total uint64 // ticks of all processors since the start of the machine
	started     bool
}

// CPUMeter returns a meter for the processors of the machine.
func (f Files) CPUMeter() *CPUMeter {
	return &CPUMeter{path: filepath.Join(f.Proc, "stat")}
}

// Busy returns which part of the processors' time was used since the last call, 0 to 1; false if there is nothing to
// compare with: at the first call, or within one tick (10 ms) of the last.
func (m *CPUMeter) Busy() (share float64, ok bool, err error) {
	if m.file == nil {
		if m.file, err = os.Open(m.path); err != nil {
			m.file = nil
			return 0, false, err
		}
	}
	n, err := m.file.ReadAt(m.part[:], 0)
	if n == 0 {
		m.Close()
		return 0, false, fmt.Errorf("reading %s: %w", m.path, err)
	}
	busy, total, ok := parseCPU(m.part[:n])
	if !ok {
		return 0, false, fmt.Errorf("%s begins with %.20q, not with the processors' times", m.path, m.part[:n])
	}
	lastBusy, lastTotal, started := m.busy, m.total, m.started
	m.busy, m.total, m.started = busy, total, true
	if !started || total <= lastTotal {
		return 0, false, nil
	}
	if busy < lastBusy { // kernels count waiting for I/O with little care
		return 0, true, nil
	}
	return min(float64(busy-lastBusy)/float64(total-lastTotal), 1), true, nil
}

// Close lets go of the file. The next Busy opens it again.
func (m *CPUMeter) Close() {
	if m.file != nil {
		m.file.Close()
		m.file = nil
	}
}

// parseCPU reads the first line of /proc/stat, in ticks:
//
//	cpu user nice system idle iowait irq softirq steal guest guest_nice
//
// Guests are in user and nice already. Time stolen by a hypervisor is not there to be used: it counts as busy.
func parseCPU(text []byte) (busy, total uint64, ok bool) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	i := -1
	for word := range bytes.FieldsSeq(line) {
		switch {
		case i < 0:
			if string(word) != "cpu" {
				return 0, 0, false
			}
		case i < 8:
			ticks, err := strconv.ParseUint(string(word), 10, 48) // 48 bits are 9,000 years of 1,000 processors
			if err != nil {
				return 0, 0, false
			}
			total += ticks
			if i != 3 && i != 4 {
				busy += ticks
			}
		}
		i++
	}
	return busy, total, i >= 4
}
