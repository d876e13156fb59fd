package platform

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// The mounts of machines of several kinds, as /proc/self/mountinfo shows them there.
const (
	mountsOfOpenWrtFlash = `15 21 31:4 / /rom ro,relatime - squashfs /dev/root ro,errors=continue
16 21 0:15 / /proc rw,nosuid,nodev,noexec,noatime - proc proc rw
17 21 0:16 / /sys rw,nosuid,nodev,noexec,noatime - sysfs sysfs rw
20 21 0:19 / /tmp rw,nosuid,nodev,noatime - tmpfs tmpfs rw
19 21 31:5 / /overlay rw,noatime - jffs2 /dev/mtdblock5 rw
21 1 0:18 / / rw,noatime - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper,workdir=/overlay/work,xino=off
25 21 8:1 / /mnt/usb\040disk rw,relatime - ext4 /dev/sda1 rw
`
	mountsOfOpenWrtUBI = `14 20 254:0 / /rom ro,relatime - squashfs /dev/ubiblock0_1 ro,errors=continue
18 20 0:17 / /overlay rw,noatime - ubifs /dev/ubi0_2 rw,assert=read-only,ubi=0,vol=2
20 1 0:19 / / rw,noatime - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper,workdir=/overlay/work
`
	mountsOfOpenWrtEMMC = `17 21 179:2 / /rom ro,relatime - squashfs /dev/root ro
20 21 7:0 / /overlay rw,noatime shared:5 - f2fs /dev/loop0 rw,lazytime,background_gc=on
21 1 0:20 / / rw,noatime shared:6 - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper,workdir=/overlay/work
`
	mountsOfSynology = `17 1 9:0 / / rw,noatime - ext4 /dev/md0 rw,data=ordered
28 17 0:27 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs /tmp rw
40 17 0:35 / /volume1 rw,nosuid,nodev,noatime - btrfs /dev/mapper/cachedev_0 rw,ssd,synoacl,space_cache=v2,auto_reclaim_space,metadata_ratio=50,block_group_cache_tree,syno_allocator,subvolid=256,subvol=/@syno
41 40 0:35 /@syno/@docker/btrfs /volume1/@docker/btrfs rw,nosuid,nodev,noatime - btrfs /dev/mapper/cachedev_0 rw,subvolid=256,subvol=/@syno/@docker/btrfs
44 40 0:40 / /volume1/private rw,relatime - ecryptfs /volume1/@private@ rw,ecryptfs_fnek_sig=88,ecryptfs_sig=88,ecryptfs_cipher=aes,ecryptfs_key_bytes=32
45 17 0:41 / /volume2 rw,noatime - btrfs /dev/mapper/cachedev_1 rw,subvolid=256,subvol=/@syno
`
	mountsOfDockerHost = `24 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro
31 24 0:26 / /run rw,nosuid,nodev shared:5 master:2 propagate_from:3 unbindable - tmpfs tmpfs rw,size=1G
300 24 0:60 / /var/lib/docker/overlay2/aaaa/merged rw,relatime shared:100 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A:/var/lib/docker/overlay2/l/B,upperdir=/var/lib/docker/overlay2/aaaa/diff,workdir=/var/lib/docker/overlay2/aaaa/work
301 24 0:61 / /srv/odd rw - overlay overlay rw,lowerdir=/l,upperdir=/srv/with\054comma\040and\134octal,workdir=/w
302 24 0:62 / /srv/elsewhere rw - overlay overlay rw,lowerdir=l,upperdir=up,workdir=w
`
	// Below /hidden is what a container cannot see.
	mountsOfContainer = `900 800 0:60 / / rw,relatime master:100 - overlay overlay rw,lowerdir=/hidden/l/A,upperdir=/hidden/diff,workdir=/hidden/work
910 900 8:17 /srv/ebb /data rw,relatime - ext4 /dev/sdb1 rw
911 900 8:17 /srv/films /downloads rw,relatime - ext4 /dev/sdb1 rw
912 900 8:33 /x /other rw,relatime - ext4 /dev/sdc1 rw
`
	mountsOfZfs = `26 1 0:24 / / rw,relatime shared:1 - zfs rpool/ROOT/debian rw,xattr,posixacl
50 26 0:44 / /tank rw,noatime shared:30 - zfs tank rw,xattr,noacl
51 50 0:45 / /tank/films rw,noatime shared:31 - zfs tank/films rw,xattr,noacl
52 50 0:46 / /tank/two\040words rw,noatime shared:32 - zfs tank/two\040words rw,xattr,noacl
53 26 0:47 / /tank2 rw,noatime shared:33 - zfs tank2 rw,xattr,noacl
`
	mountsOfFedora = `60 1 0:33 /root / rw,relatime shared:1 - btrfs /dev/nvme0n1p3 rw,compress=zstd:1,ssd,subvolid=257,subvol=/root
61 60 0:33 /home /home rw,relatime shared:40 - btrfs /dev/nvme0n1p3 rw,compress=zstd:1,ssd,subvolid=256,subvol=/home
62 60 259:1 / /boot rw,relatime shared:41 - ext4 /dev/nvme0n1p1 rw
63 60 259:1 /grub /boot/grub rw,relatime shared:42 - ext4 /dev/nvme0n1p1 rw
`
	mountsOfNetwork = `24 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
70 24 0:50 / /mnt/nas rw,relatime shared:50 - nfs4 192.168.1.9:/volume1/films rw,vers=4.1,addr=192.168.1.9
71 24 0:51 / /mnt/share rw,relatime shared:51 - cifs //192.168.1.9/films rw,vers=3.1.1
72 24 0:52 / /mnt/union rw,relatime shared:52 - fuse.mergerfs 1:2:3 rw,user_id=0,group_id=0
73 24 0:53 / /mnt/nameless rw,relatime shared:53 - tmpfs  rw
`
	mountsOfStacked = `24 1 8:2 / / rw - ext4 /dev/sda2 rw
30 24 8:17 / /mnt rw - ext4 /dev/sdb1 rw
31 30 8:33 / /mnt rw - ext4 /dev/sdc1 rw
32 24 8:49 / /mntlong rw - ext4 /dev/sdd1 rw
`
)

// withMounts returns a kernel that has the mounts of a text and tells no mount ids: paths are found by their names.
// Everything exists but what is in /hidden.
func withMounts(t *testing.T, mountinfo string) kernel {
	t.Helper()
	k := kernel{Files: Files{Proc: t.TempDir(), Sys: t.TempDir()}, dev: t.TempDir()}
	layFile(t, filepath.Join(k.Proc, "self", "mountinfo"), mountinfo)
	k.stand = func(path string) (standing, error) {
		if within(path, "/hidden") {
			return standing{}, &fs.PathError{Op: "statfs", Path: path, Err: fs.ErrNotExist}
		}
		return standing{device: "99:99"}, nil
	}
	return k
}

func TestSpaceIsKnownByMount(t *testing.T) {
	for name, c := range map[string]struct {
		mountinfo string
		want      map[string]string
	}{
		"OpenWrt, the overlay on raw flash": {mountsOfOpenWrtFlash, map[string]string{
			"/": "31:5", "/etc/config": "31:5", "/overlay": "31:5", "/rom/etc": "31:4", "/tmp/x": "0:19",
			"/mnt": "31:5", "/mnt/usb disk": "8:1", "/mnt/usb disk/ebb": "8:1", "/mnt/usb diskette": "31:5",
		}},
		"OpenWrt, the overlay on UBI":       {mountsOfOpenWrtUBI, map[string]string{"/srv": "0:17", "/overlay": "0:17", "/rom": "254:0"}},
		"OpenWrt, the overlay on a loop":    {mountsOfOpenWrtEMMC, map[string]string{"/srv": "7:0", "/overlay": "7:0", "/rom": "179:2"}},
		"Synology, btrfs":                   {mountsOfSynology, map[string]string{"/etc": "9:0", "/volume1/a": "0:35", "/volume1/@docker/btrfs/b": "0:35", "/volume2/a": "0:41"}},
		"Synology, an encrypted folder":     {mountsOfSynology, map[string]string{"/volume1/private/a": "0:35", "/volume1/privateer": "0:35"}},
		"Docker, on the host":               {mountsOfDockerHost, map[string]string{"/srv": "259:2", "/var/lib/docker/overlay2/aaaa/merged/etc": "259:2", "/run/x": "0:26", "/srv/odd/x": "259:2", "/srv/elsewhere": "0:62"}},
		"Docker, in the container":          {mountsOfContainer, map[string]string{"/var/lib": "0:60", "/data": "8:17", "/downloads/a": "8:17", "/other": "8:33"}},
		"ZFS, by pool":                      {mountsOfZfs, map[string]string{"/": "zfs rpool", "/tank": "zfs tank", "/tank/films/a": "zfs tank", "/tank/two words": "zfs tank", "/tank2": "zfs tank2"}},
		"btrfs subvolumes, and a bind":      {mountsOfFedora, map[string]string{"/var": "0:33", "/home/me": "0:33", "/boot": "259:1", "/boot/grub/fonts": "259:1"}},
		"the network, and a nameless tmpfs": {mountsOfNetwork, map[string]string{"/mnt": "8:2", "/mnt/nas/a": "0:50", "/mnt/share": "0:51", "/mnt/union": "0:52", "/mnt/nameless/a": "0:53"}},
		"the last of those on one point":    {mountsOfStacked, map[string]string{"/mnt/x": "8:33", "/mntlong/x": "8:49", "/mn": "8:2"}},
		"no mounts at all":                  {"", map[string]string{"/": "99:99", "/srv": "99:99"}},
		"nothing but rubbish":               {"x\n\n - \n1 2 3 4 5 6 7 8 9\n", map[string]string{"/srv": "99:99"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := withMounts(t, c.mountinfo)
			for path, want := range c.want {
				m, _, err := k.fileSystem(path)
				if err != nil || m.space() != want {
					t.Errorf("%s: got %q, %v; want %q", path, m.space(), err, want)
				}
			}
		})
	}
}

func TestMountIsKnownByIDRatherThanByName(t *testing.T) {
	// What is mounted on /mnt hides what is below, which the name alone does not tell.
	k := withMounts(t, `24 1 8:2 / / rw - ext4 /dev/sda2 rw
30 24 8:17 / /mnt/below rw - ext4 /dev/sdb1 rw
31 24 8:33 / /mnt rw - ext4 /dev/sdc1 rw
310 24 8:49 / /srv rw - ext4 /dev/sdd1 rw
`)
	k.stand = func(string) (standing, error) { return standing{mountID: 31, device: "8:33"}, nil }
	if m, _, err := k.fileSystem("/mnt/below/x"); err != nil || m.space() != "8:33" {
		t.Errorf("got %+v, %v", m, err)
	}
	k.stand = func(string) (standing, error) { return standing{mountID: 3, device: "0:77"}, nil }
	if m, _, err := k.fileSystem("/mnt/below/x"); err != nil || m.space() != "0:77" {
		t.Errorf("an id that is not in the list: got %+v, %v", m, err)
	}
}

func TestReadOnlyIsSeenThroughAllLayers(t *testing.T) {
	const overlay = "21 1 0:18 / / rw - overlay overlayfs:/overlay rw,lowerdir=/,upperdir=/overlay/upper\n"
	for name, c := range map[string]struct {
		below string // the mount of /overlay
		flag  string // the path whose flags say read-only
		want  bool
	}{
		"all well":                       {"19 21 8:1 / /overlay rw - ext4 /dev/sda1 rw,errors=remount-ro", "", false},
		"the overlay's own flag":         {"19 21 8:1 / /overlay rw - ext4 /dev/sda1 rw", "/srv", true},
		"the flag of what is below":      {"19 21 8:1 / /overlay rw - ext4 /dev/sda1 rw", "/overlay/upper", true},
		"stopped after an error":         {"19 21 8:1 / /overlay rw - ext4 /dev/sda1 rw,emergency_ro", "", true},
		"shut down":                      {"19 21 8:1 / /overlay rw - ext4 /dev/sda1 rw,errors=remount-ro,shutdown,x", "", true},
		"options that only look like it": {"19 21 8:1 / /overlay rw - ext4 /dev/sda1 rw,emergency_rock,a=shutdown,errors=emergency_ro", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			k := withMounts(t, overlay+c.below+"\n")
			k.stand = func(path string) (standing, error) { return standing{device: "0:18", readOnly: path == c.flag}, nil }
			m, readOnly, err := k.fileSystem("/srv")
			if err != nil || m.space() != "8:1" || readOnly != c.want {
				t.Errorf("got %+v, %t, %v", m, readOnly, err)
			}
		})
	}
}

func TestUpperDirectoryIsReadAsItIsCalled(t *testing.T) {
	for options, want := range map[string]string{
		`rw,lowerdir=/l,upperdir=/srv/with\054comma\040and\134octal,workdir=/w`: `/srv/with,comma and\octal`,
		`upperdir=/a=b`:                   `/a=b`,
		`rw,lowerdir=/l,xupperdir=/x`:     ``,
		`rw,upperdir=relative/to/what`:    ``,
		`rw,upperdir=,upperdir=/too/late`: ``,
	} {
		if got := (mount{kind: "overlay", options: options}).below(); got != want {
			t.Errorf("%q: got %q, want %q", options, got, want)
		}
		if got := (mount{kind: "ext4", options: options}).below(); got != "" {
			t.Errorf("ext4 is said to stand on %q", got)
		}
	}
}

func TestOverlayOnItselfEnds(t *testing.T) {
	k := withMounts(t, "21 1 0:18 / / rw - overlay overlay rw,lowerdir=/,upperdir=/upper\n")
	if m, _, err := k.fileSystem("/srv"); err != nil || m.space() != "0:18" {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestParseMount(t *testing.T) {
	const good = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue"
	want := mount{id: 36, device: "98:0", root: "/mnt1", point: "/mnt 2", kind: "ext3", source: "/dev/root", options: "rw,errors=continue"}
	if got, ok := parseMount(good); !ok || got != want {
		t.Errorf("got %+v, %t", got, ok)
	}
	// Without optional fields, with many, and with a mount point, a root and a source that look like the separator.
	for line, want := range map[string]mount{
		"36 35 98:0 / / rw - ext3 /dev/root rw":                      {36, "98:0", "/", "/", "ext3", "/dev/root", "rw"},
		"36 35 98:0 / / rw a:1 b:2 c d e - ext3 /dev/root rw":        {36, "98:0", "/", "/", "ext3", "/dev/root", "rw"},
		"36 35 98:0 - /- rw - ext3 - rw":                             {36, "98:0", "-", "/-", "ext3", "-", "rw"},
		"36 35 0:9 net:[4026531840] /run/n rw shared:1 - nsfs  rw":   {36, "0:9", "net:[4026531840]", "/run/n", "nsfs", "", "rw"},
		"36 35 007:1 / /x\\134\\011\\012\\043 rw - tmpfs a\\040b rw": {36, "7:1", "/", "/x\\\t\n#", "tmpfs", "a b", "rw"},
	} {
		if got, ok := parseMount(line); !ok || got != want {
			t.Errorf("%q: got %+v, %t; want %+v", line, got, ok, want)
		}
	}
	for cut := range good {
		if strings.Count(good[:cut], " ") < 10 {
			if got, ok := parseMount(good[:cut]); ok {
				t.Errorf("a line cut short was read: %q as %+v", good[:cut], got)
			}
		}
	}
	for _, bad := range []string{
		"", " ", "-", strings.Repeat(" ", 20), strings.Repeat("- ", 20),
		"x 35 98:0 / / rw - ext3 /dev/root rw",
		"-1 35 98:0 / / rw - ext3 /dev/root rw",
		"36 35 98 / / rw - ext3 /dev/root rw",
		"36 35 98: / / rw - ext3 /dev/root rw",
		"36 35 ../..:0 / / rw - ext3 /dev/root rw",
		"36 35 98:4294967296 / / rw - ext3 /dev/root rw",
		"36 35 98:0 / / rw - ext3 /dev/root rw more",
		"36 35 98:0 / / rw master:1 ext3 /dev/root rw",
	} {
		if got, ok := parseMount(bad); ok {
			t.Errorf("%q was read as %+v", bad, got)
		}
	}
}

func TestUnescape(t *testing.T) {
	for escaped, want := range map[string]string{
		``: ``, `plain`: `plain`, `\040`: ` `, `a\040b\011c`: "a b\tc", `\134040`: `\040`, `\377`: "\xff",
		`\`: `\`, `\0`: `\0`, `\04`: `\04`, `\400`: `\400`, `\089`: `\089`, `x\`: `x\`, `\-12`: `\-12`, `\+12`: `\+12`, `\0_1`: `\0_1`,
	} {
		if got := unescape(escaped); got != want {
			t.Errorf("%q: got %q, want %q", escaped, got, want)
		}
	}
}

func TestThousandsOfMountsAndALongLineAreRead(t *testing.T) {
	var text strings.Builder
	layers := strings.Repeat("/var/lib/docker/overlay2/l/ABCDEFGHIJKLMNOPQRSTUVWXYZ:", 2000)
	text.WriteString("5 1 0:5 / /long rw - overlay overlay rw,lowerdir=" + layers + ",upperdir=/m/77\n")
	for i := range 5000 {
		text.WriteString("1" + strings.Repeat("0", i%3) + " 1 0:8 / /m rw - tmpfs tmpfs rw\n")
	}
	text.WriteString("77 1 8:1 / /m/77 rw - ext4 /dev/sda1 rw\n")
	k := withMounts(t, text.String())
	for _, path := range []string{"/m/77/x", "/long/x"} {
		if m, _, err := k.fileSystem(path); err != nil || m.space() != "8:1" {
			t.Errorf("%s: got %+v, %v", path, m, err)
		}
	}
}

func FuzzMountinfo(f *testing.F) {
	for _, seed := range []string{
		mountsOfOpenWrtFlash, mountsOfOpenWrtUBI, mountsOfOpenWrtEMMC, mountsOfSynology, mountsOfDockerHost, mountsOfContainer, mountsOfZfs, mountsOfFedora, mountsOfNetwork, mountsOfStacked,
	} {
		f.Add(seed, uint64(0), "/srv/x")
		f.Add(seed, uint64(24), "/")
	}
	f.Fuzz(func(t *testing.T, text string, id uint64, path string) {
		m, ok := findMount(strings.NewReader(text), id, path)
		if !ok {
			return
		}
		if id != 0 && m.id != id {
			t.Errorf("asked for mount %d, got %d", id, m.id)
		}
		if id == 0 && !strings.HasPrefix(path, m.point) {
			t.Errorf("%q is not on %q", path, m.point)
		}
		if device, ok := parseDevice(m.device); !ok || device != m.device {
			t.Errorf("%q is no device number", m.device)
		}
		if m.space() == "" {
			t.Error("space without a name")
		}
		if below := m.below(); len(below) > len(text) {
			t.Errorf("%d bytes became %d", len(text), len(below))
		}
		m.stopped()
	})
}
