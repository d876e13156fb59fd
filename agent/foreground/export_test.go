package foreground

import (
	"bytes"

	"ebb/agent/swarm"

	"github.com/cenkalti/rain/v2/torrent"
)

// What the tests in the world of build/lab need to see. They are a package of their own, as the lab imports agents, and
// agents import this package.

// MaxTorrentFile is maxTorrentFile.
const MaxTorrentFile = maxTorrentFile

// NestingLimit is nestingLimit where the memory is not known.
var NestingLimit = int(nestingLimit(0))

// ForgetMarks is forgetMarks.
var ForgetMarks = forgetMarks

// RainTorrents returns how many torrents rain has.
func (s *Session) RainTorrents() int { return len(s.rain.ListTorrents()) }

// LeaveProbe does what Adopt began with in the version before this one, and not what followed.
func (s *Session) LeaveProbe(file []byte, h swarm.InfoHash) error {
	_, err := s.rain.AddTorrent(bytes.NewReader(file), &torrent.AddTorrentOptions{ID: probePrefix + h.String(), Stopped: true})
	return err
}

// RainStatus returns what rain does with the torrent.
func (s *Session) RainStatus(h swarm.InfoHash) torrent.Status {
	return s.rain.GetTorrent(h.String()).Stats().Status
}

// RainTrackers returns where rain announces the torrent.
func (s *Session) RainTrackers(h swarm.InfoHash) (urls []string) {
	if t := s.rain.GetTorrent(h.String()); t != nil { // else it is a magnet
		for _, tracker := range t.Trackers() {
			urls = append(urls, tracker.URL)
		}
	}
	return urls
}
