package webui

import (
	"context"
	"errors"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// Agent is all that the API and the page need of a running agent. Methods are called from many goroutines at once, and
// return when ctx ends.
//
// Errors become answers by type: [ErrNotFound] 404, [ErrConflict] 409, [*BadRequest] 400, anything else 500. All may be
// wrapped. Their text is shown to the owner as it is, so it should say what would be right.
type Agent interface {
	// Status returns one consistent picture of now. It is asked for every few seconds while a page is open, so it must
	// be cheap.
	Status(ctx context.Context) (Status, error)

	// Line returns the last ten minutes of the line, the oldest moment first.
	Line(ctx context.Context) ([]LineMoment, error)

	// Preferences returns those in force.
	Preferences(ctx context.Context) (prefs.Preferences, error)
	// SetPreferences saves p and puts it into force. p has been validated. The call is never made twice at the same
	// time.
	SetPreferences(ctx context.Context, p prefs.Preferences) error

	// Foreground returns the owner's torrents, in the order they were added.
	Foreground(ctx context.Context) ([]ForegroundTorrent, error)
	ForegroundTorrent(ctx context.Context, h swarm.InfoHash) (ForegroundTorrent, error)
	// ForegroundDetails looks up what is shown of one torrent only.
	ForegroundDetails(ctx context.Context, h swarm.InfoHash) (Details, error)
	// AddForeground adds a torrent, and starts it if start is set. A torrent that is already there is an ErrConflict; a
	// Source that makes no sense is a BadRequest. For a magnet it returns before the metadata is known.
	AddForeground(ctx context.Context, s Source, start bool) (swarm.InfoHash, error)
	// RemoveForeground forgets a torrent. To keep helping with a private one is a BadRequest; with one that has nothing
	// to help with yet, an ErrConflict.
	RemoveForeground(ctx context.Context, h swarm.InfoHash, r Removal) error
	// StartForeground and StopForeground do nothing to a torrent that already is as asked.
	StartForeground(ctx context.Context, h swarm.InfoHash) error
	StopForeground(ctx context.Context, h swarm.InfoHash) error
	// VerifyForeground begins to hash a torrent's files again, and does not wait for the end of that. A stopped one is
	// hashed when it is started. One whose metadata is not known yet is an ErrConflict.
	VerifyForeground(ctx context.Context, h swarm.InfoHash) error
	// MoveForeground begins to move a torrent's files to another directory, an absolute path, and does not wait for the
	// end of that. The state says how far it is. The directory where they are, or are moved from, drops a former move.
	// Where something is in the way is an ErrConflict, an impossible directory a BadRequest.
	MoveForeground(ctx context.Context, h swarm.InfoHash, directory string) error

	// Background returns the swarms that the agent has joined to help.
	Background(ctx context.Context) ([]BackgroundSwarm, error)
	BackgroundSwarm(ctx context.Context, h swarm.InfoHash) (BackgroundSwarm, error)
	// AddBackground makes the owner the introducer of a swarm, which is then joined under the same limits as any other.
	// A swarm that is already joined, or that the owner has vetoed, is an ErrConflict; a private one a BadRequest.
	AddBackground(ctx context.Context, s Source) (swarm.InfoHash, error)
	// LeaveBackground leaves a swarm and deletes its fragments. Unlike after a veto, it may be joined again.
	LeaveBackground(ctx context.Context, h swarm.InfoHash) error
	// Veto leaves the swarm if it is joined, deletes its fragments, and keeps it away for good. It works on candidates
	// and on unknown hashes too.
	Veto(ctx context.Context, h swarm.InfoHash) error
	// Promote begins to make a background swarm one of the owner's torrents, with the fragments that are here, and does
	// not wait for the end of that. One whose metadata is not known yet, or that is being promoted, is an ErrConflict.
	Promote(ctx context.Context, h swarm.InfoHash) error
	// Why says how a background swarm, a candidate or a vetoed swarm came to be known, and under which rule it is what
	// it is.
	Why(ctx context.Context, h swarm.InfoHash) (Why, error)

	// Candidates returns the swarms that are known and not joined.
	Candidates(ctx context.Context) ([]Candidate, error)
	// Approve is the owner's yes to a candidate that waits for it. One that does not wait is an ErrConflict.
	Approve(ctx context.Context, h swarm.InfoHash) error

	// Doctor checks that the agent's files and its idea of them agree, and mends what can be mended if mend is set. It
	// may read much of the disk, and take minutes. The call is never made twice at the same time.
	Doctor(ctx context.Context, mend bool) (Diagnosis, error)

	// Events is the agent's story. It is the same for the agent's whole life.
	Events() *EventLog
}

// Source is what the owner gives to be added: exactly one of its fields is set.
type Source struct {
	URI  string // unchecked: a magnet link, the http or https URL of one or of a .torrent file, or an info-hash; at most MaxURI bytes
	File []byte // the bytes of a .torrent file, unchecked; at most MaxTorrentFile
}

// Removal says what becomes of a torrent that is removed.
type Removal struct {
	DeleteData  bool // its files are deleted; with KeepHelping, what fits becomes fragments first
	KeepHelping bool // as much of it as the allotment allows becomes fragments of a background swarm
}

var (
	// ErrNotFound means that nothing is known under this info-hash.
	ErrNotFound = errors.New("nothing is known under this info-hash")
	// ErrConflict means that the request makes sense, but not in the present state.
	ErrConflict = errors.New("not possible in the present state")
)

// BadRequest is an error in what the owner sent.
type BadRequest struct {
	Err error // says what is wrong, and what would be right
}

func (e *BadRequest) Error() string { return e.Err.Error() }

func (e *BadRequest) Unwrap() error { return e.Err }
