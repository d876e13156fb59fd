//go:build linux

package netlab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"
)

// World is the network that doc.go draws. Its methods are for one goroutine.
type World struct {
	LAN    *Host // a device of the household: the flows that must not suffer
	NAS    *Host // behind the router
	Router *Host
	ISP    *Host
	Server *Host   // the household's flows end there
	Peers  []*Host // leechers

	net   *Host // the rest of the internet: a switch
	hosts []*Host
	link  *link
	line  Line
	wan   int // which WAN interface is in use

	bufferBeyondRouter bool
	dir                string // in memory
	content            *Content
	stops              []func() error
}

// Config says what world to make.
type Config struct {
	Line  Line
	Path  Path
	Peers int // 1 to 100
	// BufferBeyondRouter puts the upload's buffer one hop further, where a modem has it: the router's counters then
	// show what it sends to the modem, not what the line carries. Otherwise it is the router's own WAN interface.
	BufferBeyondRouter bool
}

// Home is the world of the figures: a 10/50 Mbit/s line, 20 ms there and back, four leechers.
func Home() Config {
	return Config{Line: HomeLine(), Path: Path{Delay: 10 * time.Millisecond}, Peers: 4}
}

// The addresses. The household has a private network, but for want of NAT the rest knows the way to it. Everybody else
// has addresses that nobody on the internet has (RFC 5737).
var (
	lanNet    = netip.MustParsePrefix("192.168.1.0/24")
	farNet    = netip.MustParsePrefix("203.0.113.0/24")
	ispNet    = netip.MustParsePrefix("198.51.100.0/24")
	wanNets   = [2]netip.Prefix{netip.MustParsePrefix("198.51.100.0/30"), netip.MustParsePrefix("198.51.100.4/30")}
	routerLAN = addrIn(lanNet, 1)
	routerWAN = addrIn(ispNet, 9) // the household's own, over whichever WAN interface it is reached
)

func wanDev(n int) string  { return "wan" + strconv.Itoa(n) }
func custDev(n int) string { return "cust" + strconv.Itoa(n) }

// addrIn is address n of a network.
func addrIn(p netip.Prefix, n byte) netip.Addr {
	a := p.Addr().As4()
	a[3] += n
	return netip.AddrFrom4(a)
}

var worlds atomic.Int64

// Available returns an error that names what this machine lacks for making worlds and measuring in them; nil if
// nothing.
func Available() error {
	if os.Geteuid() != 0 {
		return errors.New("making network namespaces needs root")
	}
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("the link between ISP and peers needs TUN devices: %w", err)
	}
	tun.Close()
	for _, command := range []string{"ip", "tc", "iperf3", "transmission-daemon", python} {
		if _, err := exec.LookPath(command); err != nil {
			return fmt.Errorf("%w; run build/netlab/install.sh", err)
		}
	}
	return nil
}

// New makes a world. It ends with Close. Namespaces that killed runs have left behind are removed first.
func New(c Config) (*World, error) {
	if c.Peers < 1 || c.Peers > 100 {
		return nil, fmt.Errorf("a world with %d peers: 1 to 100 are possible", c.Peers)
	}
	if err := clearLeftovers(); err != nil {
		return nil, fmt.Errorf("removing what an earlier run left: %w", err)
	}
	name := fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), worlds.Add(1))
	w := &World{dir: filepath.Join(shmDir, name), bufferBeyondRouter: c.BufferBeyondRouter}
	if err := w.build(name, c); err != nil {
		return nil, errors.Join(fmt.Errorf("making a world: %w", err), w.Close())
	}
	return w, nil
}

// Close stops what runs in the world and removes it.
func (w *World) Close() error {
	var errs []error
	for i := len(w.stops) - 1; i >= 0; i-- {
		errs = append(errs, w.stops[i]())
	}
	if w.link != nil {
		errs = append(errs, w.link.stop())
	}
	for _, h := range w.hosts {
		errs = append(errs, h.delete())
	}
	w.stops, w.link, w.hosts = nil, nil, nil
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

// Line is how the line is now.
func (w *World) Line() Line { return w.line }

// Dir makes a directory in memory that goes with the world.
func (w *World) Dir(name string) (string, error) {
	dir := filepath.Join(w.dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}

// freshDir is Dir, empty.
func (w *World) freshDir(name string) (string, error) {
	if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
		return "", err
	}
	return w.Dir(name)
}

func (w *World) build(name string, c Config) error {
	if err := os.Mkdir(w.dir, 0o755); err != nil {
		return err
	}
	host := func(role string, into **Host) error {
		h, err := newHost(name, role)
		if h != nil {
			w.hosts = append(w.hosts, h)
			*into = h
		}
		return err
	}
	w.Peers = make([]*Host, c.Peers)
	err := errors.Join(host("lan", &w.LAN), host("nas", &w.NAS), host("router", &w.Router), host("isp", &w.ISP),
		host("net", &w.net), host("server", &w.Server))
	for i := range w.Peers {
		err = errors.Join(err, host(fmt.Sprintf("peer%d", i+1), &w.Peers[i]))
	}
	if err != nil {
		return err
	}
	if w.link, err = startLink(linkSetup{Near: w.ISP.path(), Far: w.net.path(), Path: c.Path}); err != nil {
		return err
	}
	for _, part := range []func() error{w.buildHousehold, w.buildWAN, w.buildFar, func() error { return w.SetLine(c.Line) }} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// buildHousehold connects LAN host and NAS to the router's switch.
func (w *World) buildHousehold() error {
	if err := w.Router.bridge("br-lan", netip.PrefixFrom(routerLAN, lanNet.Bits())); err != nil {
		return err
	}
	w.LAN.Addr, w.NAS.Addr = addrIn(lanNet, 2), addrIn(lanNet, 3)
	for _, h := range []*Host{w.LAN, w.NAS} {
		if err := h.plugInto(w.Router, "br-lan", lanNet, routerLAN, false); err != nil {
			return err
		}
	}
	return nil
}

// buildWAN makes two lines between router and ISP. One is in use.
func (w *World) buildWAN() error {
	w.Router.Addr = routerWAN
	if err := w.Router.ip("addr", "add", netip.PrefixFrom(routerWAN, 32).String(), "dev", "lo"); err != nil {
		return err
	}
	for n := range wanNets {
		if err := cable(w.Router, wanDev(n), w.ISP, custDev(n)); err != nil {
			return err
		}
		err := errors.Join(
			w.ISP.up(custDev(n), netip.PrefixFrom(addrIn(wanNets[n], 1), 30)),
			w.Router.up(wanDev(n), netip.PrefixFrom(addrIn(wanNets[n], 2), 30)))
		if err != nil {
			return err
		}
	}
	return errors.Join(w.Router.forward(), w.ISP.forward(), w.route(0), w.Router.ip("link", "set", wanDev(1), "down"))
}

// route sends the household's traffic over a WAN interface.
func (w *World) route(wan int) error {
	err := errors.Join(
		w.Router.ip("route", "replace", "default", "via", addrIn(wanNets[wan], 1).String(), "dev", wanDev(wan),
			"src", w.Router.Addr.String(), "congctl", homeControl),
		w.ISP.ip("route", "replace", lanNet.String(), "via", addrIn(wanNets[wan], 2).String()),
		w.ISP.ip("route", "replace", w.Router.Addr.String(), "via", addrIn(wanNets[wan], 2).String()))
	if err == nil {
		w.wan = wan
	}
	return err
}

// ChangeWAN takes the WAN interface that is in use down, as when a line fails, and the other one takes over: same
// rates, another name. Connections live on, as the household's address stays.
func (w *World) ChangeWAN() error {
	old := w.wan
	return errors.Join(w.Router.ip("link", "set", wanDev(1-old), "up"), w.route(1-old), w.Router.ip("link", "set", wanDev(old), "down"))
}

// WAN is the name of the router's WAN interface that is in use.
func (w *World) WAN() string { return wanDev(w.wan) }

// buildFar connects the server and the peers beyond the link. Peers cannot reach each other: what they get, they get
// through the line.
func (w *World) buildFar() error {
	gateway := addrIn(farNet, 1)
	if err := w.net.bridge("br-far", netip.PrefixFrom(gateway, farNet.Bits())); err != nil {
		return err
	}
	w.Server.Addr = addrIn(farNet, 2)
	if err := w.Server.plugInto(w.net, "br-far", farNet, gateway, false); err != nil {
		return err
	}
	for i, h := range w.Peers {
		h.Addr = addrIn(farNet, byte(11+i))
		if err := h.plugInto(w.net, "br-far", farNet, gateway, true); err != nil {
			return err
		}
	}
	errs := []error{w.net.forward()}
	for _, h := range []*Host{w.ISP, w.net} {
		errs = append(errs, h.ip("link", "set", linkDev, "mtu", strconv.Itoa(mtu), "txqueuelen", strconv.Itoa(slots), "up"))
	}
	errs = append(errs, w.ISP.ip("route", "add", farNet.String(), "dev", linkDev))
	for _, n := range []netip.Prefix{lanNet, ispNet} {
		errs = append(errs, w.net.ip("route", "add", n.String(), "dev", linkDev))
	}
	return errors.Join(errs...)
}
