package platform

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
)

// Route is the way to the internet.
type Route struct {
	Interface string     // as the kernel names it: eth0, eth0.2, wan, pppoe-wan, …
	Gateway4  netip.Addr // the first hop; the zero Addr if there is none, or it is not told
	Gateway6  netip.Addr // link-local ones carry the interface as their zone
	Tunnel    bool       // only a tunnel (a VPN, …) leads there: what carries the tunnel is not known
}

// ErrNoRoute says that the machine is not connected to the internet.
var ErrNoRoute = errors.New("no default route, neither IPv4 nor IPv6: this machine is not connected to the internet")

// DefaultRoute returns the way to the internet that this machine uses now, or ErrNoRoute.
func DefaultRoute() (Route, error) {
	return System.DefaultRoute()
}

// DefaultRoute is the function of the same name, for the machine that the files tell of.
func (f Files) DefaultRoute() (Route, error) {
	routes := f.Routes("")
	defer routes.Close()
	return routes.Default()
}

// Routes follows the default route. It keeps the kernel's files open, as it is asked several times a second. It may be
// used by one goroutine at a time.
type Routes struct {
	files     Files
	only      string
	four, six table
	known     routing // what the answer was made from
	route     Route
	err       error
}

// Routes returns a follower of the default route: of the one by an interface that the owner has named, or of whichever
// holds if only is empty. Close it.
func (f Files) Routes(only string) *Routes {
	return &Routes{
		files: f,
		only:  only,
		four:  table{path: filepath.Join(f.Proc, "net", "route")},
		six:   table{path: filepath.Join(f.Proc, "net", "ipv6_route")},
	}
}

// Default returns the way to the internet: the default route of the lowest metric that is up. Ordinary links come
// before tunnels, as the household's traffic is on what carries the tunnel; IPv4 comes before IPv6. Without a default
// route the error is ErrNoRoute; the interface comes with it if the owner has named it.
func (r *Routes) Default() (Route, error) {
	var now routing
	err4 := r.four.read(now.addIPv4)
	err6 := r.six.read(now.addIPv6)
	if err4 != nil && err6 != nil { // a machine may well have one of them only
		return Route{Interface: r.only}, fmt.Errorf("reading the routes of this machine: %w", err4)
	}
	// Most of the time nothing has changed, and the links need not be asked what they are.
	if now != r.known || r.err != nil || r.route.Interface == "" {
		r.known = now
		r.route, r.err = now.choose(r.only, r.files.tunnel)
	}
	return r.route, r.err
}

// Close lets go of the kernel's files.
func (r *Routes) Close() {
	r.four.close()
	r.six.close()
}

// table is one of the kernel's files of routes.
type table struct {
	path string
	file *os.File
	part [4096]byte // a page is what the kernel fills at a time
}

// tableSize is how much of a table is looked at: some thousand routes. A machine with more is no household's, and
// reading them several times a second would be felt.
const tableSize = 512 << 10

// read calls line for each line of the table, without the line feed.
func (t *table) read(line func([]byte)) error {
	if t.file == nil {
		file, err := os.Open(t.path)
		if err != nil {
			return err
		}
		t.file = file
	}
	kept := 0 // bytes at the beginning of part that are a line's beginning
	for offset := int64(0); offset < tableSize; {
		n, err := t.file.ReadAt(t.part[kept:], offset)
		offset += int64(n)
		kept = lines(t.part[:], kept+n, line)
		switch {
		case err == io.EOF:
			if kept > 0 {
				line(t.part[:kept])
			}
			return nil
		case err != nil:
			t.close()
			return err
		case kept == len(t.part):
			kept = 0 // no line of a table is as long: not a table
		}
	}
	return nil
}

func (t *table) close() {
	if t.file != nil {
		t.file.Close()
		t.file = nil
	}
}
