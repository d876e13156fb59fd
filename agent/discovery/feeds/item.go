package feeds

import (
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"ebb/agent/discovery"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// Item is what a feed says of one swarm. Nothing of it is believed.
type Item struct {
	Hash     swarm.InfoHash // zero if only Torrent tells
	Name     string         // for display; cleaned by the table
	Length   int64          // bytes; 0 is not known
	Seeds    int            // swarm.Unknown is not known
	Leechers int            // the same
	Trackers []string
	Torrent  string    // URL of the .torrent file; empty if there is none
	Dated    time.Time // when it was published; zero is not known
	Private  bool      // it says so itself
}

func newItem() Item { return Item{Seeds: swarm.Unknown, Leechers: swarm.Unknown} }

// maxCount is far above the peers of the largest swarms seen.
const maxCount = 1 << 24

// maxLength is a petabyte, in bytes: beyond any torrent.
const maxLength = 1 << 50

// field takes a value by the name that it has in some kind of document; names differ in case and in what separates their
// words. What it does not know, or cannot read, it ignores.
func (i *Item) field(name, value string) {
	if value = strings.TrimSpace(value); value == "" {
		return
	}
	switch plain(name) {
	case "infohash", "hash", "btih", "infohashv1", "hashstring", "torrenthash", "infohashhex":
		if h, ok := peerwire.ParseBareHash(strings.TrimPrefix(value, "urn:btih:")); ok && i.Hash.IsZero() {
			i.Hash = h
		}
		i.link(value) // some call a magnet so
	case "magnet", "magneturi", "magneturl", "magnetlink", "torrent", "torrenturl", "torrentlink", "url", "link", "downloadurl",
		"downloadlink", "guid", "id", "enclosure", "comments":
		i.link(value)
	case "title", "name", "filename", "torrentname", "displayname":
		if i.Name == "" {
			i.Name = value
		}
	case "size", "sizebytes", "contentlength", "length", "totalsize", "bytes", "filesize":
		if n, ok := sizeOf(value); ok && n > 0 {
			i.Length = n
		}
	case "seeders", "seeds", "seed", "numseeders", "complete", "mirrors", "seedercount":
		i.Seeds = countOf(value, i.Seeds)
	case "leechers", "leeches", "leechs", "leech", "numleechers", "incomplete", "downloaders", "leechercount":
		i.Leechers = countOf(value, i.Leechers)
	case "pubdate", "published", "updated", "date", "added", "dateadded", "addeddate", "createdat", "uploaddate", "uploadedat", "created":
		if at, ok := dateOf(value); ok && i.Dated.IsZero() {
			i.Dated = at
		}
	case "announce", "tracker":
		i.Trackers = append(i.Trackers, value)
	case "private", "isprivate":
		i.Private = i.Private || value == "1" || strings.EqualFold(value, "true") || strings.EqualFold(value, "yes")
	}
}

// plain is a name without case, namespace and what separates words.
func plain(name string) string {
	if _, local, ok := strings.Cut(name, ":"); ok {
		name = local
	}
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		}
		return -1
	}, name)
}

// link takes a magnet link, or the URL of a .torrent file; other URLs are pages for people.
func (i *Item) link(text string) {
	if at := strings.Index(strings.ToLower(text), "magnet:?"); at >= 0 {
		m, err := peerwire.ParseMagnet(firstWord(text[at:]))
		if err != nil {
			return
		}
		if i.Hash.IsZero() {
			i.Hash = m.Hash
		}
		if i.Hash == m.Hash {
			i.Trackers = append(i.Trackers, m.Trackers...)
			if i.Name == "" {
				i.Name = m.Name
			}
		}
		return
	}
	if i.Torrent == "" && isTorrentURL(text) {
		i.Torrent = text
	}
}

// firstWord is a text up to what cannot be part of a link.
func firstWord(text string) string {
	if end := strings.IndexAny(text, " \t\r\n\"'<>"); end >= 0 {
		return text[:end]
	}
	return text
}

func isTorrentURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.HasSuffix(strings.ToLower(u.Path), ".torrent")
}

// usable reports whether the item may be offered at all: it names a swarm, and nothing that is one user's own.
func (i *Item) usable() bool {
	if i.Private || i.Hash.IsZero() && i.Torrent == "" {
		return false
	}
	for _, t := range i.Trackers {
		if discovery.MayCarryKey(t) {
			return false
		}
	}
	return i.Torrent == "" || !discovery.MayCarryKey(withoutFile(i.Torrent))
}

// withoutFile is the URL of a file's directory: the names of files are long, and full of digits.
func withoutFile(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	slash := strings.LastIndexByte(u.Path, '/')
	u.Path, u.RawPath = u.Path[:slash+1], ""
	return u.String()
}

func countOf(text string, otherwise int) int {
	n, err := strconv.ParseInt(strings.ReplaceAll(text, ",", ""), 10, 64)
	if err != nil || n < 0 {
		return otherwise
	}
	return int(min(n, maxCount))
}

// sizeOf reads a number of bytes, or of some unit: 1234, "1.4 GiB", "700 MB", "1,234 KB".
func sizeOf(text string) (int64, bool) {
	text = strings.ReplaceAll(text, ",", "")
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.ParseFloat(text[:end], 64)
	if err != nil {
		return 0, false
	}
	unit := strings.ToLower(strings.TrimSpace(text[end:]))
	factor := 1.0
	if unit != "" && unit != "b" && unit != "bytes" {
		power := strings.IndexByte("kmgtp", unit[0]) + 1
		switch rest := unit[1:]; {
		case power == 0:
			return 0, false
		case rest == "ib" || rest == "ibyte" || rest == "ibytes":
			factor = math.Pow(1024, float64(power))
		case rest == "" || rest == "b" || rest == "byte" || rest == "bytes":
			factor = math.Pow(1000, float64(power))
		default:
			return 0, false
		}
	}
	if n *= factor; !(n >= 0 && n <= maxLength) {
		return 0, false
	}
	return int64(n), true
}

// dates are the ways in which feeds write times: RFC 822 and its misspellings, RFC 3339, and what databases print.
var dates = []string{
	time.RFC1123Z, time.RFC1123, "Mon, 2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST", "2 Jan 2006 15:04:05 -0700",
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
}

func dateOf(text string) (time.Time, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n > 1e11 { // of milliseconds
			n /= 1000
		}
		return time.Unix(n, 0), n > 0 && n < 1<<33
	}
	for _, layout := range dates {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
