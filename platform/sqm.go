package platform

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// SQM is a queue of OpenWrt's Smart Queue Management: the owner's word on what the line carries.
type SQM struct {
	Interface        string
	Download, Upload int64 // bytes per second; 0: not limited that way, so nothing is known
}

// SQM returns the queues that are switched on. The error is an fs.ErrNotExist if there is no configuration.
func (f Files) SQM() ([]SQM, error) {
	path := filepath.Join(f.Etc, "config", "sqm")
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	const size = 64 << 10
	if !info.Mode().IsRegular() || info.Size() > size {
		return nil, fmt.Errorf("%s is not a file of at most %d KiB", path, size>>10)
	}
	file, err := readAtMost(path, size)
	if err != nil {
		return nil, err
	}
	queues, err := parseSQM(string(file))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return queues, nil
}

func parseSQM(file string) ([]SQM, error) {
	sections, err := parseUCI(file)
	if err != nil {
		return nil, err
	}
	var queues []SQM
	for _, s := range sections {
		if s.kind == "queue" && s.options["interface"] != "" && s.options["enabled"] == "1" {
			queues = append(queues, SQM{
				Interface: s.options["interface"],
				Download:  kilobits(s.options["download"]),
				Upload:    kilobits(s.options["upload"]),
			})
		}
	}
	return queues, nil
}

// kilobits returns the bytes per second of a rate in kbit/s, 0 if it is none.
func kilobits(rate string) int64 {
	const fastest = 1_000_000_000 // 1 Tbit/s: more is a mistake
	n, err := strconv.ParseInt(rate, 10, 64)
	if err != nil || n < 0 || n > fastest {
		return 0
	}
	return n * 1000 / 8
}

// SQMOf returns the queue that shapes what passes through an interface: its own, or that of what it is made of (the
// port below a VLAN). PPPoE does not tell what it runs over: there it is the only queue that is on no LAN.
func (f Files) SQMOf(name string) (SQM, error) {
	queues, err := f.SQM()
	if err != nil {
		return SQM{}, err
	}
	of := func(names ...string) (SQM, bool) {
		for _, queue := range queues {
			if slices.Contains(names, queue.Interface) {
				return queue, true
			}
		}
		return SQM{}, false
	}
	if queue, ok := of(name); ok {
		return queue, nil
	}
	if queue, ok := of(f.lower(name)...); ok {
		return queue, nil
	}
	if len(queues) == 1 && f.ppp(name) {
		lans, err := f.networks(name)
		if onLAN := slices.ContainsFunc(lans, func(l LAN) bool { return l.Interface == queues[0].Interface }); err == nil && !onLAN {
			return queues[0], nil
		}
	}
	return SQM{}, fmt.Errorf("no queue of SQM is on %s: %w", name, fs.ErrNotExist)
}
