package platform

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inOwnNetwork does something in a network that no other process is in, as its root. It runs this program's test t once
// more, in a process of its own; there, do is called.
func inOwnNetwork(t *testing.T, role string, do func()) {
	t.Helper()
	const variable = "EBB_TEST_ROLE"
	switch os.Getenv(variable) {
	case role:
		up(t, "lo")
		do()
		return
	case "":
	default:
		return // of another call in the same test
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), variable+"="+role)
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	output, err := child.CombinedOutput()
	switch {
	case errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOSPC):
		t.Logf("NOT COVERED HERE: no networks of one's own: %v", err)
	case err != nil || !strings.Contains(string(output), "--- PASS: "+t.Name()):
		t.Errorf("%s: %v\n%s", role, err, output)
	case strings.Contains(string(output), "NOT COVERED HERE"):
		t.Logf("%s", output)
	}
}

// up switches an interface on.
func up(t *testing.T, name string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	request.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		t.Fatal(err)
	}
}
