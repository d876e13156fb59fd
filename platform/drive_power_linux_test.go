package platform

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// disks is what stands behind a kernel's ioctl: the answers of its disks, by name.
type disks struct {
	kernel
	scsi  map[string]func(*sgHeader) error // what SG_IO does
	ide   map[string]func(*[4]byte) error  // what HDIO_DRIVE_CMD does
	asked []string                         // which disks were, in order
}

func (d *disks) control(t *testing.T) func(int, uint, unsafe.Pointer) error {
	return func(fd int, request uint, argument unsafe.Pointer) error {
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 || flags&unix.O_ACCMODE != unix.O_RDONLY {
			t.Errorf("%s was opened in a way that may wake it: %#x, %v", name, flags, err)
		}
		switch scsi, ide := d.scsi[name], d.ide[name]; {
		case request == 0x2285 && scsi != nil:
			d.asked = append(d.asked, name)
			return scsi((*sgHeader)(argument))
		case request == 0x031f && ide != nil:
			d.asked = append(d.asked, name+" through IDE")
			return ide((*[4]byte)(argument))
		}
		return unix.ENOTTY
	}
}

// replies makes SG_IO return sense data, if it was asked for what is right.
func replies(t *testing.T, text string) func(*sgHeader) error {
	return func(h *sgHeader) error {
		command := unsafe.Slice((*byte)(h.command), h.commandLength)
		if want := senseData(t, "85 06 20 00 00 00 00 00 00 00 00 00 00 00 e5 00"); !slices.Equal(command, want) {
			t.Errorf("the command is % x", command)
		}
		if h.interfaceID != 'S' || h.transferDirection != -1 || h.timeout < 1000 || h.timeout > 60_000 {
			t.Errorf("the request is %+v", h)
		}
		h.senseLength = uint8(copy(unsafe.Slice((*byte)(h.sense), h.senseSize), senseData(t, text)))
		return nil
	}
}

func refuses(err error) func(*sgHeader) error { return func(*sgHeader) error { return err } }

// mirror is a machine whose /srv is a mirror of sda and sdb.
func mirror(t *testing.T) *disks {
	t.Helper()
	d := &disks{
		kernel: withMounts(t, "1 0 9:0 / /srv rw - ext4 /dev/md0 rw\n"),
		scsi:   map[string]func(*sgHeader) error{},
		ide:    map[string]func(*[4]byte) error{},
	}
	d.ioctl = d.control(t)
	d.layDevice(t, "virtual/block/md0", "9:0", spinningDisk)
	d.layDevice(t, "pci/sda", "8:0", spinningDisk)
	d.layDevice(t, "pci/sdb", "8:16", spinningDisk)
	d.laySlaves(t, "md0", "sda", "sdb")
	layFile(t, filepath.Join(d.dev, "sda"), "")
	layFile(t, filepath.Join(d.dev, "sdb"), "")
	return d
}

func (d *disks) asleep(t *testing.T) (bool, error) {
	t.Helper()
	drive, err := d.driveOf("/srv")
	if err != nil {
		t.Fatal(err)
	}
	d.asked = nil
	return drive.Asleep()
}

func TestArraySleepsIfAllItsDisksDo(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{sataStandby, sataStandby, true},
		{sataStandby, sataIdle, false},
		{sataIdle, usbStandby, false},
		{usbStandby, sataStandby, true},
		{usbActive, usbActive, false},
	} {
		d := mirror(t)
		d.scsi["sda"], d.scsi["sdb"] = replies(t, c.a), replies(t, c.b)
		if got, err := d.asleep(t); err != nil || got != c.want {
			t.Errorf("%s and %s: got %t, %v", c.a, c.b, got, err)
		}
	}
}

func TestDiskThatDoesNotAnswerIsNotAsleep(t *testing.T) {
	host := func(status uint16) func(*sgHeader) error {
		return func(h *sgHeader) error { h.hostStatus = status; return nil }
	}
	nothing := func(*sgHeader) error { return nil }
	for name, c := range map[string]struct {
		a, b  func(*sgHeader) error
		error string // "": awake
	}{
		"one may not be asked":               {replies(t, sataStandby), refuses(unix.EPERM), "sdb is asleep is not known: asking a disk takes root with CAP_SYS_RAWIO"},
		"none may be asked":                  {refuses(unix.EACCES), refuses(unix.EPERM), "sda is asleep is not known: asking a disk takes root"},
		"one may not be asked, one is awake": {refuses(unix.EPERM), replies(t, sataIdle), ""},
		"a bridge that does not know it":     {replies(t, unknownCode), replies(t, sataStandby), "knows the ATA command CHECK POWER MODE"},
		"a bridge that says nothing":         {nothing, replies(t, sataStandby), "knows the ATA command"},
		"a bridge that says zeros":           {replies(t, "72 01 00 1d 00 00 00 0e 09 0c 00 00 00 00 00 00 00 00 00 00 00 00"), replies(t, sataStandby), "knows the ATA command"},
		"no SCSI at all":                     {refuses(unix.ENOTTY), replies(t, sataStandby), "knows the ATA command"},
		"it cannot be reached":               {host(1), replies(t, sataStandby), "cannot be reached (SCSI host status 0x1)"},
		"it has gone":                        {refuses(unix.ENODEV), replies(t, sataStandby), "no such device"},
	} {
		t.Run(name, func(t *testing.T) {
			d := mirror(t)
			d.scsi["sda"], d.scsi["sdb"] = c.a, c.b
			asleep, err := d.asleep(t)
			if asleep {
				t.Error("it is taken to be asleep")
			}
			if c.error == "" && err != nil || c.error != "" && (err == nil || !strings.Contains(err.Error(), c.error)) {
				t.Errorf("got %v, want %q", err, c.error)
			}
		})
	}
}

func TestDiskIsAskedThroughIDEIfSCSIDoesNotAnswer(t *testing.T) {
	answer := func(status, count byte) func(*[4]byte) error {
		return func(r *[4]byte) error {
			if *r != [4]byte{0xe5} {
				t.Errorf("the command is % x", *r)
			}
			*r = [4]byte{status, 0, count, 0}
			return nil
		}
	}
	for name, c := range map[string]struct {
		ide    func(*[4]byte) error
		asleep bool
		error  string
	}{
		"standby":     {answer(0x50, 0), true, ""},
		"idle":        {answer(0x50, 0x80), false, ""},
		"aborted":     {answer(0x51, 0), false, "knows the ATA command"},
		"not allowed": {func(*[4]byte) error { return unix.EACCES }, false, "CAP_SYS_RAWIO"},
		"unchanged":   {func(*[4]byte) error { return nil }, false, "knows the ATA command"},
		"an error":    {func(*[4]byte) error { return unix.EIO }, false, "knows the ATA command"},
	} {
		t.Run(name, func(t *testing.T) {
			d := mirror(t)
			d.scsi["sda"], d.ide["sda"] = replies(t, unknownCode), c.ide
			d.scsi["sdb"] = replies(t, sataStandby)
			asleep, err := d.asleep(t)
			if asleep != c.asleep || (err != nil) != (c.error != "") || err != nil && !strings.Contains(err.Error(), c.error) {
				t.Errorf("got %t, %v", asleep, err)
			}
			if !slices.Contains(d.asked, "sda through IDE") {
				t.Errorf("asked: %q", d.asked)
			}
		})
	}
}

func TestSuspendedDiskIsNotTouched(t *testing.T) {
	for name, c := range map[string]struct {
		status, control, delay string
		asleep, asked          bool
	}{
		"suspended":                          {"suspended", "auto", "600000", true, false},
		"about to be":                        {"suspending", "auto", "600000", true, false},
		"the kernel will suspend it":         {"active", "auto", "600000", false, false},
		"it is waking":                       {"resuming", "auto", "600000", false, false},
		"the kernel never suspends it":       {"active", "on", "600000", true, true},
		"the kernel may, but has no delay":   {"active", "auto", "-1", true, true},
		"the kernel does not tell":           {"unsupported", "auto", "", true, true},
		"suspended by hand, while set to on": {"suspended", "on", "-1", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := mirror(t)
			for _, disk := range []string{"sda", "sdb"} {
				power := filepath.Join(d.real(t, disk), "device", "power")
				layFile(t, filepath.Join(power, "runtime_status"), c.status+"\n")
				layFile(t, filepath.Join(power, "control"), c.control+"\n")
				layFile(t, filepath.Join(power, "autosuspend_delay_ms"), c.delay+"\n")
				d.scsi[disk] = replies(t, sataStandby)
			}
			if asleep, err := d.asleep(t); err != nil || asleep != c.asleep {
				t.Errorf("got %t, %v", asleep, err)
			}
			if asked := len(d.asked) > 0; asked != c.asked {
				t.Errorf("asked: %q", d.asked)
			}
		})
	}
}

func TestFlashIsNeverAskedAndNeverAsleep(t *testing.T) {
	d := mirror(t)
	for _, disk := range []string{"sda", "sdb"} {
		layFile(t, filepath.Join(d.real(t, disk), "queue", "rotational"), "0\n")
		layFile(t, filepath.Join(d.real(t, disk), "device", "power", "runtime_status"), "suspended\n")
		d.scsi[disk] = replies(t, sataStandby)
	}
	if asleep, err := d.asleep(t); err != nil || asleep || d.asked != nil {
		t.Errorf("got %t, %v, asked %q", asleep, err, d.asked)
	}
	if asleep, err := (Drive{}).Asleep(); err != nil || asleep {
		t.Errorf("no drive: got %t, %v", asleep, err)
	}
}

func TestDiskWithoutANodeIsNotAsleep(t *testing.T) {
	d := mirror(t)
	if err := os.Remove(filepath.Join(d.dev, "sda")); err != nil {
		t.Fatal(err)
	}
	d.scsi["sdb"] = replies(t, sataStandby)
	asleep, err := d.asleep(t)
	if asleep || err == nil || !strings.Contains(err.Error(), "there is no "+d.dev) || !strings.Contains(err.Error(), "CAP_SYS_RAWIO") {
		t.Errorf("got %t, %v", asleep, err)
	}
}

func TestNodeOfAnotherDiskIsNotAsked(t *testing.T) {
	d := mirror(t)
	node := filepath.Join(d.dev, "sda")
	if err := os.Remove(node); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(node, unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0))); err != nil {
		t.Logf("NOT COVERED HERE: making a device node: %v", err)
		return
	}
	d.scsi["sda"], d.scsi["sdb"] = replies(t, sataStandby), replies(t, sataStandby)
	asleep, err := d.asleep(t)
	if asleep || err == nil || slices.Contains(d.asked, "sda") {
		t.Errorf("got %t, %v, asked %q", asleep, err, d.asked)
	}
}

func TestHeaderIsTheKernels(t *testing.T) {
	want := uintptr(64) // sizeof (struct sg_io_hdr)
	if unsafe.Sizeof(uintptr(0)) == 8 {
		want = 88
	}
	if got := unsafe.Sizeof(sgHeader{}); got != want {
		t.Errorf("it has %d bytes, want %d", got, want)
	}
}
