package foreground

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"

	"github.com/cenkalti/rain/v2/torrent"

	"ebb/agent/foreground/files"
	"ebb/agent/peerwire"
	"ebb/quota/memory"
)

// perform does a step. Its error is a reason for the download to fail.
func (d *download) perform(ctx context.Context, todo step, s torrent.Stats) error {
	switch todo {
	case examine:
		err := d.examine()
		if d.fresh && errors.Is(err, ErrBadSource) { // the metadata of a magnet link
			d.drop(err)
			return nil
		}
		return err
	case reserve:
		return d.reserve(s)
	case start:
		return d.start(s)
	case stop:
		if err := d.rain.Stop(); err != nil {
			return fmt.Errorf("stopping: %w", err)
		}
	case move:
		return d.move(ctx)
	case release:
		d.letGo()
	}
	return nil
}

// run gives rain a command after which it runs.
func (d *download) run(command func() error, s torrent.Stats) error {
	d.warnOfBusyPort(s.Port)
	if err := command(); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	d.running, d.waits, d.lacks = true, "", ""
	d.ended = d.rain.NotifyStop()
	return nil
}

// contents is what a torrent's metadata says, as far as it matters here.
type contents struct {
	name       string // for display
	private    bool
	infoLength int64 // of the info dictionary, bytes
	place      files.Place
}

// read checks the metadata of a torrent that rain has, and settles where its files are.
func (s *Session) read(rain *torrent.Torrent, inUse bool) (contents, *peerwire.Torrent, error) {
	raw, err := rain.Torrent()
	if err != nil {
		return contents{}, nil, fmt.Errorf("reading its metadata: %w", err)
	}
	t, err := peerwire.ParseTorrent(raw)
	if err != nil {
		return contents{}, nil, fmt.Errorf("%w: %w", ErrBadSource, err)
	}
	if err := s.checkPieces(t.Info); err != nil {
		return contents{}, nil, err
	}
	written, err := rain.Files()
	if err != nil {
		return contents{}, nil, fmt.Errorf("reading its list of files: %w", err)
	}
	c := contentsOf(t)
	names, lengths := make([]string, 0, len(written)), make([]int64, 0, len(written))
	for _, f := range written {
		names, lengths = append(names, f.Path()), append(lengths, f.Length())
	}
	if !slices.Equal(lengths, files.Lengths(t.Info)) {
		return contents{}, nil, fmt.Errorf("%w: its list of files is ambiguous", ErrBadSource)
	}
	if _, settled := s.files.Place(t.Info.Hash); !settled && !inUse {
		// Which names fit, only the disk can tell.
		if err := s.cfg.makeDirectory(s.cfg.Directory); err != nil {
			return contents{}, nil, err
		}
	}
	if c.place, err = s.files.Settle(t.Info, s.cfg.Directory, names, inUse); err != nil {
		return contents{}, nil, err
	}
	s.storage.know(t.Info.Hash, names)
	return c, t, nil
}

// contentsOf returns what a torrent says of itself.
func contentsOf(t *peerwire.Torrent) contents {
	return contents{name: displayName(t.Info.Name), private: t.Info.Private, infoLength: int64(len(t.Raw))}
}

// checkPieces makes sure that pieces fit into the memory of the device.
func (s *Session) checkPieces(info *peerwire.Info) error {
	if cache := memory.WriteCache(s.cfg.MemoryTotal); info.PieceLength > cache {
		return fmt.Errorf("%w: its pieces of %d MiB are too long for the memory of this device (%d MiB at most)",
			ErrBadSource, info.PieceLength>>20, cache>>20)
	}
	return nil
}

// examine reads the metadata of the download, and takes its place on the disk.
func (d *download) examine() error {
	c, _, err := d.session.read(d.rain, d.kept)
	if err != nil {
		return err
	}
	d.contents, d.examined = c, true
	d.mu.Lock()
	defer d.mu.Unlock()
	d.picture.Name, d.picture.Private, d.picture.Trackers = c.name, c.private, d.link.trackers()
	d.picture.MetadataKnown = true
	return nil
}

// reserve asks the ledger for the bytes that are not on disk yet.
func (d *download) reserve(s torrent.Stats) error {
	if _, holed := d.session.lending(d.hash); holed {
		// What rain believes to hold, it has to look for. The next look will show.
		if d.renew() {
			return d.session.note(func(st *state) bool { return st.holed.set(d.hash, false) })
		}
		return nil
	}
	if err := d.session.cfg.makeDirectory(d.place.Directory); err != nil {
		return err
	}
	promise, found, err := d.session.newPromise(d.place, s.Bytes.Total-completed(s), 0)
	if err != nil {
		return err
	}
	if (d.had || s.Pieces.Have > 0) && found.Present == 0 && !d.afresh {
		// Most likely a disk that is not mounted: do not fill what it is mounted on.
		return away{fmt.Errorf("its files are gone from %s; it goes on when they are there again, or start it to download them again",
			d.place.Directory)}
	}
	if promise, err = promise.ask(d.session.cfg.Ledger, d.hash); err != nil {
		d.wait(Waiting, err)
		return nil
	}
	d.reserved, d.promise, d.waits, d.lacks = true, promise, "", ""
	return nil
}

// letGo ends the reservation.
func (d *download) letGo() {
	d.session.cfg.Ledger.Withdraw(d.hash)
	d.reserved, d.promise = false, nil
}

// start has rain download or seed.
func (d *download) start(s torrent.Stats) error {
	if err := d.session.cfg.makeDirectory(d.place.Directory); err != nil {
		return err
	}
	d.fresh, d.had = false, false
	if s.Pieces.Have > 0 {
		found, err := d.place.Survey()
		if err != nil {
			return err
		}
		if found.Present == 0 && !d.renew() {
			return nil
		}
	}
	d.afresh, d.loading = false, s.Pieces.Have < s.Pieces.Total
	return d.run(d.rain.Start, s)
}

// renew makes rain forget what it held: it would believe to be complete for as long as the session lasts, even without
// files. If that fails, the download is dropped, and the result is false.
func (d *download) renew() bool {
	id := d.hash.String()
	raw, err := d.rain.Torrent()
	if err == nil {
		err = d.session.rain.RemoveTorrent(id, true)
	}
	var again *torrent.Torrent
	if err == nil {
		again, err = d.session.rain.AddTorrent(bytes.NewReader(raw), &torrent.AddTorrentOptions{ID: id, Stopped: true})
	}
	if err != nil {
		d.drop(fmt.Errorf("starting over without files: %w", err))
		return false
	}
	d.rain = again
	return true
}

// warnOfBusyPort logs that other programs keep the torrent from listening. rain goes on without, and tells nobody.
func (d *download) warnOfBusyPort(port int) {
	address := net.JoinHostPort(d.session.cfg.Host, strconv.Itoa(port))
	listener, err := net.Listen("tcp4", address)
	if err == nil {
		err = listener.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		d.session.cfg.Log.Warn("another program uses the port of a download, which no peer can reach now",
			"name", d.title(), "address", address)
	} else if err != nil {
		d.session.cfg.Log.Warn("listening for peers of a download", "name", d.title(), "address", address, "err", err)
	}
}
