package feeds

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ebb/agent/discovery"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

const (
	leastInterval = time.Hour      // between two looks at a feed
	mostInterval  = 24 * time.Hour // whatever it says, and after however many failures
	// allAgain is how often a document that named more swarms than were offered is read again although it has not changed.
	allAgain = 24 * time.Hour
	// lookInterval is how often it is looked whether a feed is due, or the owner has changed the list.
	lookInterval = 10 * time.Second
	// patience bounds reading one document: 32 MiB at 1 Mbit/s.
	patience = 5 * time.Minute
	maxFeeds = 64
)

// Config is what Feeds work with. Every field is required.
type Config struct {
	Feeds      func() []prefs.Feed        // that the owner has subscribed to, at the moment
	Candidates *discovery.Candidates      // gets the offers
	Client     *http.Client               // reaches only what a stranger may name; the owner's own feeds, too
	CheckURL   func(string) error         // which trackers may be announced to
	Asked      discovery.Saver[time.Time] // when each feed was asked last, by the SHA-1 of its URL, over restarts
	UserAgent  string                     // as in "ebb/0.1.0"
	Log        *slog.Logger
}

// Feeds is the source. Its methods may be called from any goroutine.
type Feeds struct {
	cfg   Config
	known map[string]*subscription // by URL; of Run
	files torrentFiles             // of Run
}

// subscription is what is known of one feed.
type subscription struct {
	next     time.Time // to be asked
	failures int       // in a row
	whole    time.Time // when all of it was read
	etag     string    // for a conditional request; empty: none
	modified string    // the same
	more     bool      // it named more swarms than were offered
	trouble  string    // what the owner was told last
}

// New makes a source. Nothing happens before Run.
func New(cfg Config) *Feeds { return &Feeds{cfg: cfg, known: make(map[string]*subscription)} }

// Run follows the owner's feeds until ctx ends. Its error is always nil.
func (f *Feeds) Run(ctx context.Context) error {
	asked, err := f.cfg.Asked.All()
	if err != nil {
		f.cfg.Log.Warn("when feeds were asked last is not known", "err", err)
	}
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		if f.cfg.Candidates.Wants(swarm.KindFeed) {
			f.look(ctx, asked)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look asks the feeds that are due, one after the other.
func (f *Feeds) look(ctx context.Context, asked map[swarm.InfoHash]time.Time) {
	subscribed := f.cfg.Feeds()
	wanted := make(map[string]bool)
	for _, feed := range subscribed[:min(len(subscribed), maxFeeds)] {
		if feed.Policy == prefs.ModeOff || wanted[feed.URL] {
			continue
		}
		wanted[feed.URL] = true
		s := f.known[feed.URL]
		if s == nil {
			s = &subscription{next: asked[keyOf(feed.URL)].Add(leastInterval)}
			if s.next.After(time.Now().Add(leastInterval)) { // the clock was set back
				s.next = time.Time{}
			}
			f.known[feed.URL] = s
		}
		if ctx.Err() == nil && !time.Now().Before(s.next) {
			f.ask(ctx, feed, s)
		}
	}
	for url := range f.known {
		if !wanted[url] {
			delete(f.known, url)
			if err := f.cfg.Asked.Delete(keyOf(url)); err != nil {
				f.cfg.Log.Debug("forgetting a feed", "err", err)
			}
		}
	}
}

// keyOf is what a feed is kept by.
func keyOf(url string) swarm.InfoHash { return sha1.Sum([]byte(url)) }

// ask reads one feed and offers what it names.
func (f *Feeds) ask(ctx context.Context, feed prefs.Feed, s *subscription) {
	began := time.Now()
	chosen, doc, err := f.fetch(ctx, feed, s)
	if ctx.Err() != nil {
		return
	}
	interval := leastInterval
	switch {
	case err != nil:
		s.failures++
		interval = leastInterval << min(s.failures-1, 5)
	default:
		s.failures = 0
		interval = max(time.Duration(doc.TTL)*time.Minute, leastInterval)
	}
	// A tenth more or less, so that not all agents in the world ask at once; never less than an hour.
	interval = min(interval, mostInterval)
	s.next = began.Add(interval + time.Duration(rand.Int64N(int64(interval/10))))
	if err := f.cfg.Asked.Put(keyOf(feed.URL), began); err != nil {
		f.cfg.Log.Debug("keeping when a feed was asked", "err", err)
	}
	f.tell(feed, s, chosen, err)
	f.offer(ctx, feed, chosen)
}

// tell tells the owner what is news of a feed.
func (f *Feeds) tell(feed prefs.Feed, s *subscription, chosen []Item, err error) {
	name := swarm.CleanText(feed.Title(), 64)
	switch {
	case err != nil && len(chosen) == 0:
		if s.trouble != err.Error() {
			swarm.Tell(f.cfg.Log, "feed", swarm.InfoHash{}, fmt.Sprintf("the feed %s cannot be read: %v", name, err))
		}
		s.trouble = err.Error()
		return
	case err != nil:
		f.cfg.Log.Info("a feed was read in part", "feed", name, "items", len(chosen), "err", err)
	case len(chosen) > 0:
		swarm.Tell(f.cfg.Log, "feed", swarm.InfoHash{}, fmt.Sprintf("the feed %s names %d swarms that may want help", name, len(chosen)))
	}
	s.trouble = ""
}

// fetch asks for a document, unless it has not changed, and chooses of what it names.
func (f *Feeds) fetch(ctx context.Context, feed prefs.Feed, s *subscription) ([]Item, Document, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, feed.URL, nil)
	if err != nil {
		return nil, Document{}, errors.New("its address is no URL")
	}
	request.Header.Set("User-Agent", f.cfg.UserAgent)
	request.Header.Set("Accept", "application/rss+xml, application/atom+xml, application/xml, application/json, text/csv, text/plain, */*;q=0.5")
	if !s.more || time.Since(s.whole) < allAgain {
		for name, value := range map[string]string{"If-None-Match": s.etag, "If-Modified-Since": s.modified} {
			if value != "" {
				request.Header.Set(name, value)
			}
		}
	}
	response, err := f.cfg.Client.Do(request)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) { // repeats the whole URL
			err = wrapped.Err
		}
		return nil, Document{}, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		return nil, Document{}, nil
	default:
		return nil, Document{}, fmt.Errorf("it answers %q", response.Status)
	}
	most, limited := feed.MaxSize.Bytes()
	var n needy
	doc, err := Read(response.Body, func(i Item) {
		if limited && i.Length > most || !i.Hash.IsZero() && !f.cfg.Candidates.Takes(i.Hash) {
			return
		}
		n.add(i)
	})
	if err == nil {
		s.etag, s.modified = header(response, "ETag"), header(response, "Last-Modified")
		s.whole, s.more = time.Now(), n.left
	}
	return n.sorted(), doc, err
}

// header is the value of a header, if it is short enough to keep.
func header(r *http.Response, name string) string {
	if value := r.Header.Get(name); len(value) <= 256 {
		return value
	}
	return ""
}

// offer offers what was chosen, with what the .torrent files of those say whose info-hash is told nowhere else.
func (f *Feeds) offer(ctx context.Context, feed prefs.Feed, chosen []Item) {
	most, limited := feed.MaxSize.Bytes()
	by := swarm.Introducer{Kind: swarm.KindFeed, Client: feed.Title()}
	var entries []discovery.Entry
	for _, i := range chosen {
		e, ok := i.entry(), true
		if i.Hash.IsZero() {
			e, ok = f.files.entry(ctx, f.cfg, i)
		}
		if !ok || limited && e.Length > most {
			continue
		}
		entries = append(entries, e.Tidy(f.cfg.CheckURL))
	}
	f.files.rest()
	if len(entries) > 0 && ctx.Err() == nil {
		f.cfg.Candidates.Offer(discovery.Offer{By: by, Entries: entries})
	}
}

// entry is the item as the table takes it. It is not passed on: what is in a feed, others find there.
func (i Item) entry() discovery.Entry {
	return discovery.Entry{
		Hash: i.Hash, Name: i.Name, Length: i.Length, Seeds: i.Seeds, Leechers: i.Leechers, Copies: swarm.Unknown,
		Trackers: trimmed(i.Trackers),
	}
}

func trimmed(list []string) []string {
	var out []string
	for _, text := range list {
		out = append(out, strings.TrimSpace(text))
	}
	return out
}
