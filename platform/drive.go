package platform

import "fmt"

// Drive is what the bytes of a path are on: one drive, or all those of an array.
type Drive struct {
	Name string // as in /dev: "sda", or "sda, sdb" for several

	// Rotational reports whether a drive among them is a spinning disk, as the kernel believes. Many USB bridges say so
	// of flash as well, and some virtual disks do. That is harmless: such a drive is never in standby, or does not
	// answer.
	Rotational bool

	spinning []string // those that may be in standby, by their names in sysfs
	standby  func(name string) (bool, error)
}

// DriveOf finds the drive that holds path, or would hold it, as DiskUsage does: through partitions, RAID and logical
// volumes, encryption, file systems in files and all members of a btrfs. It is an error if there is none that this
// machine knows of, as with memory, the network, ZFS (which does not tell) and in some containers.
func DriveOf(path string) (Drive, error) {
	var d Drive
	err := nearest(path, func(at string) (err error) {
		d, err = driveOf(at)
		return err
	})
	if err != nil {
		return Drive{}, fmt.Errorf("finding the drive of %s: %w", path, err)
	}
	return d, nil
}

// Asleep reports whether all spinning disks of the drive are in standby, so that using the drive would wake one. Asking
// wakes none. Flash never sleeps, and is not asked.
//
// A disk that the kernel suspended is known by that; else it is asked with the ATA command CHECK POWER MODE, which
// takes root with CAP_SYS_RAWIO. The error says what is missing; a disk that does not answer is never taken to be
// asleep. The answer of a disk that is just spinning up takes seconds. Some disks take being asked for use, and start
// the time to their standby anew: ask less often than they might sleep.
func (d Drive) Asleep() (bool, error) {
	var unknown error
	for _, name := range d.spinning {
		switch asleep, err := d.standby(name); {
		case err != nil && unknown == nil:
			unknown = fmt.Errorf("whether %s is asleep is not known: %w", name, err)
		case err == nil && !asleep:
			return false, nil
		}
	}
	return len(d.spinning) > 0 && unknown == nil, unknown
}
