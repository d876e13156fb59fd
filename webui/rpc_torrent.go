package webui

import (
	"net/url"
	"strings"
	"time"

	"ebb/agent/swarm"
)

// rpcTorrent is a torrent as Transmission's programs see one: a download of the owner's, or a swarm that is helped.
type rpcTorrent struct {
	id      int
	changed time.Time
	hash    swarm.InfoHash
	name    string
	help    bool // a background swarm
	state   string
	status  int
	fault   int // rpcFault…
	said    string

	total, wanted, have int64 // bytes
	downRate, upRate    int64 // bytes per second
	down, up            int64 // bytes, over its whole life
	peers, seeds        int
	pieces, fragments   int
	private             bool
	directory           string
	added               time.Time
	trackers            []Tracker
	details             Details // if they were asked for
}

// The states of a torrent, tr_torrent_activity.
const (
	rpcStopped         = 0
	rpcChecking        = 2
	rpcQueuedDownload  = 3
	rpcDownloading     = 4
	rpcSeeding         = 6
	rpcFaultNone       = 0
	rpcFaultTracker    = 2 // an error that a tracker told of, or a tracker that does not answer
	rpcFaultLocal      = 3
	rpcETANone         = -1
	rpcETAUnknown      = -2
	rpcRatioNone       = -1
	rpcRatioUnlimited  = 2 // seedRatioMode and seedIdleMode: seed whatever the ratio is
	rpcLabelBackground = "background"
)

func rpcDownload(t ForegroundTorrent) rpcTorrent {
	c := rpcTorrent{
		hash: t.Hash, name: t.Name, state: t.State, total: t.Length, wanted: t.Length, have: t.Completed,
		downRate: t.DownloadRate, upRate: t.UploadRate, down: t.Downloaded, up: t.Uploaded, peers: t.Peers, seeds: t.Seeds,
		private: t.Private, directory: t.Directory, added: t.Added, trackers: t.Trackers,
	}
	switch t.State {
	case "metadata", "downloading":
		c.status = rpcDownloading
	case "checking", "moving":
		c.status = rpcChecking
	case "seeding":
		c.status = rpcSeeding
	case "waiting for space", "waiting for its disk":
		c.status, c.fault, c.said = rpcQueuedDownload, rpcFaultLocal, t.Why
	case "failed":
		c.status, c.fault, c.said = rpcStopped, rpcFaultLocal, t.Why
	default:
		c.status = rpcStopped
	}
	if c.fault == rpcFaultNone && t.Trouble != "" {
		c.fault, c.said = rpcFaultTracker, t.Trouble
	}
	return c
}

// rpcHelped shows a background swarm as a torrent of which only what is held here is wanted.
func rpcHelped(b BackgroundSwarm) rpcTorrent {
	c := rpcTorrent{
		hash: b.Hash, name: b.Name, help: true, state: b.State, status: rpcSeeding,
		total: b.Length, wanted: b.Bytes, have: b.Bytes, downRate: b.DownloadRate, upRate: b.UploadRate, down: b.Downloaded, up: b.Uploaded,
		peers: b.Peers, seeds: max(b.Seeds, 0), pieces: b.Pieces, fragments: b.Fragments, added: b.Joined, trackers: b.Trackers,
	}
	if b.State == "metadata" || b.State == "fetching" {
		c.status = rpcDownloading
	}
	return c
}

func (t rpcTorrent) sign() rpcSign {
	return rpcSign{t.help, t.state, t.said, t.have, t.up, t.down, t.peers, t.fragments}
}

func (t rpcTorrent) left() int64 { return max(t.wanted-t.have, 0) }

// eta is in how many seconds it is complete.
func (t rpcTorrent) eta() int64 {
	switch left := t.left(); {
	case t.status != rpcDownloading || t.total > 0 && left == 0:
		return rpcETANone
	case t.total == 0 || t.downRate == 0:
		return rpcETAUnknown
	default:
		return (left + t.downRate - 1) / t.downRate
	}
}

func (t rpcTorrent) ratio() float64 {
	if t.down == 0 {
		return rpcRatioNone
	}
	return float64(t.up) / float64(t.down)
}

// rpcUnix is a time in seconds, 0 if it is not known.
func rpcUnix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// rpcFields are the fields of a torrent that can be asked for. Of what ebb does not have, such as priorities, it is
// said what a program takes for the ordinary; what is not here is left out of the answer.
var rpcFields = map[string]func(t *rpcTorrent) any{
	"activityDate":            func(t *rpcTorrent) any { return rpcUnix(t.changed) },
	"addedDate":               func(t *rpcTorrent) any { return rpcUnix(t.added) },
	"bandwidthPriority":       func(*rpcTorrent) any { return 0 },
	"comment":                 func(*rpcTorrent) any { return "" },
	"corruptEver":             func(*rpcTorrent) any { return 0 },
	"creator":                 func(*rpcTorrent) any { return "" },
	"dateCreated":             func(*rpcTorrent) any { return 0 },
	"desiredAvailable":        func(t *rpcTorrent) any { return t.available() },
	"doneDate":                func(*rpcTorrent) any { return 0 },
	"downloadDir":             func(t *rpcTorrent) any { return t.directory },
	"downloadedEver":          func(t *rpcTorrent) any { return t.down },
	"downloadLimit":           func(*rpcTorrent) any { return 0 },
	"downloadLimited":         func(*rpcTorrent) any { return false },
	"error":                   func(t *rpcTorrent) any { return t.fault },
	"errorString":             func(t *rpcTorrent) any { return t.said },
	"eta":                     func(t *rpcTorrent) any { return t.eta() },
	"etaIdle":                 func(*rpcTorrent) any { return rpcETANone },
	"group":                   func(*rpcTorrent) any { return "" },
	"hashString":              func(t *rpcTorrent) any { return t.hash.String() },
	"haveUnchecked":           func(*rpcTorrent) any { return 0 },
	"haveValid":               func(t *rpcTorrent) any { return t.have },
	"honorsSessionLimits":     func(*rpcTorrent) any { return true },
	"id":                      func(t *rpcTorrent) any { return t.id },
	"isFinished":              func(*rpcTorrent) any { return false }, // by a limit of the ratio, of which there is none
	"isPrivate":               func(t *rpcTorrent) any { return t.private },
	"isStalled":               func(t *rpcTorrent) any { return t.status == rpcDownloading && t.downRate == 0 },
	"labels":                  func(t *rpcTorrent) any { return t.labels() },
	"leftUntilDone":           func(t *rpcTorrent) any { return t.left() },
	"magnetLink":              func(t *rpcTorrent) any { return t.magnet() },
	"manualAnnounceTime":      func(*rpcTorrent) any { return -1 },
	"maxConnectedPeers":       func(*rpcTorrent) any { return 0 },
	"metadataPercentComplete": func(t *rpcTorrent) any { return part(t.total, t.total) },
	"name":                    func(t *rpcTorrent) any { return t.shownName() },
	"peer-limit":              func(*rpcTorrent) any { return 0 },
	"peersConnected":          func(t *rpcTorrent) any { return t.peers },
	"peersGettingFromUs":      func(t *rpcTorrent) any { return t.transferring(t.upRate) },
	"peersSendingToUs":        func(t *rpcTorrent) any { return t.transferring(t.downRate) },
	"percentComplete":         func(t *rpcTorrent) any { return part(t.have, t.total) },
	"percentDone":             func(t *rpcTorrent) any { return part(t.have, t.wanted) },
	"pieceCount":              func(t *rpcTorrent) any { return t.pieces },
	"queuePosition":           func(t *rpcTorrent) any { return t.id - 1 },
	"rateDownload":            func(t *rpcTorrent) any { return t.downRate },
	"rateUpload":              func(t *rpcTorrent) any { return t.upRate },
	"recheckProgress":         func(*rpcTorrent) any { return 0 },
	"secondsDownloading":      func(*rpcTorrent) any { return 0 },
	"secondsSeeding":          func(*rpcTorrent) any { return 0 },
	"seedIdleLimit":           func(*rpcTorrent) any { return 0 },
	"seedIdleMode":            func(*rpcTorrent) any { return rpcRatioUnlimited },
	"seedRatioLimit":          func(*rpcTorrent) any { return 0 },
	"seedRatioMode":           func(*rpcTorrent) any { return rpcRatioUnlimited },
	"sizeWhenDone":            func(t *rpcTorrent) any { return t.wanted },
	"startDate":               func(t *rpcTorrent) any { return rpcUnix(t.added) },
	"status":                  func(t *rpcTorrent) any { return t.status },
	"totalSize":               func(t *rpcTorrent) any { return t.total },
	"trackerList":             func(t *rpcTorrent) any { return t.trackerList() },
	"trackers":                func(t *rpcTorrent) any { return t.trackerNames() },
	"trackerStats":            func(t *rpcTorrent) any { return t.trackerStats() },
	"uploadedEver":            func(t *rpcTorrent) any { return t.up },
	"uploadLimit":             func(*rpcTorrent) any { return 0 },
	"uploadLimited":           func(*rpcTorrent) any { return false },
	"uploadRatio":             func(t *rpcTorrent) any { return t.ratio() },
	"webseeds":                func(*rpcTorrent) any { return []string{} },
	"webseedsSendingToUs":     func(*rpcTorrent) any { return 0 },

	"file-count": func(t *rpcTorrent) any { return len(t.details.Files) },
	"files":      func(t *rpcTorrent) any { return t.files() },
	"fileStats":  func(t *rpcTorrent) any { return t.fileStats() },
	"peers":      func(t *rpcTorrent) any { return t.peerList() },
	"priorities": func(t *rpcTorrent) any { return make([]int, len(t.details.Files)) },
	"wanted":     func(t *rpcTorrent) any { return t.allWanted() },
}

// rpcDetailed are the fields for which the details have to be looked up.
var rpcDetailed = map[string]bool{"file-count": true, "files": true, "fileStats": true, "peers": true, "priorities": true, "wanted": true}

// part is a share of a whole, from 0 to 1. Of nothing, none is done.
func part(of, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(float64(of)/float64(whole), 1)
}

// shownName is never empty: programs show nothing of a torrent without a name.
func (t *rpcTorrent) shownName() string {
	if t.name == "" {
		return t.hash.String()
	}
	return t.name
}

func (t *rpcTorrent) labels() []string {
	if t.help {
		return []string{rpcLabelBackground}
	}
	return []string{}
}

func (t *rpcTorrent) magnet() string {
	link := "magnet:?xt=urn:btih:" + t.hash.String()
	if t.name != "" {
		link += "&dn=" + strings.ReplaceAll(url.QueryEscape(t.name), "+", "%20")
	}
	return link
}

// available is how much of what is missing can be had: all of it from a seed, and what a peer may have is not known.
func (t *rpcTorrent) available() int64 {
	if t.seeds > 0 {
		return t.left()
	}
	return 0
}

// transferring is how many peers take part in a transfer of this rate: at least one, and not known better.
func (t *rpcTorrent) transferring(rate int64) int {
	if rate > 0 {
		return min(t.peers, 1)
	}
	return 0
}

func (t *rpcTorrent) trackerList() string {
	var names []string
	for _, tracker := range t.trackers {
		names = append(names, tracker.Name)
	}
	return strings.Join(names, "\n")
}

type rpcTracker struct {
	ID       int    `json:"id"`
	Tier     int    `json:"tier"`
	Announce string `json:"announce"`
	Scrape   string `json:"scrape"`
	Site     string `json:"sitename"`
}

func (t *rpcTorrent) tracker(i int) rpcTracker {
	name := t.trackers[i].Name
	site := name
	if u, err := url.Parse(name); err == nil && u.Hostname() != "" {
		site = u.Hostname()
	}
	return rpcTracker{ID: i, Tier: i, Announce: name, Site: site}
}

func (t *rpcTorrent) trackerNames() []rpcTracker {
	list := make([]rpcTracker, 0, len(t.trackers))
	for i := range t.trackers {
		list = append(list, t.tracker(i))
	}
	return list
}

type rpcTrackerStats struct {
	rpcTracker
	Host                  string `json:"host"`
	AnnounceState         int    `json:"announceState"` // 1 is waiting for the next time
	DownloadCount         int    `json:"downloadCount"` // -1: not known
	HasAnnounced          bool   `json:"hasAnnounced"`
	HasScraped            bool   `json:"hasScraped"`
	IsBackup              bool   `json:"isBackup"`
	LastAnnouncePeerCount int    `json:"lastAnnouncePeerCount"`
	LastAnnounceResult    string `json:"lastAnnounceResult"`
	LastAnnounceStartTime int64  `json:"lastAnnounceStartTime"`
	LastAnnounceSucceeded bool   `json:"lastAnnounceSucceeded"`
	LastAnnounceTime      int64  `json:"lastAnnounceTime"`
	LastAnnounceTimedOut  bool   `json:"lastAnnounceTimedOut"`
	LastScrapeResult      string `json:"lastScrapeResult"`
	LastScrapeStartTime   int64  `json:"lastScrapeStartTime"`
	LastScrapeSucceeded   bool   `json:"lastScrapeSucceeded"`
	LastScrapeTime        int64  `json:"lastScrapeTime"`
	LastScrapeTimedOut    bool   `json:"lastScrapeTimedOut"`
	LeecherCount          int    `json:"leecherCount"`
	NextAnnounceTime      int64  `json:"nextAnnounceTime"`
	NextScrapeTime        int64  `json:"nextScrapeTime"`
	ScrapeState           int    `json:"scrapeState"`
	SeederCount           int    `json:"seederCount"`
}

func (t *rpcTorrent) trackerStats() []rpcTrackerStats {
	list := make([]rpcTrackerStats, 0, len(t.trackers))
	for i, tracker := range t.trackers {
		works := tracker.State == TrackerWorks || tracker.State == TrackerWarns
		stats := rpcTrackerStats{
			rpcTracker: t.tracker(i), Host: tracker.Name, AnnounceState: 1, DownloadCount: -1, LeecherCount: -1, SeederCount: -1,
			HasAnnounced: tracker.State != TrackerNew, LastAnnounceSucceeded: works, LastAnnounceResult: tracker.Text,
			LastAnnounceTime: rpcUnix(tracker.Asked), LastAnnounceStartTime: rpcUnix(tracker.Asked),
		}
		if works && tracker.Text == "" {
			stats.LastAnnounceResult = "Success"
		}
		list = append(list, stats)
	}
	return list
}

type rpcFile struct {
	Name      string `json:"name"`
	Length    int64  `json:"length"`
	Completed int64  `json:"bytesCompleted"`
}

func (t *rpcTorrent) files() []rpcFile {
	list := make([]rpcFile, 0, len(t.details.Files))
	for _, f := range t.details.Files {
		list = append(list, rpcFile{f.Path, f.Length, f.OnDisk})
	}
	return list
}

type rpcFileStats struct {
	Completed int64 `json:"bytesCompleted"`
	Wanted    bool  `json:"wanted"`
	Priority  int   `json:"priority"`
}

func (t *rpcTorrent) fileStats() []rpcFileStats {
	list := make([]rpcFileStats, 0, len(t.details.Files))
	for _, f := range t.details.Files {
		list = append(list, rpcFileStats{Completed: f.OnDisk, Wanted: true})
	}
	return list
}

func (t *rpcTorrent) allWanted() []bool {
	list := make([]bool, len(t.details.Files))
	for i := range list {
		list[i] = true
	}
	return list
}

type rpcPeer struct {
	Address           string  `json:"address"`
	Port              int     `json:"port"`
	ClientName        string  `json:"clientName"`
	FlagStr           string  `json:"flagStr"`
	IsDownloadingFrom bool    `json:"isDownloadingFrom"`
	IsUploadingTo     bool    `json:"isUploadingTo"`
	IsEncrypted       bool    `json:"isEncrypted"`
	IsIncoming        bool    `json:"isIncoming"`
	IsUTP             bool    `json:"isUTP"`
	ClientChoked      bool    `json:"clientIsChoked"`
	ClientInterested  bool    `json:"clientIsInterested"`
	PeerChoked        bool    `json:"peerIsChoked"`
	PeerInterested    bool    `json:"peerIsInterested"`
	Progress          float64 `json:"progress"`
	RateToClient      int64   `json:"rateToClient"`
	RateToPeer        int64   `json:"rateToPeer"`
}

func (t *rpcTorrent) peerList() []rpcPeer {
	list := make([]rpcPeer, 0, len(t.details.Peers))
	for _, p := range t.details.Peers {
		peer := rpcPeer{
			Address: p.Addr.Addr().String(), Port: int(p.Addr.Port()), ClientName: p.Client, IsEncrypted: p.Encrypted, IsIncoming: !p.Dialled,
			IsDownloadingFrom: p.DownloadRate > 0, IsUploadingTo: p.UploadRate > 0, RateToClient: p.DownloadRate, RateToPeer: p.UploadRate,
		}
		for _, flag := range []struct {
			set  bool
			text string
		}{{peer.IsDownloadingFrom, "D"}, {peer.IsUploadingTo, "U"}, {peer.IsEncrypted, "E"}, {peer.IsIncoming, "I"}} {
			if flag.set {
				peer.FlagStr += flag.text
			}
		}
		list = append(list, peer)
	}
	return list
}
