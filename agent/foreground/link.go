package foreground

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

const (
	// linkSuffix is appended to the path of rain's database: a directory with a file for each link.
	linkSuffix = ".links"
	// metadataSuffix is appended to the path of a link: what has come of its metadata.
	metadataSuffix = ".metadata"
)

// link is what is known of a torrent beside its metadata: how its peers are found. It is kept in a text file of lines,
// 'WORD VALUE'.
type link struct {
	magnet bool      // the metadata is still looked for
	added  time.Time // of a magnet; rain knows it of others
	name   string    // of a magnet, for display
	tiers  [][]string
	peers  []netip.AddrPort // of a magnet
}

// trackers are those of all tiers.
func (l link) trackers() []string { return slices.Concat(l.tiers...) }

// linkOf is the link of a torrent file.
func (s *Session) linkOf(t *peerwire.Torrent) (l link) {
	for _, tier := range t.Tiers {
		if tier = s.allowed(displayName(t.Info.Name), tier); len(tier) > 0 {
			l.tiers = append(l.tiers, tier)
		}
	}
	return l
}

// known is the link once the metadata is known.
func (l link) known() link { return link{tiers: l.tiers, peers: l.peers} }

// settleLink notes that the metadata of h is known, and deletes what came of it.
func (s *Session) settleLink(h swarm.InfoHash, l link) error {
	err := os.Remove(s.linkPath(h) + metadataSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(s.saveLink(h, l.known()), err)
}

// linkPath is where the link of h is kept.
func (s *Session) linkPath(h swarm.InfoHash) string {
	return filepath.Join(s.cfg.Database+linkSuffix, h.String())
}

// saveLink replaces the file at once or not at all.
func (s *Session) saveLink(h swarm.InfoHash, l link) error {
	if err := os.MkdirAll(s.cfg.Database+linkSuffix, 0o700); err != nil {
		return err
	}
	return replaceFile(s.linkPath(h), []byte(l.text()))
}

func (l link) text() string {
	var text strings.Builder
	line := func(word, value string) {
		fmt.Fprintf(&text, "%s %s\n", word, strings.NewReplacer("\r", " ", "\n", " ").Replace(value))
	}
	if l.magnet {
		line("magnet", l.added.Format(time.RFC3339Nano))
		line("name", l.name)
	}
	for i, tier := range l.tiers {
		for _, tracker := range tier {
			line("tracker", fmt.Sprintf("%d %s", i, tracker))
		}
	}
	for _, peer := range l.peers {
		line("peer", peer.String())
	}
	return text.String()
}

// parseLink reads what text has written. A line that cannot be understood is passed over: the others still find peers.
func parseLink(text string) (l link) {
	for line := range strings.Lines(text) {
		word, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch word {
		case "magnet":
			l.magnet = true
			l.added, _ = time.Parse(time.RFC3339Nano, value)
		case "name":
			l.name = value
		case "tracker":
			tier, tracker, _ := strings.Cut(value, " ")
			i, err := strconv.Atoi(tier)
			switch {
			case err != nil || tracker == "":
			case i == len(l.tiers)-1:
				l.tiers[i] = append(l.tiers[i], tracker)
			default:
				l.tiers = append(l.tiers, []string{tracker})
			}
		case "peer":
			if peer, err := netip.ParseAddrPort(value); err == nil {
				l.peers = append(l.peers, peer)
			}
		}
	}
	return l
}

// loadLinks reads all links.
func (s *Session) loadLinks() (map[swarm.InfoHash]link, error) {
	entries, err := os.ReadDir(s.cfg.Database + linkSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	links := make(map[swarm.InfoHash]link)
	for _, e := range entries {
		h, err := swarm.ParseInfoHash(e.Name())
		if err != nil {
			continue // metadata, or what a crash has left of a new file
		}
		text, err := os.ReadFile(s.linkPath(h))
		if err != nil {
			return nil, err
		}
		links[h] = parseLink(string(text))
	}
	return links, nil
}

// forgetLink deletes the link of h, and what has come of its metadata.
func (s *Session) forgetLink(h swarm.InfoHash) error {
	var errs []error
	for _, path := range []string{s.linkPath(h) + metadataSuffix, s.linkPath(h)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
