//go:build unix && !linux

package platform

import (
	"os"
	"strconv"
	"syscall"
)

// identify goes by the device number: this system's mounts are not looked into.
func identify(path string) (id string, readOnly bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false, err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.FormatUint(uint64(stat.Dev), 10), false, nil
	}
	return "unknown", false, nil
}
