package peerwire

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// MaxTorrentFile is the longest .torrent file that is read: a torrent of MaxPieces pieces, and some room. Bytes.
	MaxTorrentFile = 32 << 20
	// MaxTrackers is how many trackers of a torrent or magnet link are kept.
	MaxTrackers = 32
	// maxTrackerURL is the longest URL of one, bytes.
	maxTrackerURL = 2048
)

// Torrent is a checked .torrent file (BEP 3).
type Torrent struct {
	Info *Info
	// Raw is the info dictionary, sharing the memory of the file.
	Raw []byte
	// Trackers are the announce URLs of all tiers (BEP 12) in order, without duplicates, at most MaxTrackers. Where
	// they lead is not checked.
	Trackers []string
	// Tiers are the same by tier (BEP 12).
	Tiers [][]string
}

// ParseTorrent checks a .torrent file. Errors wrap ErrInfo and say what is wrong.
func ParseTorrent(file []byte) (*Torrent, error) { return parseTorrent(file, ParseInfo) }

// ParseTorrentPieces is ParseTorrent for those who need no files: see ParsePieces.
func ParseTorrentPieces(file []byte) (*Torrent, error) { return parseTorrent(file, ParsePieces) }

func parseTorrent(file []byte, parse func(raw []byte) (*Info, error)) (*Torrent, error) {
	if len(file) > MaxTorrentFile {
		return nil, infoError("it is longer than %d bytes", MaxTorrentFile)
	}
	// Files that went through an editor or a form end with a new line.
	v, err := parseBencode(bytes.TrimRight(file, "\r\n\t \x00"), torrentNesting)
	if err != nil {
		return nil, fmt.Errorf("%w: not a torrent file: %w", ErrInfo, err)
	}
	var f [3]value
	if err := v.pick(f[:], "info", "announce", "announce-list"); err != nil {
		return nil, fmt.Errorf("%w: not a torrent file: %w", ErrInfo, err)
	}
	if !f[0].isDict() {
		return nil, infoError("not a torrent file: it has no info dictionary")
	}
	info, err := parse(f[0])
	if err != nil {
		return nil, err
	}
	t := &Torrent{Info: info, Raw: f[0]}
	addTier := func(known int) {
		if len(t.Trackers) > known {
			t.Tiers = append(t.Tiers, t.Trackers[known:len(t.Trackers):len(t.Trackers)])
		}
	}
	for tier := range f[2].list() {
		known := len(t.Trackers)
		for url := range tier.list() {
			t.Trackers = appendTracker(t.Trackers, url)
		}
		addTier(known)
	}
	if len(t.Trackers) == 0 { // BEP 12: announce counts only without announce-list
		t.Trackers = appendTracker(nil, f[1])
		addTier(0)
	}
	return t, nil
}

func appendTracker(trackers []string, v value) []string {
	url, _ := v.text()
	return addTracker(trackers, string(url))
}

// addTracker appends url unless it is useless, a duplicate, or one too many.
func addTracker(trackers []string, url string) []string {
	url = strings.TrimSpace(url)
	if url == "" || len(url) > maxTrackerURL || len(trackers) == MaxTrackers || !utf8.ValidString(url) ||
		strings.ContainsFunc(url, func(r rune) bool { return r <= ' ' || r == 0x7f }) || slices.Contains(trackers, url) {
		return trackers
	}
	return append(trackers, url)
}
