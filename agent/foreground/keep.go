package foreground

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"ebb/agent/foreground/door"
	"ebb/agent/swarm"

	"github.com/cenkalti/rain/v2/torrent"
)

const (
	// observeInterval is how often a keeper looks at its download.
	observeInterval = 2 * time.Second
	// retryInterval is how long a download that waits for space waits before it asks the ledger again.
	retryInterval = 30 * time.Second
	// diskInterval is how long one that waits for its disk waits before it looks again.
	diskInterval = 5 * time.Second
	// patience is how long rain may take to tell about a torrent before the owner is told so. It answers only between
	// operations on files, which can take long.
	patience = 10 * time.Second
	// maxSteps bounds the steps taken in one go; a download's whole life has fewer.
	maxSteps = 8
)

// download is one torrent of the owner.
type download struct {
	session *Session
	hash    swarm.InfoHash
	wake    chan struct{} // has one slot; a value makes the keeper look at once

	// cancel and done end the keeper and tell when it has ended; nil without one. They are guarded by Session.mu.
	cancel context.CancelFunc
	done   chan struct{}

	mu         sync.Mutex // guards the five below
	wanted     bool       // the owner wants it to run
	asked      bool       // the owner has said so since the keeper last looked
	distrusted bool       // the owner wants its files hashed again: see Session.Verify
	relocated  bool       // the owner has said where its files are to be moved: see Session.Move
	picture    Torrent

	up, down atomic.Int64 // bytes of blocks that have passed since the session began; for the trackers
	seeds    atomic.Int64 // see Torrent.Seeds

	// The rest belongs to the keeper, and to others only while there is none.

	rain     *torrent.Torrent // nil while the metadata is not known, and once it was dropped
	seek     *door.Seek       // looks for the metadata; nil once it is known, and once it was dropped
	link     link             // how peers are found
	contents                  // known when examined
	examined bool
	fresh    bool // not started yet since it was added
	kept     bool // rain had it when the session began
	had      bool // some of it was on disk then
	afresh   bool // the owner wants it even if its files are gone

	reserved bool      // space is promised, or not needed any more
	promise  *promise  // nil if none is needed
	waits    State     // Waiting or Away, or neither
	lacks    string    // what it waits for, for the owner
	retryAt  time.Time // when to try again
	failure  string    // why it cannot go on, for the owner

	running bool                                 // rain was told to run; an end with an error is news
	ended   <-chan error                         // gets a value when rain has stopped
	answer  chan torrent.Stats                   // of a question that rain has not answered yet
	rates   rates                                // of transfer
	loading bool                                 // it was incomplete when it was started
	before  struct{ Uploaded, Downloaded int64 } // what rain said last
}

// keep looks after the download until ctx ends.
func (d *download) keep(ctx context.Context) {
	tick := time.NewTicker(observeInterval)
	defer tick.Stop()
	for {
		d.tend(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-d.wake:
		case <-d.ended:
			d.ended = nil
		}
	}
}

// tend takes the steps that can be taken now, and publishes the picture.
func (d *download) tend(ctx context.Context) {
	for range maxSteps {
		wanted := d.hear()
		d.distrust()
		if d.seek != nil && !d.tendSeek(wanted) || d.rain == nil {
			return
		}
		stats, ok := d.ask(ctx)
		if !ok {
			return
		}
		d.observe(stats)
		if d.rain == nil {
			return
		}
		_, moving := d.session.files.Moving(d.hash)
		todo := next(situation{
			status:   stats.Status,
			wanted:   wanted,
			failed:   d.failure != "",
			examined: d.examined,
			reserved: d.reserved,
			moving:   moving,
			due:      d.due(),
		})
		d.publish(stats, wanted)
		if todo == rest {
			return
		}
		if err := d.perform(ctx, todo, stats); err != nil {
			d.broken(err)
		}
	}
}

// hear returns whether the owner wants the download to run. If they have just said so, what has failed or waits is
// tried again.
func (d *download) hear() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.asked {
		d.asked = false
		d.failure, d.waits, d.lacks, d.retryAt, d.afresh = "", "", "", time.Time{}, true
	}
	if d.relocated {
		d.relocated = false
		d.failure, d.waits, d.lacks, d.retryAt = "", "", "", time.Time{}
	}
	return d.wanted
}

// ask asks rain how the torrent is doing. When no answer comes, the owner is told and the question stays open.
func (d *download) ask(ctx context.Context) (torrent.Stats, bool) {
	if d.answer == nil {
		answer, rain := make(chan torrent.Stats, 1), d.rain
		if !d.session.asking.enter() {
			return torrent.Stats{}, false
		}
		go func() { // ends when the session closes, at the latest
			defer d.session.asking.leave()
			answer <- rain.Stats()
		}()
		d.answer = answer
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case stats := <-d.answer:
		d.answer = nil
		return stats, true
	case <-timer.C:
		d.mu.Lock()
		d.picture.Error = "its files do not answer: the disk is slow, or has a problem"
		d.picture.DownloadRate, d.picture.UploadRate = 0, 0
		d.mu.Unlock()
	case <-ctx.Done():
	}
	return torrent.Stats{}, false
}

// observe takes note of what rain has done by itself.
func (d *download) observe(s torrent.Stats) {
	d.count(s)
	d.rates.add(time.Now(), s.Bytes.Downloaded, s.Bytes.Uploaded)
	if s.Status == torrent.Stopped && d.running {
		d.running = false
		switch {
		case s.Error == nil:
		default:
			d.broken(s.Error)
		}
	}
	if !d.reserved || d.rain == nil {
		return
	}
	switch s.Status {
	case torrent.Downloading:
		if d.promise != nil {
			d.promise.unchecked.Store(s.Bytes.Total - completed(s))
		}
	case torrent.Seeding:
		if d.promise != nil {
			d.promise = nil
			d.session.cfg.Ledger.Withdraw(d.hash)
		}
		if d.loading {
			d.loading = false
			d.tell("complete", "complete")
		}
	}
}

// count adds up what has passed. rain's own counters begin anew when it forgets a torrent: see renew.
func (d *download) count(s torrent.Stats) {
	up, down := s.Bytes.Uploaded-d.before.Uploaded, s.Bytes.Downloaded-d.before.Downloaded
	if up < 0 || down < 0 {
		up, down = s.Bytes.Uploaded, s.Bytes.Downloaded
	}
	d.up.Add(up)
	d.down.Add(down)
	d.before.Uploaded, d.before.Downloaded = s.Bytes.Uploaded, s.Bytes.Downloaded
}

// broken handles what has kept the download from running, or ended that.
func (d *download) broken(err error) {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		// The disk has less than the ledger thought: ask it again later.
		d.letGo()
		d.wait(Waiting, fmt.Errorf("the disk is full: %w", err))
		return
	}
	if diskFault(err) { // it may be over: a stick is plugged in again, a share is mounted
		d.letGo()
		d.wait(Away, err)
		return
	}
	d.fail(err)
}

// away is why a download has to wait for its disk, or its files.
type away struct{ error }

func (a away) Unwrap() error { return a.error }

// diskFault reports whether an error is one of files, and may go as it came.
func diskFault(err error) bool {
	return errors.As(err, new(away)) || errors.As(err, new(syscall.Errno))
}

// publish updates the picture.
func (d *download) publish(s torrent.Stats, wanted bool) {
	down, up := d.rates.perSecond()
	lent, holed := d.session.lending(d.hash)
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &d.picture
	p.State = d.state(s.Status, wanted)
	switch p.State {
	case Failed:
		p.Error = d.failure
	case Waiting, Away:
		p.Error = d.lacks
	default:
		p.Error = ""
	}
	p.Length, p.Completed, p.Lent = s.Bytes.Total, completed(s), lent
	if holed { // rain does not know that yet
		p.Completed = 0
	}
	p.PieceLength, p.Pieces, p.Checked = int64(s.PieceLength), int(s.Pieces.Total), int(s.Pieces.Checked)
	p.DownloadRate, p.UploadRate = down, up
	p.Downloaded, p.Uploaded = s.Bytes.Downloaded, s.Bytes.Uploaded
	p.Peers, p.Seeds = s.Peers.Total, int(d.seeds.Load())
	p.Port = uint16(s.Port)
	p.MetadataKnown = d.rain != nil
	p.seek, p.link, p.infoLength = d.seek, d.link, d.infoLength
	if d.seek != nil {
		p.Metadata = d.seek.Progress()
		p.Peers = p.Metadata.Peers
	}
	if d.examined {
		p.Name, p.Private, p.Trackers = d.name, d.private, d.link.trackers()
		p.Directory, p.files = d.place.Directory, d.place.Files
		p.MovingTo, _ = d.session.files.Moving(d.hash)
	}
}

// look returns the picture.
func (d *download) look() Torrent {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.picture
}

// fail stops the download until the owner starts it again.
func (d *download) fail(err error) {
	d.failure = err.Error()
	d.tell("failed", d.failure)
}

// wait makes the download wait for space, or for its disk.
func (d *download) wait(on State, err error) {
	if d.waits != on {
		d.tell("waiting", strings.Replace(string(on), "waiting", "waits", 1)+": "+err.Error())
	}
	interval := retryInterval
	if on == Away {
		interval = diskInterval
	}
	d.waits, d.lacks, d.retryAt = on, err.Error(), time.Now().Add(interval)
}

// due reports whether the download has waited long enough.
func (d *download) due() bool { return !time.Now().Before(d.retryAt) }

// drop removes a download that can never go on, and leaves only the reason for the owner to see.
func (d *download) drop(err error) {
	d.fail(err)
	if err := d.forgetAll(); err != nil {
		d.session.cfg.Log.Error("removing a torrent", "hash", d.hash.String(), "err", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.picture.State, d.picture.Error, d.picture.dropped = Failed, d.failure, true
	d.picture.MetadataKnown, d.picture.Port, d.picture.seek = false, 0, nil
}

// forgetAll removes what is kept of a download, but for its files.
func (d *download) forgetAll() error {
	var errs []error
	if d.seek != nil {
		errs = append(errs, d.seek.Remove())
	}
	if d.rain != nil {
		errs = append(errs, d.session.rain.RemoveTorrent(d.hash.String(), true))
	}
	d.rain, d.seek = nil, nil
	return errors.Join(append(errs, d.session.forgetLink(d.hash))...)
}

func (d *download) tell(kind, text string) {
	swarm.Tell(d.session.cfg.Log, kind, d.hash, d.title()+": "+text)
}

// title is what to call the download in a sentence.
func (d *download) title() string { return cmp.Or(d.look().Name, d.hash.String()) }
