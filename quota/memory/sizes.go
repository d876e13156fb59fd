package memory

import (
	"os"
	"runtime/debug"

	"ebb/platform"
)

// The functions of this file take the memory of the machine, or of the cgroup if that has less, in bytes; 0 means that
// it is not known. The sizes that they return are in bytes.

// LimitGo tells Go how much memory the process is to stay within, unless its owner has done so (GOMEMLIMIT). It
// collects garbage more often near the limit, which is soft: nothing fails beyond it. Far below it, it changes nothing.
func LimitGo() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if total, _ := platform.Memory(); total > 0 {
		debug.SetMemoryLimit(goLimit(total))
	}
}

// besidesCaches is what Go needs in a busy agent apart from the caches of downloads, in bytes: 10,000 swarms with
// 100,000 fragments take 24 MB.
const besidesCaches = 24 << 20

// goLimit returns the limit: half of the memory, but in any case what we have sized ourselves, or Go would do nothing
// but collect what is in use. In the smallest of cgroups even that is too much; then Go is to collect as well as it
// can.
func goLimit(total int64) int64 {
	return min(max(total/2, ReadCache(total)+WriteCache(total)+besidesCaches), total-total/4)
}

// ReadCache returns the most that what is read ahead for the peers of downloads may take. It takes nothing while
// nothing is served.
func ReadCache(total int64) int64 { return min(max(total/32, 2<<20), 64<<20) }

// WriteCache returns the most that the pieces which downloads assemble may take. It takes nothing while nothing is
// downloaded. A download whose pieces are longer than that would never get one. The least is one piece of the longest
// kind that is common; but in a device of 64 MB, of which the kernel leaves half, such a piece would have something
// killed.
func WriteCache(total int64) int64 {
	const small = 96 << 20 // a device of 128 MB says some 120 MiB
	if total > 0 && total < small {
		return 8 << 20
	}
	return min(max(total/16, 16<<20), 256<<20)
}

// Limits of the number of connections. An open one that does nothing costs some 30 kB with the kernel's part, so that
// one for each MiB of memory is 3 % of it.
const (
	mostConnections    = 200
	leastConnections   = 20
	unknownConnections = 50 // where it is not known how much memory there is
)

// ConnectionsFor returns the number of connections that the background may have open while there is enough memory.
func ConnectionsFor(total int64) int {
	if total <= 0 {
		return unknownConnections
	}
	return int(min(max(total>>20, leastConnections), mostConnections))
}
