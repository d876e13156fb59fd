package records

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// SocketFile is the socket at which the commands of ebb find the API while the agent runs. An address may belong to
// somebody else by the time it is dialled, who would be told the token; a file in the state directory does not.
const SocketFile = "api.sock"

// longestSocketPath is how long the path of a socket may be, bytes: sun_path in sockaddr_un has 108 on Linux, and fewer
// on other systems.
const longestSocketPath = 100

// ListenSocket listens at the socket in a state directory, for its user and group. One that is there already is what an
// agent has left that was killed: who calls this holds the directory.
func ListenSocket(directory string) (net.Listener, error) {
	if err := os.Remove(filepath.Join(directory, SocketFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("making way for the commands' socket: %w", err)
	}
	var l *net.UnixListener
	err := atSocket(directory, func(path string) (err error) {
		if l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
			return err
		}
		l.SetUnlinkOnClose(false) // it would use a path that may lead nowhere by then
		return os.Chmod(path, 0o660)
	})
	if err != nil {
		return nil, fmt.Errorf("making the commands' socket in %s: %w", directory, err)
	}
	return &socket{l, filepath.Join(directory, SocketFile)}, nil
}

// socket is a listener whose file goes when it is closed.
type socket struct {
	net.Listener
	path string
}

func (s *socket) Close() error {
	err := s.Listener.Close()
	if err == nil {
		err = os.Remove(s.path)
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// DialSocket connects to the agent that runs on a state directory. Errors wrap fs.ErrNotExist or syscall.ECONNREFUSED if
// there is none.
func DialSocket(ctx context.Context, directory string) (conn net.Conn, err error) {
	err = atSocket(directory, func(path string) (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, "unix", path)
		return err
	})
	return conn, err
}

// atSocket gives use a path of the socket that is short enough.
func atSocket(directory string, use func(path string) error) error {
	path := filepath.Join(directory, SocketFile)
	if len(path) <= longestSocketPath {
		return use(path)
	}
	d, err := os.Open(directory)
	if err != nil {
		return err
	}
	defer d.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), SocketFile))
}
