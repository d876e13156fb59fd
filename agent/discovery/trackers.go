package discovery

import (
	"net/url"
	"slices"
	"strings"
)

// The parts of a tracker's URL that many of its users have in common are short and nearly without digits, such as
// /announce, /bt/announce.php or /tracker.
const (
	maxCommonPart   = 15 // bytes
	maxCommonDigits = 3
)

// tellable leaves out the tracker URLs that may carry a pass key: what a tracker knows one of its users by, and by which
// somebody else could pass for that user. They are the owner's, or of somebody who let one slip; no stranger is told.
func tellable(trackers []string) []string {
	return slices.DeleteFunc(slices.Clone(trackers), MayCarryKey)
}

// MayCarryKey reports whether a tracker's URL may be one user's own: it has a query, credentials or a fragment, or a
// part of its path, or of its host's name below the domain, that looks like a key.
func MayCarryKey(tracker string) bool {
	u, err := url.Parse(tracker)
	if err != nil || u.Opaque != "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return true
	}
	if slices.ContainsFunc(strings.Split(u.EscapedPath(), "/"), keyLike) {
		return true
	}
	labels := strings.Split(u.Hostname(), ".")
	if len(labels) < 3 || strings.Contains(u.Hostname(), ":") {
		return false // a domain, an .onion or .i2p address, or an IPv6 address
	}
	return slices.ContainsFunc(labels[:len(labels)-2], func(label string) bool {
		return len(label) > maxCommonPart && digits(label) > maxCommonDigits
	})
}

// keyLike reports whether a part of a path looks as if it was made for one user.
func keyLike(part string) bool {
	return len(part) > maxCommonPart || digits(part) > maxCommonDigits || strings.ContainsAny(part, "%;=&,:@")
}

func digits(s string) (n int) {
	for _, r := range s {
		if '0' <= r && r <= '9' {
			n++
		}
	}
	return n
}
