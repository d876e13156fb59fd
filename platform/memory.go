package platform

import (
	"context"

	"github.com/shirou/gopsutil/v3/common"
	"github.com/shirou/gopsutil/v3/mem"
)

// Memory returns the bytes of memory that this process can hope for, and how many of them are available without
// swapping: the machine's, or those of the cgroup (a container, a systemd unit) that it is confined to, if less. What
// cannot be found out is 0.
func Memory() (total, available int64) {
	return System.Memory()
}

// Memory is the function of the same name, for the machine that the files tell of.
func (f Files) Memory() (total, available int64) {
	// Without an answer the counts are zero, which is what we promise.
	machine, err := mem.VirtualMemoryWithContext(context.WithValue(context.Background(), common.EnvKey, common.EnvMap{common.HostProcEnvKey: f.Proc}))
	if err != nil {
		machine = &mem.VirtualMemoryStat{}
	}
	return confined(clamped(machine.Total), clamped(machine.Available), f.cgroups())
}

// confined lowers the machine's memory to what the process's cgroups leave of it.
func confined(total, available int64, files cgroupFiles) (int64, int64) {
	for _, group := range files.memoryLimits() {
		left := max(group.limit-group.used, 0)
		if total == 0 { // an unknown machine has what its cgroup allows
			total, available = group.limit, left
		}
		total = min(total, group.limit)
		available = min(available, left)
	}
	return total, available
}
