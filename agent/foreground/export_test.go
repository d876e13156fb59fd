package foreground

import (
	"bytes"

	"github.com/anacrolix/torrent/metainfo"
	"github.com/cenkalti/rain/v2/torrent"
)

// What the tests in the world of build/lab need to see. They are a package of
// their own, as the lab imports agents, and agents import this package.

// MaxTorrentFile is maxTorrentFile.
const MaxTorrentFile = maxTorrentFile

// NestingLimit is nestingLimit where the memory is not known.
var NestingLimit = int(nestingLimit(0))

// ForgetMarks is forgetMarks.
var ForgetMarks = forgetMarks

// RainTorrents returns how many torrents rain has.
func (s *Session) RainTorrents() int { return len(s.rain.ListTorrents()) }

// LeaveProbe does what Adopt begins with, and not what follows.
func (s *Session) LeaveProbe(file []byte, h metainfo.Hash) error {
	_, err := s.rain.AddTorrent(bytes.NewReader(file), &torrent.AddTorrentOptions{ID: probePrefix + h.HexString(), Stopped: true})
	return err
}

// RainStatus returns what rain does with the torrent.
func (s *Session) RainStatus(h metainfo.Hash) torrent.Status {
	return s.rain.GetTorrent(h.HexString()).Stats().Status
}

// RainTrackers returns where rain announces the torrent.
func (s *Session) RainTrackers(h metainfo.Hash) (urls []string) {
	for _, tracker := range s.rain.GetTorrent(h.HexString()).Trackers() {
		urls = append(urls, tracker.URL)
	}
	return urls
}
