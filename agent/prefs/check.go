package prefs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The checks say what would be right; the caller puts the key and the value in front.

// listenAddress accepts host:port to listen on: any host or none, port 0 included.
func listenAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !isPort(port) || host != "" && !isHost(host) {
		return errors.New(`not an address; write it like ":51515", "192.168.1.1:51515" or "[::1]:51515", ports 0 to 65535`)
	}
	return nil
}

// remoteAddress accepts host:port to send to: a host and a port are needed.
func remoteAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !isPort(port) || strings.Trim(port, "0") == "" || !isHost(host) {
		return errors.New(`not an address; write it like "router.example.org:6881" or "[2001:db8::1]:6881", ports 1 to 65535`)
	}
	return nil
}

func hostName(name string) error {
	if !isHost(name) {
		return errors.New(`not a host name; write it without http:// and port, like "nas.example.org"`)
	}
	return nil
}

func isPort(port string) bool {
	_, err := strconv.ParseUint(port, 10, 16)
	return err == nil
}

// isHost accepts an IP address or a host name of the form of RFC 1123 §2.1, with the underscores that LANs have.
func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return isPlain(host) // a zone may hold anything
	}
	const longestName, longestLabel = 253, 63 // RFC 1035 §2.3.4, as text
	if len(host) > longestName {
		return false
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > longestLabel || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, notInHostName) {
			return false
		}
	}
	// A last label of digits makes it a mistyped IP address, never a name.
	return strings.Trim(labels[len(labels)-1], "0123456789") != ""
}

func notInHostName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// maxFeedName bounds a feed's name, in bytes: it stands in sentences.
const maxFeedName = 64

func feedURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !isHost(u.Hostname()) ||
		u.Port() != "" && !isPort(u.Port()) || !isPlain(text) {
		return errors.New(`not a feed's address; write it like "https://example.org/feed.xml"`)
	}
	return nil
}

func feedName(text string) error {
	if len(text) > maxFeedName || !isPlain(text) {
		return fmt.Errorf("not a name; write a few words, at most %d bytes", maxFeedName)
	}
	return nil
}

func feedPolicy(m Mode) error {
	if m == "" {
		return nil
	}
	return oneOf(modes)(m)
}

func stateDirectory(path string) error {
	if !filepath.IsAbs(path) || !isPlain(path) {
		return errors.New(`not a directory; write its full path, like "/var/lib/ebb"`)
	}
	return nil
}

func downloadDirectory(path string) error {
	if path != "" && (!filepath.IsAbs(path) || !isPlain(path)) {
		return errors.New(`not a directory; write its full path, like "/srv/downloads", or "" for downloads in the state directory`)
	}
	return nil
}

// interfaceName accepts "auto" and what Linux accepts as the name of a network interface.
func interfaceName(name string) error {
	const longest = 15 // IFNAMSIZ, less the closing NUL
	if name == "" || len(name) > longest || name == "." || name == ".." || !isPlain(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == ':' || unicode.IsSpace(r) }) {
		return errors.New(`not a network interface; write its name, like "eth0" or "pppoe-wan", or "auto"`)
	}
	return nil
}

// isPlain reports whether text can stand in a file, a log line and a page as it is.
func isPlain(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func sizeNotNegative(s Size) error {
	if s < 0 {
		return errNotSize
	}
	return nil
}

// foregroundRate refuses what the foreground cannot do: it has no governor, and a torrent is stopped, not slowed to 0.
func foregroundRate(r Rate) error {
	if r.BytesPerSecond() == 0 {
		return errors.New(`not a rate for the foreground; write it like "5Mbit/s" or "unlimited" (to send or fetch nothing, stop the torrent)`)
	}
	return nil
}

func lineRate(r Rate) error {
	if !r.Auto() && r.BytesPerSecond() <= 0 {
		return errors.New(`not the rate of a line; write what yours can carry, like "40Mbit/s", or "auto"`)
	}
	return nil
}

func limitAboveZero(l Limit) error {
	if n, limited := l.Bytes(); limited && n == 0 {
		return errors.New(`must be above 0; write "unlimited" for no limit`)
	}
	return nil
}

func perDayAboveZero(d PerDay) error { return limitAboveZero(d.limit) }
