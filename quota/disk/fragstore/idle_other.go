//go:build !linux

package fragstore

import "os"

const idleThreads, aheadThreads = 0, 0

// idle runs functions like any other: idle I/O priority is not offered here, or not known.
type idle struct{ most int }

func (*idle) run(fn func()) { fn() }

func (*idle) close() {}

// cached reports true: there is nothing to be done to bring a block into the page cache.
func cached(*os.File, int64, int64) bool { return true }

func readAhead(*os.File, int64, int64) {}

func uncache(*os.File, int64, int64) {}
