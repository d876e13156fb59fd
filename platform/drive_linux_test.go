package platform

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// layFile writes a file and the directories above it.
func layFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// layDevice lays out a block device at a path below sysfs's devices, with files in its directory.
func (k kernel) layDevice(t *testing.T, at, number string, files map[string]string) {
	t.Helper()
	dir, name := filepath.Join(k.Sys, "devices", at), filepath.Base(at)
	layFile(t, filepath.Join(dir, "dev"), number+"\n")
	for file, text := range files {
		layFile(t, filepath.Join(dir, file), text+"\n")
	}
	layLink(t, dir, filepath.Join(k.Sys, "class", "block", name))
	layLink(t, dir, filepath.Join(k.Sys, "dev", "block", number))
}

// laySlaves makes a device stand on others.
func (k kernel) laySlaves(t *testing.T, name string, slaves ...string) {
	t.Helper()
	for _, slave := range slaves {
		layLink(t, k.real(t, slave), filepath.Join(k.real(t, name), "slaves", slave))
	}
}

func (k kernel) real(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(filepath.Join(k.Sys, "class", "block", name))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func layLink(t *testing.T, to, at string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

var (
	spinningDisk = map[string]string{"queue/rotational": "1"}
	flashDisk    = map[string]string{"queue/rotational": "0"}
	partition    = map[string]string{"partition": "1"}
)

// nasMachine is a machine with two disks in a mirror with a volume on it, a USB disk, a solid-state disk and more, in
// whose file systems one can look for drives.
func nasMachine(t *testing.T) kernel {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	layFile(t, image, "")
	k := withMounts(t, `1 0 259:2 / / rw - ext4 /dev/nvme0n1p2 rw
2 1 253:0 / /volume1 rw - ext4 /dev/mapper/vg1-volume_1 rw
3 1 0:40 / /volume2 rw - btrfs /dev/mapper/cachedev_0 rw,subvolid=5,subvol=/
4 1 8:33 / /usb rw - ext4 /dev/sdc1 rw
5 1 0:41 / /pool rw - btrfs /dev/sdd rw
6 1 0:42 / /mem rw - tmpfs tmpfs rw
7 1 0:43 / /tank rw - zfs tank/a rw
8 1 0:44 / /nfs rw - nfs4 nas:/dev/sda rw
9 1 7:0 / /loop rw - ext4 /dev/loop0 rw
10 1 7:1 / /overlay rw - f2fs /dev/loop1 rw
11 1 7:2 / /lost rw - ext4 /dev/loop2 rw
12 1 0:45 / /ubi rw - ubifs ubi0:rootfs_data rw
13 1 31:6 / /jffs2 rw - jffs2 /dev/mtdblock6 rw
14 1 0:46 / /cachefs rw - bcachefs /dev/sda:/dev/sdc1 rw
21 1 7:3 / /elsewhere rw - ext4 /dev/loop3 rw
22 1 7:4 / /crypt rw - ext4 /dev/loop4 rw
15 1 104:1 / /raid rw - ext4 /dev/cciss/c0d0p1 rw
16 1 0:47 / /gone rw - btrfs /dev/sdz9 rw
17 1 8:200 / /absent rw - ext4 /dev/sdz8 rw
18 1 250:0 / /circle rw - ext4 /dev/circle0 rw
19 1 0:48 / /fuse rw - fuse.x /dev/fuse rw
20 1 259:2 / `+strings.ReplaceAll(filepath.Dir(image), " ", `\040`)+` rw - ext4 /dev/nvme0n1p2 rw
`)
	k.layDevice(t, "pci/ata1/block/sda", "8:0", spinningDisk)
	k.layDevice(t, "pci/ata1/block/sda/sda3", "8:3", partition)
	k.layDevice(t, "pci/ata2/block/sdb", "8:16", spinningDisk)
	k.layDevice(t, "pci/ata2/block/sdb/sdb3", "8:19", partition)
	k.layDevice(t, "virtual/block/md2", "9:2", spinningDisk)
	k.laySlaves(t, "md2", "sda3", "sdb3")
	k.layDevice(t, "virtual/block/dm-0", "253:0", map[string]string{"dm/name": "vg1-volume_1", "queue/rotational": "1"})
	k.laySlaves(t, "dm-0", "md2")
	k.layDevice(t, "virtual/block/dm-1", "253:1", map[string]string{"dm/name": "cachedev_0"})
	k.laySlaves(t, "dm-1", "dm-0")
	k.layDevice(t, "pci/usb/block/sdc", "8:32", spinningDisk)
	k.layDevice(t, "pci/usb/block/sdc/sdc1", "8:33", partition)
	k.layDevice(t, "pci/ata3/block/sdd", "8:48", flashDisk)
	k.layDevice(t, "pci/ata4/block/sde", "8:64", spinningDisk)
	k.layDevice(t, "pci/ata4/block/sde/sde1", "8:65", partition)
	k.layDevice(t, "pci/nvme/nvme0/nvme0n1", "259:0", flashDisk)
	k.layDevice(t, "pci/nvme/nvme0/nvme0n1/nvme0n1p2", "259:2", partition)
	k.layDevice(t, "mmc/block/mmcblk0", "179:0", flashDisk)
	k.layDevice(t, "mmc/block/mmcblk0/mmcblk0p2", "179:2", partition)
	k.layDevice(t, "virtual/block/loop0", "7:0", map[string]string{"loop/backing_file": image, "queue/rotational": "1"})
	k.layDevice(t, "virtual/block/loop1", "7:1", map[string]string{"loop/backing_file": "/mmcblk0p2", "queue/rotational": "1"})
	k.layDevice(t, "virtual/block/loop2", "7:2", map[string]string{"loop/backing_file": "/srv/gone (deleted)", "queue/rotational": "1"})
	k.layDevice(t, "virtual/block/loop3", "7:3", map[string]string{"loop/backing_file": "/images/sda", "queue/rotational": "0"})
	k.layDevice(t, "virtual/block/loop4", "7:4", map[string]string{"loop/backing_file": "/dev/mapper/cachedev_0"})
	k.layDevice(t, "pci/cciss/block/cciss!c0d0", "104:0", spinningDisk)
	k.layDevice(t, "pci/cciss/block/cciss!c0d0/cciss!c0d0p1", "104:1", partition)
	k.layDevice(t, "virtual/block/circle0", "250:0", nil)
	k.layDevice(t, "virtual/block/circle1", "250:1", nil)
	k.laySlaves(t, "circle0", "circle1", "sda3")
	k.laySlaves(t, "circle1", "circle0")
	for _, member := range []string{"sdd", "sde1"} {
		layLink(t, k.real(t, member), filepath.Join(k.Sys, "fs/btrfs/0b1e/devices", member))
	}
	layLink(t, k.real(t, "dm-1"), filepath.Join(k.Sys, "fs/btrfs/77aa/devices/dm-1"))
	return k
}

func TestDriveIsFoundThroughWhateverIsBetween(t *testing.T) {
	k := nasMachine(t)
	for path, want := range map[string]Drive{
		"/":          {Name: "nvme0n1"},                      // a partition
		"/volume1":   {Name: "sda, sdb", Rotational: true},   // of a mirror, with logical volumes
		"/volume2":   {Name: "sda, sdb", Rotational: true},   // known by name, with a cache
		"/usb":       {Name: "sdc", Rotational: true},        // as its bridge says
		"/pool":      {Name: "sdd, sde", Rotational: true},   // a btrfs of two devices, one of which spins
		"/loop":      {Name: "nvme0n1"},                      // a file on the first of all
		"/overlay":   {Name: "mmcblk0"},                      // a partition of a device with an old name
		"/lost":      {Name: "loop2", Rotational: true},      // a file that is not there any more
		"/elsewhere": {Name: "loop3"},                        // a file that cannot be seen from here, called like a disk
		"/crypt":     {Name: "sda, sdb", Rotational: true},   // a loop over a logical volume
		"/ubi":       {Name: "ubi0:rootfs_data"},             // raw flash
		"/jffs2":     {Name: "mtdblock6"},                    //
		"/cachefs":   {Name: "sda, sdc", Rotational: true},   // all devices in the source
		"/raid":      {Name: "cciss/c0d0", Rotational: true}, // a name with a slash
		"/circle":    {Name: "sda", Rotational: true},        // does not go round for ever
		"/usb/a/b/":  {Name: "sdc", Rotational: true},
	} {
		got, err := k.driveOf(path)
		if err != nil || got.Name != want.Name || got.Rotational != want.Rotational {
			t.Errorf("%s: got %q, spins: %t, %v; want %q, %t", path, got.Name, got.Rotational, err, want.Name, want.Rotational)
		}
	}
}

func TestNoDriveIsAnError(t *testing.T) {
	k := nasMachine(t)
	for path, want := range map[string]string{
		"/mem": "tmpfs", "/tank": "zfs", "/nfs": "nfs4", "/gone": "/sdz9", "/absent": "8:200", "/fuse": "/fuse",
	} {
		got, err := k.driveOf(path)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %+v, %v", path, got, err)
		}
		if errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: it seems as if the path was missing: %v", path, err)
		}
	}
}

func TestDriveOfTooManyDevicesIsAnError(t *testing.T) {
	k := withMounts(t, "1 0 9:0 / / rw - ext4 /dev/md0 rw\n")
	k.layDevice(t, "virtual/block/md0", "9:0", nil)
	for i := range maxDevices {
		name := fmt.Sprintf("sd%d", i)
		k.layDevice(t, "pci/"+name, fmt.Sprintf("8:%d", i), spinningDisk)
		k.laySlaves(t, "md0", name)
	}
	if got, err := k.driveOf("/"); err == nil || !strings.Contains(err.Error(), "more than 256") {
		t.Errorf("got %q, %v", got.Name, err)
	}
}
