package foreground

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/anacrolix/torrent/metainfo"
)

// Start makes a download run; one that has failed or waits for space is tried
// again at once. It returns before that has happened.
func (s *Session) Start(h metainfo.Hash) error { return s.want(h, true) }

// Stop makes a download leave its swarm. It stays stopped until Start, also over
// restarts. The space promised to it is given back. It returns before that has
// happened.
func (s *Session) Stop(h metainfo.Hash) error { return s.want(h, false) }

func (s *Session) want(h metainfo.Hash, wanted bool) error {
	d, err := s.find(h)
	if err != nil {
		return err
	}
	err = s.remember(h, wanted)
	switch {
	case errors.Is(err, ErrClosed):
		return err
	case wanted && s.rain.GetTorrent(h.HexString()) == nil:
		return fmt.Errorf("%w: %s: add it again", ErrBadSource, d.look().Error)
	}
	d.mu.Lock()
	d.wanted, d.asked = wanted, wanted
	d.mu.Unlock()
	select {
	case d.wake <- struct{}{}:
	default: // it will look anyway
	}
	if err != nil { // a full disk must not keep anybody from stopping a download
		return fmt.Errorf("done, but not for longer than this session: %w", err)
	}
	return nil
}

// remember saves what the owner wants of h.
func (s *Session) remember(h metainfo.Hash, wanted bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if s.state.stopped[h] == !wanted {
		return nil
	}
	if wanted {
		delete(s.state.stopped, h)
	} else {
		s.state.stopped[h] = true
	}
	return s.state.save(s.cfg.Database + stateSuffix)
}

// claim reserves a name in the download directory for h. Names that differ only
// in case are one file on the disks of many NAS devices.
func (s *Session) claim(name string, h metainfo.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	name = strings.ToLower(name)
	if owner, taken := s.names[name]; taken && owner != h {
		return fmt.Errorf("%w: another download is called %q: remove it first", ErrInTheWay, name)
	}
	s.names[name] = h
	return nil
}

// unclaim frees the name of h.
func (s *Session) unclaim(h metainfo.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, owner := range s.names {
		if owner == h {
			delete(s.names, name)
		}
	}
}

// AddPeer names a peer to a running download; private torrents take none. It is
// no error if the download does not run any more.
func (s *Session) AddPeer(h metainfo.Hash, addr netip.AddrPort) {
	s.mu.Lock()
	d, closed := s.downloads[h], s.closed
	s.mu.Unlock()
	if d == nil || closed || d.look().Private {
		return
	}
	if t := s.rain.GetTorrent(h.HexString()); t != nil {
		// The only error is for an address that is none.
		_ = t.AddPeer(netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port()).String())
	}
}

// Remove ends a download and forgets it. With deleteData it also deletes the
// torrent's files, and the directories that this leaves empty. It does as much
// of that as it can, whatever fails.
func (s *Session) Remove(h metainfo.Hash, deleteData bool) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	d, err := s.find(h)
	if err != nil {
		return err
	}
	if err := s.remember(h, true); errors.Is(err, ErrClosed) {
		return err
	} else if err != nil {
		s.cfg.Log.Warn("forgetting that a download was stopped", "name", d.title(), "err", err)
	}
	s.forget(d)
	var errs []error
	if err := s.rain.RemoveTorrent(h.HexString(), true); err != nil {
		errs = append(errs, fmt.Errorf("removing %s: %w", d.title(), err))
	}
	d.letGo()
	s.unclaim(h)
	if deleteData {
		if err := deleteFiles(s.cfg.Directory, d.files); err != nil {
			errs = append(errs, fmt.Errorf("deleting the files of %s below %s: %w", d.title(), s.cfg.Directory, err))
		}
	}
	d.tell("removed", "removed")
	return errors.Join(errs...)
}
