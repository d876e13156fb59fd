package foreground

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"ebb/agent/foreground/door"
	"ebb/agent/peerwire"
	"ebb/agent/prefs"
	"ebb/agent/swarm"

	"github.com/cenkalti/rain/v2/torrent"
)

// A magnet link's way to a download:
//
//  1. AddURI writes the link down. Nothing is reserved, and rain knows nothing of it.
//  2. While it is wanted, it is at the door ([door.Seek]): peers are asked for the metadata, which comes into a file. A
//     restart goes on with what is there.
//  3. The keeper finds that all of it has come. It is checked; what cannot be downloaded is dropped, and the reason shown.
//  4. rain gets a whole torrent, and the link says no more than how its peers are found. From here on it is a download like others.
//
// A crash between two steps repeats the second of them at most.

const (
	// mostMetadata bounds the metadata of a magnet: the largest that is found has some 25 MiB. It is in memory three times
	// while it is read, and once for as long as the download lasts; so it may be leastMetadata where there is little
	// memory, or it is not known, and a metadataShare-th of the memory elsewhere. Bytes.
	mostMetadata  = 30 << 20
	leastMetadata = 4 << 20
	metadataShare = 16
)

// metadataLimit is how many bytes of metadata are fetched on a device with so much memory.
func metadataLimit(memory int64) int64 {
	return min(max(memory/metadataShare, leastMetadata), mostMetadata)
}

// newSeek begins to look for the metadata of h.
func (s *Session) newSeek(h swarm.InfoHash) *door.Seek {
	return door.NewSeek(h, s.linkPath(h)+metadataSuffix, metadataLimit(s.cfg.MemoryTotal))
}

// loadMagnet takes over a magnet that was there when the last session ended.
func (s *Session) loadMagnet(h swarm.InfoHash, l link) {
	d := s.newMagnet(h, l)
	d.wanted = !s.state.stopped[h]
	d.publish(torrent.Stats{}, d.wanted)
	s.downloads[h] = d
}

// takeMagnet takes over a magnet that a former version has given to rain.
func (s *Session) takeMagnet(t *torrent.Torrent) {
	h := swarm.InfoHash(t.InfoHash())
	l := link{magnet: true, added: t.AddedAt(), name: t.Name()}
	if text, err := t.Magnet(); err == nil {
		if m, err := peerwire.ParseMagnet(text); err == nil {
			l.name, l.peers = m.Name, m.Peers
			for _, tracker := range m.Trackers {
				l.tiers = append(l.tiers, []string{tracker})
			}
		}
	}
	err := s.saveLink(h, l)
	if err == nil {
		err = s.rain.RemoveTorrent(t.ID(), true)
	}
	if err != nil {
		s.cfg.Log.Error("taking over a magnet link", "hash", h.String(), "err", err)
	}
	s.loadMagnet(h, l)
}

// newMagnet returns a download whose metadata is to be found, which nobody knows of yet.
func (s *Session) newMagnet(h swarm.InfoHash, l link) *download {
	d := s.newDownload(h, l.added)
	d.link, d.seek, d.fresh = l, s.newSeek(h), true
	d.picture.Name, d.picture.Trackers, d.picture.link, d.picture.seek = l.name, l.trackers(), l, d.seek
	return d
}

// tendSeek looks after a magnet. It reports whether its metadata has become known.
func (d *download) tendSeek(wanted bool) bool {
	select {
	case <-d.seek.Done():
		if err := d.learn(); err != nil {
			d.broken(err)
			break
		}
		return d.rain != nil
	default:
	}
	if d.seek != nil {
		d.publish(torrent.Stats{}, wanted)
	}
	return false
}

// learn gives the torrent to rain, now that its metadata has come. If that cannot be downloaded, the download is dropped.
func (d *download) learn() error {
	if d.failure != "" {
		return nil
	}
	s := d.session
	raw, err := d.seek.Info()
	if err != nil {
		return fmt.Errorf("reading its metadata: %w", err)
	}
	info, err := peerwire.ParseInfo(raw)
	if err != nil {
		d.drop(fmt.Errorf("%w: %w", ErrBadSource, err))
		return nil
	}
	canonical, err := s.canonical(&peerwire.Torrent{Info: info, Raw: raw}, nil)
	if err != nil {
		return err
	}
	t, err := s.rain.AddTorrent(bytes.NewReader(canonical), &torrent.AddTorrentOptions{ID: d.hash.String(), Stopped: true})
	if err != nil {
		if err = addingFailed(err); errors.Is(err, ErrBadSource) {
			d.drop(err)
			return nil
		}
		return err
	}
	d.rain = t
	if err := d.seek.Close(); err != nil {
		s.cfg.Log.Warn("closing metadata", "name", d.title(), "err", err)
	}
	d.seek = nil
	if err := s.settleLink(d.hash, d.link); err != nil {
		s.cfg.Log.Warn("noting that a magnet link has become a download", "name", d.title(), "err", err)
	}
	return nil
}

// seekWhy says how far the search for metadata is.
func seekWhy(p door.Progress) string {
	const asking = "asking peers what the torrent contains"
	switch {
	case p.Err != nil:
		return fmt.Sprintf("its metadata cannot be stored: %v", p.Err)
	case p.TooLarge > 0:
		return fmt.Sprintf("its metadata of %s is too large for this device: at most %s are taken here",
			prefs.Size(p.TooLarge).Rounded(), prefs.Size(p.Limit).Rounded())
	case p.Pieces > 0:
		return fmt.Sprintf("metadata: %d of %d pieces from %d peers", p.Have, p.Pieces, p.Peers)
	}
	return asking
}

// addedNow is when something is added, as it is kept.
func addedNow() time.Time { return time.Now().Round(0) }
