package foreground

import "github.com/anacrolix/torrent/metainfo"

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

// RainTrackers returns where rain announces the torrent.
func (s *Session) RainTrackers(h metainfo.Hash) (urls []string) {
	for _, tracker := range s.rain.GetTorrent(h.HexString()).Trackers() {
		urls = append(urls, tracker.URL)
	}
	return urls
}
