package foreground

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	"github.com/cenkalti/rain/v2/torrent"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// maxTorrentFile is the longest .torrent file that is taken, in bytes.
const maxTorrentFile = 10 << 20

// AddTorrent adds a download from a .torrent file. With start it begins as soon as there is space, which may be later:
// see [Torrent.State]. Errors wrap ErrBadSource, ErrExists or ErrInTheWay if that is what is wrong.
func (s *Session) AddTorrent(ctx context.Context, file []byte, start bool) (swarm.InfoHash, error) {
	t, err := parseTorrent(file)
	if err != nil {
		return swarm.InfoHash{}, err
	}
	canonical, err := s.canonical(t, file)
	if err != nil {
		return swarm.InfoHash{}, fmt.Errorf("%w: %w", ErrBadSource, err)
	}
	return t.Info.Hash, s.add(ctx, newcomer{
		hash: t.Info.Hash, start: start, name: displayName(t.Info.Name), link: s.linkOf(t),
		give: func(opt *torrent.AddTorrentOptions) (*torrent.Torrent, error) {
			return s.rain.AddTorrent(bytes.NewReader(canonical), opt)
		},
	})
}

// AddURI adds a download from a magnet link. It does not wait for its metadata. See AddTorrent.
func (s *Session) AddURI(ctx context.Context, uri string, start bool) (swarm.InfoHash, error) {
	m, err := peerwire.ParseMagnet(uri)
	if err != nil {
		return swarm.InfoHash{}, fmt.Errorf("%w: %w", ErrBadSource, err)
	}
	l := link{magnet: true, added: addedNow(), name: m.Name, peers: m.Peers}
	for _, tracker := range s.allowed(m.Name, m.Trackers) {
		l.tiers = append(l.tiers, []string{tracker}) // a link knows no tiers: each is announced to
	}
	return m.Hash, s.add(ctx, newcomer{hash: m.Hash, start: start, link: l})
}

// newcomer is a torrent to be added.
type newcomer struct {
	hash    swarm.InfoHash
	start   bool
	name    string   // for display, until the metadata is known
	adopted bool     // by Adopt, which has made sure that it can be added
	promise *promise // of its room, if that is reserved already
	link    link
	give    func(*torrent.AddTorrentOptions) (*torrent.Torrent, error) // gives it to rain; nil of a magnet
}

// add gives a torrent to rain, without starting it, and to a keeper. A magnet goes to a keeper alone.
func (s *Session) add(ctx context.Context, n newcomer) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if ctx.Err() != nil {
		return fmt.Errorf("adding a download: %w", context.Cause(ctx))
	}
	h := n.hash
	if !n.adopted {
		if err := s.makeRoom(h); err != nil {
			return err
		}
	}
	forget := func() error { return s.note(func(st *state) bool { return st.forget(h) }) }
	if err := s.note(func(st *state) bool {
		stopped, adopted := st.stopped.set(h, !n.start), st.adopted.set(h, n.adopted)
		return stopped || adopted
	}); err != nil {
		return fmt.Errorf("adding a download: %w", err)
	}
	d, err := s.give(n)
	if err != nil {
		return errors.Join(err, forget(), s.forgetLink(h))
	}
	d.fresh, d.wanted = true, n.start
	d.reserved, d.promise = n.promise != nil, n.promise
	d.picture.State, d.picture.Error = d.state(torrent.Stopped, n.start), d.lacks
	d.tell("added", "added")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.downloads[h] = d
	s.startKeeper(d)
	return nil
}

// give makes a download of a newcomer.
func (s *Session) give(n newcomer) (*download, error) {
	if err := s.saveLink(n.hash, n.link); err != nil {
		return nil, fmt.Errorf("adding a download: %w", err)
	}
	if n.link.magnet {
		return s.newMagnet(n.hash, n.link), nil
	}
	id := n.hash.String()
	t, err := n.give(&torrent.AddTorrentOptions{ID: id, Stopped: true})
	if err != nil {
		return nil, addingFailed(err)
	}
	d := s.newDownload(n.hash, t.AddedAt())
	d.rain, d.link = t, n.link
	d.picture.Name = n.name
	if err := d.examine(); diskFault(err) {
		d.broken(err)
	} else if err != nil {
		return nil, errors.Join(err, s.rain.RemoveTorrent(id, true))
	}
	return d, nil
}

// addingFailed explains why rain does not take a torrent.
func addingFailed(err error) error {
	var bad *torrent.InputError
	if errors.As(err, &bad) {
		err = fmt.Errorf("%w: %w", ErrBadSource, bad.Unwrap())
	}
	return fmt.Errorf("adding a download: %w", err)
}

// makeRoom makes sure that h can be added: it is not there, or has failed for good before. The caller holds changing.
func (s *Session) makeRoom(h swarm.InfoHash) error {
	s.mu.Lock()
	adopting := s.adopting[h]
	s.mu.Unlock()
	if adopting {
		return fmt.Errorf("its pieces are being put into its files: %w", ErrExists)
	}
	d, err := s.find(h)
	if err != nil {
		return nil
	}
	if !d.look().dropped {
		return fmt.Errorf("%s: %w", d.title(), ErrExists)
	}
	s.forget(d)
	return nil
}

// parseTorrent checks a .torrent file.
func parseTorrent(file []byte) (*peerwire.Torrent, error) {
	if len(file) > maxTorrentFile {
		return nil, fmt.Errorf("%w: torrent files of more than %d MiB are not taken", ErrBadSource, maxTorrentFile>>20)
	}
	t, err := peerwire.ParseTorrent(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadSource, err)
	}
	return t, nil
}

// canonical returns the .torrent file that rain gets: the same info dictionary, the web seeds that may be contacted,
// and nothing else: its trackers are ours to ask.
func (s *Session) canonical(t *peerwire.Torrent, file []byte) ([]byte, error) {
	var more struct {
		UrlList metainfo.UrlList `bencode:"url-list"` // BEP 19
	}
	// The file is known to be sound, its nesting to be bounded. What cannot be read as web seeds is none.
	_ = bencode.Unmarshal(file, &more)
	canonical := metainfo.MetaInfo{InfoBytes: t.Raw}
	canonical.UrlList = s.allowed(displayName(t.Info.Name), more.UrlList)
	var text bytes.Buffer
	err := canonical.Write(&text)
	return text.Bytes(), err
}

// allowed returns those of the URLs that may be contacted.
func (s *Session) allowed(name string, urls []string) []string {
	return slices.DeleteFunc(slices.Clone(urls), func(u string) bool {
		err := s.cfg.CheckURL(u)
		if err != nil {
			s.cfg.Log.Warn("a tracker or web seed of a download is left out", "name", name, "err", err)
		}
		return err != nil
	})
}
