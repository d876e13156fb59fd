package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// checkPowerMode is the ATA command that asks for the power mode and does not change it: ATA Command Set (ACS),
// CHECK POWER MODE.
const checkPowerMode = 0xe5

var (
	errNotAllowed = errors.New("asking a disk takes root with CAP_SYS_RAWIO, and for a container the disk's node in /dev")
	errNoAnswer   = errors.New("neither the disk nor what connects it knows the ATA command CHECK POWER MODE")
)

// standby reports whether a spinning disk is in standby.
func (k kernel) standby(name string) (bool, error) {
	power := filepath.Join(k.Sys, "class", "block", name, "device", "power")
	switch status, _ := attribute(filepath.Join(power, "runtime_status")); {
	case status == "suspended" || status == "suspending":
		return true, nil
	case suspends(power):
		return false, nil
	}
	fd, err := k.open(name)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	asleep, err := k.askThroughSCSI(fd)
	if err == errNoAnswer {
		asleep, err = k.askThroughIDE(fd)
	}
	return asleep, err
}

// suspends reports whether the kernel itself sends the disk to sleep when it has not been used for a while. A command,
// this one too, would be use, and wake the disk or keep it from ever sleeping: the kernel's Documentation/ABI/testing/
// sysfs-devices-power and Documentation/power/runtime_pm.rst.
func suspends(power string) bool {
	control, _ := attribute(filepath.Join(power, "control"))
	delay, err := number(filepath.Join(power, "autosuspend_delay_ms"))
	return control == "auto" && err == nil && delay >= 0
}

// open opens a disk without waking it, which O_NONBLOCK promises: nothing looks for a medium.
func (k kernel) open(name string) (fd int, err error) {
	path := filepath.Join(k.dev, deviceName(name))
	fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return -1, fmt.Errorf("%s may not be opened: %w", path, errNotAllowed)
	case errors.Is(err, fs.ErrNotExist):
		return -1, fmt.Errorf("there is no %s: %w", path, errNotAllowed)
	case err != nil:
		return -1, fmt.Errorf("opening %s: %w", path, err)
	}
	// In a container another disk may have been given this name.
	var node unix.Stat_t
	if err := unix.Fstat(fd, &node); err == nil && node.Mode&unix.S_IFMT == unix.S_IFBLK {
		is := deviceNumber(unix.Major(uint64(node.Rdev)), unix.Minor(uint64(node.Rdev)))
		if should, err := attribute(filepath.Join(k.Sys, "class", "block", name, "dev")); err == nil && is != should {
			unix.Close(fd)
			return -1, fmt.Errorf("%s is device %s here, and the disk is %s", path, is, should)
		}
	}
	return fd, nil
}

// From the kernel's include/scsi/sg.h, and its SCSI Generic HOWTO.
const (
	sgIO         = 0x2285
	sgNoTransfer = -1 // SG_DXFER_NONE
	sgTimeout    = 15 * time.Second
)

// sgHeader is sg.h's struct sg_io_hdr.
type sgHeader struct {
	interfaceID       int32
	transferDirection int32
	commandLength     uint8
	senseSize         uint8
	_                 uint16
	_                 uint32
	_                 unsafe.Pointer
	command           unsafe.Pointer
	sense             unsafe.Pointer
	timeout           uint32 // milliseconds
	_                 uint32
	_                 int32
	_                 unsafe.Pointer
	_                 [3]uint8
	senseLength       uint8
	hostStatus        uint16
	_                 uint16
	_                 int32
	_                 uint32
	_                 uint32
}

// askThroughSCSI sends the command through ATA PASS-THROUGH (16) of SCSI / ATA Translation (SAT), which the kernel
// translates for SATA disks and USB bridges for theirs.
func (k kernel) askThroughSCSI(fd int) (asleep bool, err error) {
	command := [16]byte{
		0:  0x85,   // ATA PASS-THROUGH (16)
		1:  3 << 1, // no data
		2:  1 << 5, // CK_COND: return the registers as sense data
		14: checkPowerMode,
	}
	sense := [64]byte{}
	header := sgHeader{
		interfaceID:       'S',
		transferDirection: sgNoTransfer,
		commandLength:     uint8(len(command)),
		senseSize:         uint8(len(sense)),
		command:           unsafe.Pointer(&command[0]),
		sense:             unsafe.Pointer(&sense[0]),
		timeout:           uint32(sgTimeout.Milliseconds()),
	}
	if err := k.ioctl(fd, sgIO, unsafe.Pointer(&header)); err != nil {
		return false, refusal(err)
	}
	if header.hostStatus != 0 {
		return false, fmt.Errorf("the disk cannot be reached (SCSI host status %#x)", header.hostStatus)
	}
	answer, ok := parseSense(sense[:min(int(header.senseLength), len(sense))])
	if !ok {
		return false, errNoAnswer
	}
	return answer.standby()
}

// askThroughIDE sends the command as the kernel's Documentation/userspace-api/ioctl/hdio.rst says: it takes command,
// sector, feature and count, and gives back the registers status, error and count.
func (k kernel) askThroughIDE(fd int) (asleep bool, err error) {
	registers := [4]byte{checkPowerMode}
	if err := k.ioctl(fd, unix.HDIO_DRIVE_CMD, unsafe.Pointer(&registers[0])); err != nil {
		return false, refusal(err)
	}
	return ataAnswer{status: registers[0], count: registers[2]}.standby()
}

// refusal says why an ioctl was not done.
func refusal(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return errNotAllowed
	case errors.Is(err, unix.ENOTTY), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EIO):
		return errNoAnswer
	}
	return fmt.Errorf("asking the disk: %w", err)
}
