//go:build linux

package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// prefix begins the names of everything that outlives a process that is killed: namespaces, and directories in memory.
// What follows is the process id and a number: ebb-netlab-1234-1-router.
const prefix = "ebb-netlab-"

const (
	netnsDir = "/run/netns" // where `ip netns` keeps its names
	shmDir   = "/dev/shm"
)

// Host is a network namespace with one address by which the others reach it.
type Host struct {
	name string // of the namespace
	Role string // its name in the drawing
	Addr netip.Addr
	dev  string // the interface that its traffic with the others passes
}

func newHost(world, role string) (*Host, error) {
	h := &Host{name: world + "-" + role, Role: role}
	if err := run("ip", "netns", "add", h.name); err != nil {
		return nil, err
	}
	err := h.sysctl("net/ipv6/conf/all/disable_ipv6", "1") // no packets of its own
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // a kernel without IPv6
	}
	// The unprivileged ICMP that most distributions allow, and the kernel by itself does not.
	return h, errors.Join(err, h.sysctl("net/ipv4/ping_group_range", "0 2147483647"), h.ip("link", "set", "lo", "up"))
}

// Namespace is its name, as `ip netns exec` takes it.
func (h *Host) Namespace() string { return h.name }

func (h *Host) path() string { return filepath.Join(netnsDir, h.name) }

func (h *Host) delete() error { return run("ip", "netns", "del", h.name) }

// ip runs ip(8) in the namespace.
func (h *Host) ip(args ...string) error { return run("ip", append([]string{"-n", h.name}, args...)...) }

// tc runs tc(8) in the namespace.
func (h *Host) tc(args ...string) error { return run("tc", append([]string{"-n", h.name}, args...)...) }

// sysctl sets a kernel parameter of the namespace: a path below /proc/sys.
func (h *Host) sysctl(path, value string) error {
	return h.Do(func() error { return os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0) })
}

// Do calls f on a thread that is in the namespace. Sockets that f makes, and files of /proc/thread-self/net that it
// opens, stay in the namespace. f must not start goroutines that do so, nor processes.
func (h *Host) Do(f func() error) error {
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer own.Close()
	there, err := os.Open(h.path())
	if err != nil {
		return err
	}
	defer there.Close()
	done := make(chan error)
	go func() { // a goroutine that ends on a locked thread ends the thread: for the case that there is no way back
		runtime.LockOSThread()
		if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- fmt.Errorf("entering namespace %s: %w", h.name, err)
			return
		}
		err := f()
		if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
			done <- errors.Join(err, fmt.Errorf("leaving namespace %s: %w", h.name, back))
			return
		}
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// run runs a command that ends by itself at once. What it says on failure is in the error.
func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

var clearing sync.Mutex // worlds that are made at the same time would clear the same

// clearLeftovers removes what runs that were killed have left: processes in our namespaces, the namespaces, and
// directories in memory. Those of runs that still live are left alone.
func clearLeftovers() error {
	clearing.Lock()
	defer clearing.Unlock()
	var errs []error
	for _, dir := range []string{netnsDir, shmDir} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			pid, ours := owner(e.Name())
			if !ours || alive(pid) {
				continue
			}
			if dir == shmDir {
				errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
			} else {
				errs = append(errs, clearNamespace(e.Name()))
			}
		}
	}
	return errors.Join(errs...)
}

func clearNamespace(name string) error {
	pids, err := exec.Command("ip", "netns", "pids", name).Output()
	if err != nil {
		return fmt.Errorf("ip netns pids %s: %w", name, err)
	}
	var errs []error
	for _, text := range strings.Fields(string(pids)) {
		pid, err := strconv.Atoi(text)
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, run("ip", "netns", "del", name))...)
}

// owner is the process that made what is called name, if one of ours did.
func owner(name string) (pid int, ours bool) {
	rest, ours := strings.CutPrefix(name, prefix)
	if !ours {
		return 0, false
	}
	number, _, _ := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(number)
	return pid, err == nil && pid > 0
}

func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
