//go:build linux

package netlab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// machineTime is what the machine's CPUs have done since it started, in ticks.
type machineTime struct{ busy, total int64 }

func readMachineTime() (machineTime, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machineTime{}, err
	}
	return parseMachineTime(string(stat))
}

// parseMachineTime reads the first line of /proc/stat (proc_stat(5)): user nice system idle iowait irq softirq steal.
// The guests' time that follows is in user already.
func parseMachineTime(stat string) (t machineTime, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return t, fmt.Errorf("/proc/stat begins with %q", line)
	}
	for i, text := range fields[1:9] {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return t, fmt.Errorf("/proc/stat: %w", err)
		}
		t.total += n
		const idle, iowait = 3, 4
		if i != idle && i != iowait {
			t.busy += n
		}
	}
	return t, nil
}

// Busy is the share of all cores' time that was used since the house was made, by the world and by everything else, 0
// to
// 1. Above 0.8 or so packets wait for CPUs, and the figures are about that.
func (h *House) Busy() (float64, error) {
	now, err := readMachineTime()
	if err != nil || now.total == h.madeAt.total {
		return 0, err
	}
	return float64(now.busy-h.madeAt.busy) / float64(now.total-h.madeAt.total), nil
}
