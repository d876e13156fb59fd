//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A reading is a number, and when it was read: not before Asked, not after Answered.
type reading struct {
	asked, answered time.Time
	value           int64
}

// Series is a number read again and again, in order of time.
type Series struct {
	readings []reading
}

// Add appends a reading.
func (s *Series) Add(asked, answered time.Time, value int64) {
	s.readings = append(s.readings, reading{asked, answered, value})
}

// MostWithin is the most by which a counter that only grows grew within any span of the given length. Both readings
// were made within the span, so a slow answer never makes the growth look faster than it was.
func (s *Series) MostWithin(span time.Duration) int64 {
	var most int64
	first := 0
	for i, last := range s.readings {
		for first < i && last.answered.Sub(s.readings[first].asked) > span {
			first++
		}
		most = max(most, last.value-s.readings[first].value)
	}
	return most
}

// Max is the largest reading.
func (s *Series) Max() int64 {
	var largest int64
	for _, r := range s.readings {
		largest = max(largest, r.value)
	}
	return largest
}

// Gap is the longest time between two readings: what happened within one was not seen.
func (s *Series) Gap() time.Duration {
	var longest time.Duration
	for i, r := range s.readings {
		if i > 0 {
			longest = max(longest, r.answered.Sub(s.readings[i-1].asked))
		}
	}
	return longest
}

// Len is the number of readings.
func (s *Series) Len() int { return len(s.readings) }

// Watch is a Series that a goroutine adds to.
type Watch struct {
	cancel context.CancelFunc
	ended  chan struct{}
	series Series // owned by the goroutine until ended is closed
	err    error  // the same
}

// StartWatch reads a number at every interval, until Stop. A read that fails ends the watch.
func StartWatch(ctx context.Context, every time.Duration, read func(context.Context) (int64, error)) *Watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &Watch{cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			asked := time.Now()
			value, err := read(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				w.err = err
				return
			}
			w.series.Add(asked, time.Now(), value)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return w
}

// Stop ends the watch and returns what was read, or why reading failed.
func (w *Watch) Stop() (*Series, error) {
	w.cancel()
	<-w.ended
	return &w.series, w.err
}

// AllocatedBelow sums up the blocks that the files below dir occupy, in bytes. Files that come or go while it looks may
// or may not count.
func AllocatedBelow(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return fmt.Errorf("%s: no block count", path)
		}
		const blockUnit = 512 // bytes, whatever the file system's own blocks are: stat(2)
		sum += stat.Blocks * blockUnit
		return nil
	})
	return sum, err
}

// PeakMemory is the most memory that a process has had resident (VmHWM), in bytes.
func PeakMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscanf(after, "%d kB", &kib); err != nil {
		return 0, fmt.Errorf("/proc/%d/status, VmHWM: %w", pid, err)
	}
	return kib << 10, nil
}
