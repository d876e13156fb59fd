package platform

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func mountOf(path string) (Mount, error) { return linux.mountOf(path) }

func (k kernel) mountOf(path string) (Mount, error) {
	at, err := k.stand(path)
	if err != nil {
		return Mount{}, err
	}
	m := k.mountAt(path, at)
	if m.point == "" {
		return Mount{}, nil
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return Mount{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return Mount{Point: m.point, ID: fmt.Sprintf("%s %08x%08x %s", m.kind, uint32(fs.Fsid.Val[0]), uint32(fs.Fsid.Val[1]), m.root)}, nil
}
