package files

import "golang.org/x/sys/unix"

// windows are the file systems, by their magic numbers (statfs(2)), that Windows reads, or that a Windows machine or a
// NAS serves from one. fuse is among them: of the file systems in user space, nearly all on block devices are NTFS and
// exFAT.
var windows = map[uint32]bool{
	unix.MSDOS_SUPER_MAGIC: true,
	unix.EXFAT_SUPER_MAGIC: true,
	0x5346544e:             true, // ntfs
	0x7366746e:             true, // ntfs3
	0x65735546:             true, // fuse
	unix.SMB_SUPER_MAGIC:   true,
	unix.CIFS_SUPER_MAGIC:  true,
	unix.SMB2_SUPER_MAGIC:  true,
}

// stated returns what the file system of a directory says of its names.
func stated(directory string) Rules {
	var st unix.Statfs_t
	if err := unix.Statfs(directory, &st); err != nil {
		return posix
	}
	w := windows[uint32(st.Type)]
	return Rules{MaxName: stateLength(int64(st.Namelen)), Windows: w, Fold: w}
}
