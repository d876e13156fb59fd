package feeds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"ebb/agent/discovery"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

const (
	// filesPerLook is how many .torrent files are fetched for one feed at a time; the next look fetches the next.
	filesPerLook  = 16
	filesKept     = 1024
	filePatience  = 30 * time.Second
	maxTorrent    = 10 << 20 // bytes
	filesInterval = time.Second
)

// torrentFiles knows what the .torrent files say that feeds name without an info-hash.
type torrentFiles struct {
	known   map[string]discovery.Entry // by URL; without an info-hash where the file is of no use
	fetched int                        // for the feed that is being looked at
}

// rest ends the looking at one feed.
func (t *torrentFiles) rest() { t.fetched = 0 }

// entry is an item with what its file says, which is true: an info-hash vouches for the rest. ok is false if that is not
// known, or it may not be taken.
func (t *torrentFiles) entry(ctx context.Context, cfg Config, i Item) (e discovery.Entry, ok bool) {
	if known, there := t.known[i.Torrent]; there {
		e = known
	} else {
		if t.fetched == filesPerLook || ctx.Err() != nil {
			return e, false
		}
		if t.fetched++; t.fetched > 1 {
			select {
			case <-time.After(filesInterval):
			case <-ctx.Done():
				return e, false
			}
		}
		var err error
		if e, err = fetchTorrent(ctx, cfg, i.Torrent); err != nil {
			cfg.Log.Debug("a .torrent file of a feed is of no use", "name", i.Name, "err", err)
		}
		if ctx.Err() != nil {
			return e, false
		}
		if len(t.known) >= filesKept {
			clear(t.known)
		}
		if t.known == nil {
			t.known = make(map[string]discovery.Entry)
		}
		t.known[i.Torrent] = e
	}
	e.Seeds, e.Leechers = i.Seeds, i.Leechers
	return e, !e.Hash.IsZero() && cfg.Candidates.Takes(e.Hash)
}

func fetchTorrent(ctx context.Context, cfg Config, from string) (discovery.Entry, error) {
	if err := cfg.CheckURL(from); err != nil {
		return discovery.Entry{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, filePatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return discovery.Entry{}, err
	}
	request.Header.Set("User-Agent", cfg.UserAgent)
	response, err := cfg.Client.Do(request)
	if err != nil {
		return discovery.Entry{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return discovery.Entry{}, fmt.Errorf("the answer is %q", response.Status)
	}
	file, err := io.ReadAll(io.LimitReader(response.Body, maxTorrent+1))
	if err != nil {
		return discovery.Entry{}, err
	}
	if len(file) > maxTorrent {
		return discovery.Entry{}, errors.New("it is too long")
	}
	torrent, err := peerwire.ParseTorrent(file)
	switch {
	case err != nil:
		return discovery.Entry{}, err
	case torrent.Info.Private:
		return discovery.Entry{}, errors.New("it is private")
	case slices.ContainsFunc(torrent.Trackers, discovery.MayCarryKey):
		return discovery.Entry{}, errors.New("a tracker of it may carry a pass key")
	}
	info := torrent.Info
	return discovery.Entry{
		Hash: info.Hash, Name: info.Name, Length: info.Length, PieceLength: info.PieceLength, Pieces: info.NumPieces(),
		Copies: swarm.Unknown, Trackers: slices.Clone(torrent.Trackers),
	}, nil
}
