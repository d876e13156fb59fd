package platform

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mounted mounts something on a directory of its own, which it returns with what takes it away again; nil if this
// cannot be done here. The arguments are those of mount(8), before the directory.
func mounted(t *testing.T, arguments ...string) (dir string, unmount func()) {
	t.Helper()
	dir = t.TempDir()
	return dir, mountOn(t, dir, arguments...)
}

// mountOn does the same for a directory that is there; unmount is nil if it cannot be done.
func mountOn(t *testing.T, dir string, arguments ...string) (unmount func()) {
	t.Helper()
	if out, err := exec.Command("mount", append(arguments, dir)...).CombinedOutput(); err != nil {
		t.Logf("NOT COVERED HERE: mount %s: %v: %s", strings.Join(arguments, " "), err, out)
		return nil
	}
	there := true
	unmount = func() {
		if !there {
			return
		}
		there = false
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(unmount)
	return unmount
}

// formatted makes an image with a file system; "" if the program for that is not here.
func formatted(t *testing.T, size int64, command ...string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	layFile(t, image, "")
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(command[0], append(command[1:], image)...).CombinedOutput(); err != nil {
		t.Logf("NOT COVERED HERE: %s: %v: %s", strings.Join(command, " "), err, out)
		return ""
	}
	return image
}

func usage(t *testing.T, path string) FileSystem {
	t.Helper()
	d, err := DiskUsage(path)
	if err != nil {
		t.Fatal(err)
	}
	if d.ID == "" {
		t.Errorf("%s: no id", path)
	}
	return d
}

func TestDiskIsTheSameThroughBindMountsAndLinks(t *testing.T) {
	home := t.TempDir()
	want := usage(t, home)
	if want.ReadOnly {
		t.Errorf("%s is said to be read-only", home)
	}
	layLink(t, home, filepath.Join(home, "link"))
	if got := usage(t, filepath.Join(home, "link", "not", "there", "yet")); got.ID != want.ID {
		t.Errorf("through a link: got %q, want %q", got.ID, want.ID)
	}
	dir, unmount := mounted(t, "--bind", home)
	if unmount == nil {
		return
	}
	if got := usage(t, dir); got.ID != want.ID {
		t.Errorf("a bind mount: got %q, want %q", got.ID, want.ID)
	}
}

func TestDisksThatComeAndGoAreNoticed(t *testing.T) {
	dir := t.TempDir()
	before := usage(t, dir)
	// Their sources have the same name, and their space is not the same.
	unmount := mountOn(t, dir, "-t", "tmpfs", "-o", "size=2m", "same")
	if unmount == nil {
		return
	}
	first := usage(t, dir)
	over := mountOn(t, dir, "-t", "tmpfs", "-o", "size=3m", "same")
	second := usage(t, filepath.Join(dir, "below"))
	if first.ID == before.ID || second.ID == before.ID || first.ID == second.ID || second.Total != 3*mib {
		t.Errorf("got %+v, %+v, %+v", before, first, second)
	}
	over()
	if got := usage(t, dir); got.ID != first.ID || got.Total != 2*mib {
		t.Errorf("got %+v, want %+v", got, first)
	}
	unmount()
	if got := usage(t, dir); got.ID != before.ID {
		t.Errorf("got %+v, want %+v", got, before)
	}
}

func TestMountThatIsHiddenByAnotherIsNotTakenForIt(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "below")
	layFile(t, filepath.Join(below, "file"), "")
	if mountOn(t, below, "-t", "tmpfs", "-o", "size=2m", "tmpfs") == nil || mountOn(t, dir, "-t", "tmpfs", "-o", "size=3m", "tmpfs") == nil {
		return
	}
	layFile(t, filepath.Join(below, "file"), "")
	var x unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, below, 0, unix.STATX_MNT_ID, &x); err != nil || x.Mask&unix.STATX_MNT_ID == 0 {
		t.Log("NOT COVERED HERE: this kernel does not tell the ids of mounts")
		return
	}
	if got, want := usage(t, below), usage(t, dir); got.ID != want.ID || got.Total != 3*mib {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMountIsFoundByNameThroughALink(t *testing.T) {
	dir, unmount := mounted(t, "-t", "tmpfs", "-o", "size=2m", "tmpfs")
	if unmount == nil {
		return
	}
	link := filepath.Join(t.TempDir(), "link")
	layLink(t, dir, link)
	at, err := stand(link)
	if err != nil {
		t.Fatal(err)
	}
	at.mountID = 0 // as on a kernel that does not tell it
	if m := linux.mountAt(link, at); m.point != dir {
		t.Errorf("got %+v, want %s", m, dir)
	}
}

func TestOverlayIsOnTheDiskOfItsUpperDirectory(t *testing.T) {
	upper, unmount := mounted(t, "-t", "tmpfs", "-o", "size=4m", "tmpfs")
	if unmount == nil {
		return
	}
	lower := t.TempDir()
	up, work := filepath.Join(upper, "up a dir"), filepath.Join(upper, "work")
	for _, dir := range []string{up, work} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	options := "lowerdir=" + lower + ",upperdir=" + up + ",workdir=" + work
	if err := unix.Mount("overlay", dir, "overlay", 0, options); err != nil {
		t.Logf("NOT COVERED HERE: mounting an overlay: %v", err)
		return
	}
	defer unix.Unmount(dir, 0)
	if got, want := usage(t, dir), usage(t, upper); got.ID != want.ID || got.ID == usage(t, lower).ID {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestReadOnlyMountAndReadOnlyFileSystemAreSeen(t *testing.T) {
	home, unmount := mounted(t, "-t", "tmpfs", "-o", "size=2m", "tmpfs")
	if unmount == nil {
		return
	}
	bound, _ := mounted(t, "--bind", home)
	if err := unix.Mount("", bound, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if !usage(t, bound).ReadOnly || usage(t, home).ReadOnly {
		t.Error("only the bind mount is read-only")
	}
	if err := unix.Mount("", home, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if !usage(t, home).ReadOnly {
		t.Error("the file system is read-only")
	}
	if err := unix.Mount("", home, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	if usage(t, home).ReadOnly {
		t.Error("the file system can be written again")
	}
}

func TestFileSystemThatStopsAfterAnErrorIsReadOnly(t *testing.T) {
	image := formatted(t, 16*mib, "mkfs.ext4", "-q", "-F", "-e", "remount-ro")
	if image == "" {
		return
	}
	dir, unmount := mounted(t, "-o", "loop", image)
	if unmount == nil {
		return
	}
	if usage(t, dir).ReadOnly {
		t.Error("nothing has happened yet")
	}
	d, err := linux.stand(dir)
	if err != nil {
		t.Fatal(err)
	}
	device, err := filepath.EvalSymlinks(filepath.Join("/sys/dev/block", d.device))
	if err != nil {
		t.Fatal(err)
	}
	trigger := filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error")
	if err := os.WriteFile(trigger, []byte("test"), 0); err != nil {
		t.Logf("NOT COVERED HERE: making ext4 fail: %v", err)
		return
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600); !errors.Is(err, unix.EROFS) {
		t.Logf("NOT COVERED HERE: ext4 went on after an error: %v", err)
		return
	}
	if !usage(t, dir).ReadOnly {
		t.Error("nothing can be written, and it does not show")
	}
}

func TestSubvolumesShareTheirSpace(t *testing.T) {
	image := formatted(t, 128*mib, "mkfs.btrfs", "-q")
	if image == "" {
		return
	}
	dir, unmount := mounted(t, "-o", "loop", image)
	if unmount == nil {
		return
	}
	want := usage(t, dir)
	for _, name := range []string{"one", "two"} {
		if out, err := exec.Command("btrfs", "subvolume", "create", filepath.Join(dir, name)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	at, err := linux.stand(dir)
	if err != nil {
		t.Fatal(err)
	}
	one, err := linux.stand(filepath.Join(dir, "one"))
	if err != nil || one.device == at.device {
		t.Errorf("the subvolume has no device number of its own: %+v, %+v, %v", one, at, err)
	}
	if got := usage(t, filepath.Join(dir, "one", "file")); got.ID != want.ID {
		t.Errorf("a subvolume: got %+v, want %+v", got, want)
	}
	m, _, err := linux.fileSystem(dir)
	if err != nil {
		t.Fatal(err)
	}
	if other, unmount := mounted(t, "-o", "subvol=two", m.source); unmount != nil {
		if got := usage(t, other); got.ID != want.ID {
			t.Errorf("a mounted subvolume: got %+v, want %+v", got, want)
		}
	}
	sameDrive(t, dir, image)
}

func TestDriveUnderAFileSystemInAFile(t *testing.T) {
	image := formatted(t, 16*mib, "mkfs.ext4", "-q", "-F")
	if image == "" {
		return
	}
	dir, unmount := mounted(t, "-o", "loop", image)
	if unmount == nil {
		return
	}
	if usage(t, dir).ID == usage(t, image).ID {
		t.Error("it has space of its own")
	}
	sameDrive(t, filepath.Join(dir, "not", "there", "yet"), image)

	// The loop device itself is no ATA disk, which only its driver can tell.
	at, err := linux.stand(dir)
	if err != nil {
		t.Fatal(err)
	}
	device, err := filepath.EvalSymlinks(filepath.Join("/sys/dev/block", at.device))
	if err != nil {
		t.Fatal(err)
	}
	if asleep, err := linux.standby(filepath.Base(device)); asleep || !errors.Is(err, errNoAnswer) {
		t.Errorf("%s: got %t, %v", device, asleep, err)
	}
}

func sameDrive(t *testing.T, path, image string) {
	t.Helper()
	want, err := DriveOf(image)
	if err != nil {
		t.Logf("NOT COVERED HERE: temporary files are on no drive: %v", err)
		return
	}
	if got, err := DriveOf(path); err != nil || got.Name != want.Name || got.Rotational != want.Rotational || got.Name == "" {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestDriveThatHasJustWrittenIsNotAsleep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	layFile(t, path, strings.Repeat("x", mib))
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	d, err := DriveOf(path)
	if err != nil {
		t.Logf("NOT COVERED HERE: temporary files are on no drive: %v", err)
		return
	}
	asleep, err := d.Asleep()
	if asleep {
		t.Errorf("%s is asleep", d.Name)
	}
	if err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
	}
}

// TestMountsAreFoundByNameAsByID compares the two ways on the mounts of this machine.
func TestMountsAreFoundByNameAsByID(t *testing.T) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	compared := 0
	for line := range strings.Lines(string(text)) {
		m, ok := parseMount(strings.TrimSuffix(line, "\n"))
		if !ok {
			t.Errorf("not understood: %q", line)
			continue
		}
		at, err := stand(m.point)
		if err != nil || at.mountID == 0 {
			continue // may not be looked at, has gone, or an old kernel
		}
		byID := linux.mountAt(m.point, at)
		at.mountID = 0
		if byName := linux.mountAt(m.point, at); byID != byName {
			t.Errorf("%s: %+v by id, %+v by name", m.point, byID, byName)
		}
		compared++
	}
	if compared == 0 {
		t.Log("NOT COVERED HERE: this kernel does not tell the ids of mounts")
	}
}
