package foreground

import (
	"fmt"
	"time"

	"ebb/agent/foreground/door"
	"ebb/agent/foreground/files"
	"ebb/agent/swarm"

	"github.com/cenkalti/rain/v2/torrent"
)

// State is where a download stands.
type State string

// The states of a download.
const (
	Metadata    State = "metadata"             // asking peers for the info dictionary
	Waiting     State = "waiting for space"    // tried again every retryInterval
	Away        State = "waiting for its disk" // likewise
	Checking    State = "checking"             // opening or hashing files, or about to
	Moving      State = "moving"               // its files, to another directory
	Downloading State = "downloading"
	Seeding     State = "seeding" // complete
	Stopped     State = "stopped" // by the owner
	Failed      State = "failed"  // until the owner starts it again
)

// Torrent is a picture of one download, at most observeInterval old.
type Torrent struct {
	Hash  swarm.InfoHash
	Name  string // for display only; "" while a magnet link has not told
	State State
	// Error says what is wrong when State is Waiting, Away or Failed, or when rain does not answer; else it is empty.
	Error string
	// Length and Completed (hash-checked) are in bytes, and 0 while the metadata is not known.
	Length, Completed int64
	// PieceLength (bytes) and Pieces are 0 while the metadata is not known.
	PieceLength int64
	Pieces      int
	Checked     int // pieces hashed so far, while State is Checking
	// Rates are over the last few seconds, in bytes per second.
	DownloadRate, UploadRate int64
	// Downloaded and Uploaded are bytes of blocks over the download's whole life.
	Downloaded, Uploaded int64
	Peers                int // connected
	Seeds                int // the most that a tracker has told of
	Private              bool
	Trackers             []string // shared between pictures: not to be changed
	Port                 uint16   // where rain takes its peers, on this machine
	// Directory holds its files, and MovingTo is going to; that is empty if they are not to be moved.
	Directory, MovingTo string
	Moved               int64 // bytes that are there already, while State is Moving
	AddedAt             time.Time
	MetadataKnown       bool
	Lent                bool // see Session.Lend

	Metadata door.Progress // of the search for it, while State is Metadata

	infoLength int64        // of the info dictionary, bytes
	files      []files.File // while they are known; shared between pictures
	link       link         // likewise
	seek       *door.Seek   // nil once the metadata is known
	dropped    bool         // it can never go on
}

// Running reports whether the torrent is in its swarm, or about to be.
func (t Torrent) Running() bool {
	switch t.State {
	case Metadata, Checking, Downloading, Seeding:
		return true
	}
	return false
}

// Complete reports whether all of it is on disk and hash-checked.
func (t Torrent) Complete() bool { return t.Length > 0 && t.Completed == t.Length }

// Why explains the state in a sentence.
func (t Torrent) Why() string {
	if t.Error != "" {
		return t.Error
	}
	switch t.State {
	case Metadata:
		return seekWhy(t.Metadata)
	case Checking:
		if t.Checked > 0 && t.Pieces > 0 {
			return fmt.Sprintf("checking what is already on disk: %d %%", 100*t.Checked/t.Pieces)
		}
		return "checking what is already on disk"
	case Moving:
		return fmt.Sprintf("moving its files to %s: %d %%", t.MovingTo, 100*t.Moved/max(t.Length, 1))
	case Downloading:
		if t.Peers == 0 {
			return "looking for peers"
		}
		return fmt.Sprintf("downloading from %d peers", t.Peers)
	case Seeding:
		return "complete, and shared with others"
	case Stopped:
		if t.Lent {
			return "stopped: its pieces are being turned into fragments"
		}
		return "stopped by you"
	}
	return string(t.State)
}

// state translates what rain does into what the owner sees.
func (d *download) state(status torrent.Status, wanted bool) State {
	switch {
	case d.failure != "":
		return Failed
	case !wanted:
		return Stopped
	case d.waits != "":
		return d.waits
	case d.seek != nil:
		return Metadata
	case status == torrent.Downloading:
		return Downloading
	case status == torrent.Seeding:
		return Seeding
	}
	return Checking
}

// completed returns how many of the torrent's bytes are hash-checked. rain says 0 when it is not running; then the held
// pieces are counted as if all had the same length, which is too much for the last one.
func completed(s torrent.Stats) int64 {
	switch {
	case s.Bytes.Completed > 0:
		return s.Bytes.Completed
	case s.Pieces.Have == s.Pieces.Total:
		return s.Bytes.Total
	}
	return int64(s.Pieces.Have) * int64(s.PieceLength)
}

// displayName returns a text of strangers as it may be shown.
func displayName(name string) string { return swarm.CleanName(name) }

// Rates is how fast all torrents together are, payload in bytes per second.
func (s *Session) Rates() (up, down int64) {
	for _, t := range s.Torrents() {
		up += t.UploadRate
		down += t.DownloadRate
	}
	return up, down
}
