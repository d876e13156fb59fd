package webui

import (
	"net/netip"
	"time"

	"ebb/agent/swarm"
)

// The types below are the API's JSON. Rates are in bytes per second, sizes in bytes, times RFC 3339, info-hashes 40
// lower-case hex digits. A time or address that is not known is left out.

// State is what the agent as a whole is doing.
type State string

const (
	StateSetup    State = "setup"    // no allotment yet: the owner has to set one
	StateSharing  State = "sharing"  // the background may use all that it was allotted
	StateYielding State = "yielding" // the background holds back, because somebody wants the link or the disk
	StatePaused   State = "paused"   // outside the hours, or the month's transfer is used up
	StateOff      State = "off"      // the owner has set the allotment to nothing
)

// Unlimited as a rate limit means that there is none. 0 means nothing at all.
const Unlimited int64 = -1

// Status is the answer to GET /api/v1/status.
type Status struct {
	Version       string           `json:"version"`
	UptimeSeconds int64            `json:"uptime_seconds"`
	State         State            `json:"state"`
	Why           string           `json:"why"` // one sentence: the reason for State, and what the owner can do about it
	Background    BackgroundStatus `json:"background"`
	Foreground    ForegroundStatus `json:"foreground"`
	Disk          DiskStatus       `json:"disk"`
	Link          LinkStatus       `json:"link"`
	NextStart     []string         `json:"next_start"` // preferences, such as network.dht, that were changed and wait for the next start
}

// BackgroundStatus sums up all background swarms.
type BackgroundStatus struct {
	UploadRate    int64 `json:"upload_rate"`
	DownloadRate  int64 `json:"download_rate"`
	UploadLimit   int64 `json:"upload_limit"`   // in force now; 0 is off, Unlimited is none
	DownloadLimit int64 `json:"download_limit"` // the same
	Uploaded      int64 `json:"uploaded"`
	Downloaded    int64 `json:"downloaded"`

	StorageUsed      int64 `json:"storage_used"`      // on disk, temporary files included
	StorageLimit     int64 `json:"storage_limit"`     // what may be used now; less than the allotment while the disk is short
	StorageAllotment int64 `json:"storage_allotment"` // what the owner set; 0 is off

	Fragments  int `json:"fragments"`
	Swarms     int `json:"swarms"`
	Candidates int `json:"candidates"`

	WriteBudget       int64     `json:"write_budget"`                 // what may be written per day; Unlimited is no limit
	WrittenToday      int64     `json:"written_today"`                // of WriteBudget
	WriteBudgetRenews time.Time `json:"write_budget_renews,omitzero"` // when WrittenToday starts from 0 again
}

// ForegroundStatus sums up the owner's torrents.
type ForegroundStatus struct {
	UploadRate    int64  `json:"upload_rate"`
	DownloadRate  int64  `json:"download_rate"`
	UploadLimit   int64  `json:"upload_limit"` // 0 is off, Unlimited is none
	DownloadLimit int64  `json:"download_limit"`
	Uploaded      int64  `json:"uploaded"`
	Downloaded    int64  `json:"downloaded"`
	Torrents      int    `json:"torrents"`
	Active        int    `json:"active"`    // of Torrents, those that are not stopped, complete or failed
	Directory     string `json:"directory"` // where new ones go
}

// DiskStatus is about the file system that holds the fragments, and about that of the owner's downloads, which may be
// another.
type DiskStatus struct {
	Free     int64 `json:"free"`
	Total    int64 `json:"total"`
	Promised int64 `json:"promised"`  // to foreground downloads, and not on disk yet
	ReadOnly bool  `json:"read_only"` // nothing can be written to it now
	Asleep   bool  `json:"asleep"`    // a spinning disk in standby, which the background does not wake

	SameDisk       bool  `json:"same_disk"` // the downloads share its free space
	DownloadsFree  int64 `json:"downloads_free"`
	DownloadsTotal int64 `json:"downloads_total"`
}

// LinkStatus is about the line to the Internet. What is not known is zero, or empty.
type LinkStatus struct {
	Interface    string  `json:"interface"`
	LineUp       int64   `json:"line_up"` // what the line can carry
	LineDown     int64   `json:"line_down"`
	OthersUp     int64   `json:"others_up"` // what others in the household use
	OthersDown   int64   `json:"others_down"`
	QueueDelayMS float64 `json:"queue_delay_ms"` // that our own sends see
}

// LineMoment is what the line to the Internet was like for some seconds. Rates are on the wire.
type LineMoment struct {
	At           time.Time `json:"at"` // its end
	Up           int64     `json:"up"` // of the background
	Down         int64     `json:"down"`
	OthersUp     int64     `json:"others_up"` // of the rest of the household; 0 where that does not show
	OthersDown   int64     `json:"others_down"`
	LineUp       int64     `json:"line_up"` // what the line was believed to carry
	LineDown     int64     `json:"line_down"`
	QueueDelayMS float64   `json:"queue_delay_ms"` // the longest
	Why          string    `json:"why"`            // what the background did, and why
}

// ForegroundTorrent is one of the owner's torrents.
type ForegroundTorrent struct {
	Hash         swarm.InfoHash `json:"hash"`
	Name         string         `json:"name"`  // empty until the metadata is known, if a magnet had none
	State        string         `json:"state"` // metadata, waiting for space, waiting for its disk, checking, moving, downloading, seeding, stopped, failed
	Why          string         `json:"why"`   // one sentence on State; the error, if it failed
	Private      bool           `json:"private"`
	Length       int64          `json:"length"` // 0 until the metadata is known
	Completed    int64          `json:"completed"`
	DownloadRate int64          `json:"download_rate"`
	UploadRate   int64          `json:"upload_rate"`
	Downloaded   int64          `json:"downloaded"`
	Uploaded     int64          `json:"uploaded"`
	Peers        int            `json:"peers"`
	Seeds        int            `json:"seeds"`
	Directory    string         `json:"directory"`
	Added        time.Time      `json:"added,omitzero"`
	Trouble      string         `json:"trouble"`  // one sentence: what trackers say that the owner should know; empty if nothing
	Trackers     []Tracker      `json:"trackers"` // while it runs
}

// Details are the files and peers of one of the owner's torrents.
type Details struct {
	Files []File `json:"files"` // none until the metadata is known
	Peers []Peer `json:"peers"` // connected now
}

// File is one file of a torrent.
type File struct {
	Path   string `json:"path"` // below the torrent's directory, as it is on the disk
	Length int64  `json:"length"`
	Name   string `json:"name,omitempty"` // as the torrent calls it, where the disk has another name
	OnDisk int64  `json:"on_disk"`        // of Length; within one block of the file system
}

// Peer is one that a torrent is connected to.
type Peer struct {
	Addr         netip.AddrPort `json:"addr"`
	Client       string         `json:"client"` // as it calls itself; may be empty
	DownloadRate int64          `json:"download_rate"`
	UploadRate   int64          `json:"upload_rate"`
	Encrypted    bool           `json:"encrypted"`
	Dialled      bool           `json:"dialled"` // by us
	Since        time.Time      `json:"since,omitzero"`
}

// Tracker is what one tracker of a torrent said last, or the DHT.
type Tracker struct {
	Name  string    `json:"name"` // scheme and host, without what may be a pass key; or DHT
	State string    `json:"state"`
	Text  string    `json:"text"`           // in the tracker's own words, or why it fails; empty if all is well
	Asked time.Time `json:"asked,omitzero"` // last
}

// The states of a Tracker.
const (
	TrackerNew     = "not asked yet"
	TrackerWorks   = "works"
	TrackerWarns   = "warns"
	TrackerRefuses = "refuses"
	TrackerFails   = "fails"
)

// BackgroundSwarm is a swarm that the agent joined to help.
type BackgroundSwarm struct {
	Hash         swarm.InfoHash `json:"hash"`
	Name         string         `json:"name"`
	State        string         `json:"state"`   // one word: metadata, fetching, sharing, dormant, keeping, promoting
	Waiting      string         `json:"waiting"` // why it fetches nothing now, such as "the disk sleeps"; empty if it does not wait
	Why          string         `json:"why"`     // one sentence: why it was joined
	Length       int64          `json:"length"`
	Pieces       int            `json:"pieces"`    // 0 until the metadata is known
	Fragments    int            `json:"fragments"` // of Pieces, those held here
	Bytes        int64          `json:"bytes"`     // that the fragments occupy
	Peers        int            `json:"peers"`     // connected now
	Seeds        int            `json:"seeds"`     // seen, by trackers or peers; -1 is not known
	Leechers     int            `json:"leechers"`
	DownloadRate int64          `json:"download_rate"`
	UploadRate   int64          `json:"upload_rate"`
	Downloaded   int64          `json:"downloaded"`
	Uploaded     int64          `json:"uploaded"`
	Joined       time.Time      `json:"joined,omitzero"`
	Trouble      string         `json:"trouble"`            // as of a ForegroundTorrent
	Trackers     []Tracker      `json:"trackers,omitempty"` // not in the list of all
}

// SwarmPromoting is the State of a background swarm that is becoming one of the owner's torrents.
const SwarmPromoting = "promoting"

// Why is the answer to 'why do you know this swarm?'.
type Why struct {
	Hash       swarm.InfoHash       `json:"hash"`
	Name       string               `json:"name"`
	State      swarm.CandidateState `json:"state"`           // joined, or the state of the candidate: heard, verified, waiting, approved, refused, vetoed
	Rule       string               `json:"rule"`            // the preference that decided, such as sources.peers = "auto"
	Joined     time.Time            `json:"joined,omitzero"` // absent if it is not joined
	Introducer *swarm.Introducer    `json:"introducer,omitempty"`
	Sentence   string               `json:"sentence"` // all of the above, as a person would say it
}

// Candidate is a swarm that is known and not joined.
type Candidate struct {
	swarm.Candidate
	Why string `json:"why"` // one sentence: why it is not joined, or not yet
}

// Diagnosis is the answer to a check-up of the agent.
type Diagnosis struct {
	Findings []Finding `json:"findings"`
}

// Finding is one thing that a check-up looked at.
type Finding struct {
	About  string `json:"about"` // a word or two, such as fragments
	Level  string `json:"level"` // FindingOK, FindingNote, FindingProblem
	Text   string `json:"text"`  // one sentence; of a problem, with what the owner can do about it
	Mended bool   `json:"mended"`
}

// The levels of a Finding.
const (
	FindingOK      = "ok"      // as it should be
	FindingNote    = "note"    // worth knowing, and no fault
	FindingProblem = "problem" // a fault; past, if it is mended
)

// Problems returns how many faults are left: those that have not been mended.
func (d Diagnosis) Problems() int {
	n := 0
	for _, f := range d.Findings {
		if f.Level == FindingProblem && !f.Mended {
			n++
		}
	}
	return n
}
