package peersource

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// ErrRefused is wrapped by every error that says that a host, address or URL may not be contacted.
var ErrRefused = errors.New("not allowed")

// maxURL is the longest tracker URL taken, in bytes. Real ones, pass keys included, stay under 300.
const maxURL = 2048

// Guard keeps the agent from being used against the network that it stands in. Tracker URLs, peers and DHT nodes are
// named by strangers; a router or NAS that fetched http://192.168.1.1/reboot for them would be a tool in their hands.
// The zero value is the strict guard; it may be copied and used by several goroutines.
type Guard struct {
	// AllowPrivate lifts the rules about addresses (loopback, private, link-local, names of the local network), and
	// only those: for laboratories and for owners who run a tracker at home.
	AllowPrivate bool

	// Household are the networks that the device itself stands in, which are refused like private ones; nil: not known.
	Household *Household

	// Local is the source address of outgoing connections; invalid means any.
	Local netip.Addr

	// Count is told how many bytes were sent and received, by connections and by the DHT; nil: nobody counts.
	Count func(sent, received int)

	// Resolver looks up names; nil means net.DefaultResolver.
	Resolver *net.Resolver
}

// CheckURL refuses what may not be announced to. What may is an http, https or udp URL with a host, without credentials,
// whose port is not 0 (and is given, for udp), whose host is neither a literal address that AllowAddr refuses nor a name that
// belongs to the local network. A name can still resolve to a refused address: DialContext looks again. Errors wrap
// ErrRefused and quote no more of raw than its host.
func (g Guard) CheckURL(raw string) error {
	if len(raw) > maxURL {
		return fmt.Errorf("URL of %d bytes: %w: more than %d", len(raw), ErrRefused, maxURL)
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's own error repeats the whole URL, which may carry a pass key.
		return fmt.Errorf("URL: %w: malformed", ErrRefused)
	}
	return g.checkURL(u)
}

func (g Guard) checkURL(u *url.URL) error {
	switch u.Scheme {
	case "http", "https":
	case "udp":
		if u.Port() == "" {
			return fmt.Errorf("URL: %w: udp without a port", ErrRefused)
		}
	default:
		return fmt.Errorf("URL: %w: scheme %.10q, want http, https or udp", ErrRefused, u.Scheme)
	}
	if u.User != nil {
		return fmt.Errorf("URL: %w: contains credentials", ErrRefused)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("URL: %w: port %.10q, want 1 to 65535", ErrRefused, port)
		}
	}
	return g.checkHost(u.Hostname())
}

// checkHost judges a host as it is written, before any name is resolved.
func (g Guard) checkHost(host string) error {
	if host == "" || len(host) > 253 { // RFC 1035 §2.3.4
		return fmt.Errorf("host of %d bytes: %w: want 1 to 253", len(host), ErrRefused)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return g.checkAddr(addr)
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	if endsInNumber(last) {
		// '127.1' or '0x7f000001': some resolvers read these as addresses, and netip.ParseAddr, rightly, does not.
		return fmt.Errorf("host %q: %w: neither a name nor an address", host, ErrRefused)
	}
	if g.AllowPrivate {
		return nil
	}
	if len(labels) == 1 {
		return fmt.Errorf("host %q: %w: a name of the local network", host, ErrRefused)
	}
	switch last {
	case "localhost", "local", "localdomain", "internal", "lan", "home", "arpa":
		return fmt.Errorf("host %q: %w: a name of the local network", host, ErrRefused)
	}
	return nil
}

// endsInNumber applies the rule of the WHATWG URL standard: a last label that is a number makes a host an IPv4 address,
// however oddly written.
func endsInNumber(label string) bool {
	if label == "" {
		return true
	}
	if digits, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// AllowAddr reports whether addr may be contacted. Addresses that no peer can have (unspecified, multicast, broadcast)
// are refused even with AllowPrivate.
func (g Guard) AllowAddr(addr netip.Addr) bool { return g.checkAddr(addr) == nil }

// allowAddrPort is AllowAddr for a peer or node, which must have a port, too.
func (g Guard) allowAddrPort(a netip.AddrPort) bool { return a.Port() != 0 && g.AllowAddr(a.Addr()) }

func (g Guard) checkAddr(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("") // a zone hides an address from Prefix.Contains
	switch {
	case !addr.IsValid():
		return fmt.Errorf("address: %w: not an IP address", ErrRefused)
	case addr.IsUnspecified(), addr == broadcast:
		return fmt.Errorf("address %s: %w: no host has it", addr, ErrRefused)
	case addr.IsMulticast():
		return fmt.Errorf("address %s: %w: multicast", addr, ErrRefused)
	case g.AllowPrivate:
		return nil
	}
	for _, r := range reserved {
		if r.prefix.Contains(addr) {
			return fmt.Errorf("address %s: %w: %s", addr, ErrRefused, r.kind)
		}
	}
	if g.Household.contains(addr) {
		return fmt.Errorf("address %s: %w: in a network of this device", addr, ErrRefused)
	}
	if inner, ok := embedded(addr); ok {
		return g.checkAddr(inner)
	}
	return nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// reserved are the ranges in which no public host lives: the IANA special-purpose registries, IPv4 and IPv6.
var reserved = []struct {
	prefix netip.Prefix
	kind   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier NAT"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("::/96"), "loopback or IPv4-compatible"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64"},
	{netip.MustParsePrefix("100::/64"), "discard"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("fc00::/7"), "private"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380
)

// embedded gives the IPv4 address that a gateway would forward to: the other way to write 192.168.1.1.
func embedded(addr netip.Addr) (netip.Addr, bool) {
	b := addr.As16()
	switch {
	case nat64.Contains(addr), translated.Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case teredo.Contains(addr): // the client's, with all bits turned over
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	case addr.Is6() && b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214 §6.1
		return netip.AddrFrom4([4]byte(b[12:16])), true
	}
	return netip.Addr{}, false
}
