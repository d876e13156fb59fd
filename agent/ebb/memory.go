package main

import (
	"os"
	"runtime/debug"

	"ebb/agent/foreground"
	"ebb/platform"
)

// limitMemory tells Go how much memory the process is to stay within, unless its owner has done so (GOMEMLIMIT). It
// collects garbage more often near the limit, which is soft: nothing fails beyond it. Far below it, it changes nothing.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if total, _ := platform.Memory(); total > 0 {
		debug.SetMemoryLimit(memoryLimit(total))
	}
}

// besidesBuffers is what Go needs in a busy agent apart from the caches of downloads, in bytes: 10,000 swarms with
// 100,000 fragments take 24 MB.
const besidesBuffers = 24 << 20

// memoryLimit is the limit for a machine, or a cgroup, with so many bytes of memory: half of it, but in any case what
// we have sized ourselves, or Go would do nothing but collect what is in use. In the smallest of cgroups even that is
// too much; then it is to collect as well as it can.
func memoryLimit(total int64) int64 {
	return min(max(total/2, foreground.Buffers(total)+besidesBuffers), total-total/4)
}
