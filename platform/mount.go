package platform

// Mount is where in the tree of directories a path's file system hangs. It can be kept, and compared at another time. A
// field is empty if the system does not tell.
type Mount struct {
	Point string // the directory that it is mounted on
	// ID is that of the file system, and of what part of it is mounted. It lasts where the file system has an identity
	// of its own (ext4, btrfs, NTFS, …); for others it may be another after the disk was plugged in again.
	ID string
}

// MountOf returns the mount that holds path, or would hold it: a path that does not exist, which a link to one counts
// as, is looked for at its nearest parent that does; there says that it exists.
func MountOf(path string) (m Mount, there bool, err error) {
	looks := 0
	err = nearest(path, func(at string) error {
		looks++
		m, err = mountOf(at)
		return err
	})
	return m, looks == 1, err
}
