package foreground

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/rain/v2/torrent"

	"ebb/agent/foreground/files"
	"ebb/agent/swarm"
)

// closePatience bounds how long Close waits for rain, which cannot be interrupted while a disk does not answer.
const closePatience = 15 * time.Second

// Errors that callers tell apart. They are wrapped with what they are about.
var (
	ErrUnknown   = errors.New("no such download")
	ErrExists    = errors.New("already among the downloads")
	ErrBadSource = errors.New("cannot be downloaded") // not a torrent, or a bad one
	ErrInTheWay  = files.ErrInTheWay
	ErrClosed    = errors.New("downloads are being shut down")
	ErrPrivate   = errors.New("it is private: only the swarm of its own tracker may have it") // BEP 27
	ErrNoContent = errors.New("it is not known yet what it contains: wait until peers have told")
	ErrBadPlace  = errors.New("files cannot be moved there")
	ErrMoving    = errors.New("its files are being moved: wait until that is done")
	ErrLent      = errors.New("its pieces are being turned into fragments: wait until that is done")
)

// Session is the owner's downloads. Its methods may be called at the same time.
type Session struct {
	cfg     Config
	rain    *torrent.Session
	files   *files.Store
	storage *storage // rain's way to files
	asking  errands  // questions that rain or the disk has not answered

	adoptions errands
	closing   context.Context // ends when Close begins
	close     context.CancelFunc

	changing sync.Mutex // held while a download is added or removed

	mu        sync.Mutex // guards the rest; taken before that of a download
	downloads map[swarm.InfoHash]*download
	adopting  hashes
	loans     map[swarm.InfoHash]*Loan
	state     state
	running   context.Context // of Run, while it runs
	keepers   sync.WaitGroup
	closed    bool
}

// Open loads the downloads. None runs before Run does. Errors say what to do.
func Open(cfg Config) (*Session, error) {
	cfg = cfg.withDefaults()
	if cfg.PortBegin >= cfg.PortEnd {
		return nil, fmt.Errorf("there are no ports for downloads from %d up to %d", cfg.PortBegin, cfg.PortEnd)
	}
	if err := cfg.checkDirectory(); err != nil {
		// It may come later, and what is in it may be shared. Downloads say so themselves.
		cfg.Log.Warn("the download directory cannot be written to", "err", err)
	}
	state, err := loadState(cfg.Database + stateSuffix)
	if err != nil {
		return nil, fmt.Errorf("reading which downloads are stopped: %w", err)
	}
	if err := (&Session{cfg: cfg}).takeTrackers(); err != nil {
		return nil, databaseError(cfg.Database, err)
	}
	var interrupted map[swarm.InfoHash]bool
	if !state.clean {
		if interrupted, err = forgetMarks(cfg.Database); err != nil {
			return nil, databaseError(cfg.Database, err)
		}
	}
	places, err := files.Open(cfg.Database + placesSuffix)
	if err != nil {
		return nil, fmt.Errorf("reading where the files of downloads are: %w", err)
	}
	storage := newStorage(places)
	rain, err := torrent.NewSession(cfg.rain(storage))
	if err != nil {
		return nil, databaseError(cfg.Database, err)
	}
	s := &Session{
		cfg:       cfg,
		rain:      rain,
		files:     places,
		storage:   storage,
		downloads: make(map[swarm.InfoHash]*download),
		adopting:  make(hashes),
		loans:     make(map[swarm.InfoHash]*Loan),
		state:     state,
	}
	s.closing, s.close = context.WithCancel(context.Background())
	s.state.clean = false
	// From now on a sudden end is an unclean stop; and the database holds the pass keys of private trackers, while rain
	// made it as readable as downloads.
	if err := errors.Join(os.Chmod(cfg.Database, 0o600), s.state.save(cfg.Database+stateSuffix)); err != nil {
		return nil, errors.Join(fmt.Errorf("saving the state of downloads: %w", err), rain.Close())
	}
	links, err := s.loadLinks()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the links of downloads: %w", err), rain.Close())
	}
	for _, t := range rain.ListTorrents() {
		if strings.HasPrefix(t.ID(), probePrefix) { // somebody was killed
			if err := rain.RemoveTorrent(t.ID(), true); err != nil {
				s.cfg.Log.Error("removing a torrent", "id", t.ID(), "err", err)
			}
			continue
		}
		s.load(t, interrupted, links)
	}
	for h, l := range links {
		switch {
		case s.downloads[h] == nil && l.magnet:
			s.loadMagnet(h, l)
		case s.downloads[h] == nil: // it was removed, or never added: somebody was killed
			err = s.forgetLink(h)
		case l.magnet: // it has become a download: likewise
			err = s.settleLink(h, l)
		}
		if err != nil {
			s.cfg.Log.Warn("tidying up the link of a download", "hash", h.String(), "err", err)
		}
	}
	if err := s.files.Prune(func(h swarm.InfoHash) bool { return s.downloads[h] != nil }); err != nil {
		s.cfg.Log.Warn("forgetting where files would have been", "err", err)
	}
	if err := s.files.Tidy(); err != nil {
		s.cfg.Log.Warn("deleting what moves have left", "err", err)
	}
	return s, nil
}

func databaseError(path string, err error) error {
	if errors.Is(err, errInUse) {
		return fmt.Errorf("the database of downloads %s: %w", path, err)
	}
	return fmt.Errorf("opening the database of downloads (if it is damaged, move %s away and add the downloads again): %w", path, err)
}

// checkDirectory makes the directory, and makes sure that it can be written to.
func (cfg Config) checkDirectory() error {
	if err := cfg.makeDirectory(cfg.Directory); err != nil {
		return err
	}
	probe, err := os.CreateTemp(cfg.Directory, ".ebb-can-write-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// makeDirectory makes a directory that downloads are in, unless its disk is away.
func (cfg Config) makeDirectory(path string) error {
	if err := cfg.Present(path); err != nil {
		return away{err}
	}
	return os.MkdirAll(path, 0o777) // less what the umask takes
}

// load takes over a torrent that rain remembers.
func (s *Session) load(t *torrent.Torrent, interrupted map[swarm.InfoHash]bool, links map[swarm.InfoHash]link) {
	stats := t.Stats()
	if stats.Pieces.Total == 0 {
		s.takeMagnet(t)
		return
	}
	d := s.newDownload(swarm.InfoHash(t.InfoHash()), t.AddedAt())
	d.rain, d.link = t, links[d.hash].known()
	d.kept, d.had = true, interrupted[d.hash]
	d.picture.Name = stats.Name
	d.wanted = !s.state.stopped[d.hash]
	if err := d.examine(); err != nil {
		d.broken(err)
	}
	d.publish(stats, d.wanted)
	s.downloads[d.hash] = d
}

// newDownload returns a download that nobody knows of yet.
func (s *Session) newDownload(h swarm.InfoHash, added time.Time) *download {
	return &download{
		session: s,
		hash:    h,
		wake:    make(chan struct{}, 1),
		picture: Torrent{Hash: h, Directory: s.cfg.Directory, AddedAt: added},
	}
}

// Run keeps the downloads going until ctx ends; then it returns nil, and rain goes on by itself until Close.
func (s *Session) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running != nil || s.closed {
		s.mu.Unlock()
		return errors.New("downloads can run only once at a time, and not after Close")
	}
	s.running = ctx
	for _, d := range s.downloads {
		s.startKeeper(d)
	}
	s.mu.Unlock()

	<-ctx.Done()
	s.mu.Lock()
	s.running = nil
	s.mu.Unlock()
	s.keepers.Wait()
	return nil
}

// startKeeper starts the keeper of d if Run runs. The caller holds mu.
func (s *Session) startKeeper(d *download) {
	if s.running == nil {
		return
	}
	ctx, cancel := context.WithCancel(s.running)
	done := make(chan struct{})
	d.cancel, d.done = cancel, done
	s.keepers.Go(func() {
		defer close(done)
		defer cancel()
		d.keep(ctx)
	})
}

// forget takes d off the list, ends its keeper, and waits for it.
func (s *Session) forget(d *download) {
	s.mu.Lock()
	delete(s.downloads, d.hash)
	s.mu.Unlock()
	s.endKeeper(d)
}

// endKeeper ends the keeper of d, if it has one, and waits for it.
func (s *Session) endKeeper(d *download) {
	s.mu.Lock()
	cancel, done := d.cancel, d.done
	d.cancel, d.done = nil, nil
	s.mu.Unlock()
	if done != nil {
		cancel()
		<-done
	}
}

// Close saves everything and ends rain. Run must have returned. Trackers are told that we leave, if they listen within
// seconds. Adopt ends between two batches; open loans stay readable, and keep nobody waiting.
func (s *Session) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.close()
	s.mu.Unlock()
	if closed {
		return nil
	}
	ended := make(chan error, 1)
	go func() {
		s.adoptions.wait()
		s.changing.Lock() // additions and removals have finished, and no more begin
		defer s.changing.Unlock()
		s.leaveSwarms()
		err := s.rain.Close()
		s.asking.wait()
		ended <- errors.Join(err, s.closeSeeks())
	}()
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("closing downloads: %w", err)
		}
	case <-timer.C:
		return errors.New("closing downloads: the disk does not answer; what was not saved will be hashed at the next start")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.clean = true
	if err := s.state.save(s.cfg.Database + stateSuffix); err != nil {
		return fmt.Errorf("closing downloads: %w", err)
	}
	return nil
}

// closeSeeks ends what is still looked for. No keeper runs any more.
func (s *Session) closeSeeks() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, d := range s.downloads {
		if d.seek != nil {
			errs = append(errs, d.seek.Close())
		}
	}
	return errors.Join(errs...)
}

// leaveSwarms has rain tell the trackers of all torrents, and waits for it.
func (s *Session) leaveSwarms() {
	var all sync.WaitGroup
	for _, t := range s.rain.ListTorrents() {
		all.Go(func() {
			ended := t.NotifyStop()
			if ended == nil {
				return // it does not run
			}
			if err := t.Stop(); err == nil {
				<-ended
			}
		})
	}
	all.Wait()
}

// Torrents returns pictures of all downloads, oldest first.
func (s *Session) Torrents() []Torrent {
	s.mu.Lock()
	list := make([]Torrent, 0, len(s.downloads))
	for _, d := range s.downloads {
		list = append(list, d.look())
	}
	s.mu.Unlock()
	slices.SortFunc(list, func(a, b Torrent) int {
		return cmp.Or(a.AddedAt.Compare(b.AddedAt), a.Hash.Compare(b.Hash))
	})
	return list
}

// forgetPlace forgets where the files of a download are.
func (s *Session) forgetPlace(h swarm.InfoHash) error {
	s.storage.forget(h)
	if err := s.files.Forget(h); err != nil {
		return fmt.Errorf("forgetting where its files are: %w", err)
	}
	return nil
}

// Directory is where new downloads go.
func (s *Session) Directory() string { return s.cfg.Directory }

// Torrent returns the picture of one download.
func (s *Session) Torrent(h swarm.InfoHash) (Torrent, bool) {
	d, err := s.find(h)
	if err != nil {
		return Torrent{}, false
	}
	return d.look(), true
}

func (s *Session) find(h swarm.InfoHash) (*download, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.downloads[h]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, h.String())
	}
	return d, nil
}
