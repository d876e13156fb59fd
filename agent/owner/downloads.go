package owner

import (
	"context"
	"errors"
	"fmt"

	"ebb/agent/background"
	"ebb/agent/foreground"
	"ebb/agent/swarm"
	"ebb/webui"
)

// Foreground lists the owner's torrents.
func (o *Owner) Foreground(context.Context) ([]webui.ForegroundTorrent, error) {
	torrents := o.cfg.Foreground.Torrents()
	list := make([]webui.ForegroundTorrent, 0, len(torrents))
	for _, t := range torrents {
		list = append(list, o.foregroundTorrent(t))
	}
	return list, nil
}

// ForegroundTorrent is one of them.
func (o *Owner) ForegroundTorrent(_ context.Context, h swarm.InfoHash) (webui.ForegroundTorrent, error) {
	t, ok := o.cfg.Foreground.Torrent(h)
	if !ok {
		return webui.ForegroundTorrent{}, webui.ErrNotFound
	}
	return o.foregroundTorrent(t), nil
}

// ForegroundDetails are the files and peers of one of them.
func (o *Owner) ForegroundDetails(ctx context.Context, h swarm.InfoHash) (webui.Details, error) {
	found, err := o.cfg.Foreground.Details(ctx, h)
	if err != nil {
		return webui.Details{}, foregroundError(err)
	}
	d := webui.Details{Files: make([]webui.File, 0, len(found.Files)), Peers: make([]webui.Peer, 0, len(found.Peers))}
	for _, f := range found.Files {
		d.Files = append(d.Files, webui.File{Path: f.Path, Name: f.Name, Length: f.Length, OnDisk: f.OnDisk})
	}
	for _, p := range found.Peers {
		d.Peers = append(d.Peers, webui.Peer{
			Addr: p.Addr, Client: p.Client, DownloadRate: p.DownloadRate, UploadRate: p.UploadRate,
			Encrypted: p.Encrypted, Dialled: p.Dialled, Since: p.Since,
		})
	}
	return d, nil
}

func (o *Owner) foregroundTorrent(t foreground.Torrent) webui.ForegroundTorrent {
	said := trackers(o.cfg.Announcer.Reports(t.Hash))
	trouble, _ := trouble(said)
	return webui.ForegroundTorrent{
		Hash: t.Hash, Name: t.Name, State: string(t.State), Why: t.Why(), Private: t.Private,
		Length: t.Length, Completed: t.Completed,
		DownloadRate: t.DownloadRate, UploadRate: t.UploadRate, Downloaded: t.Downloaded, Uploaded: t.Uploaded,
		Peers: t.Peers, Seeds: t.Seeds, Directory: t.Directory, Added: t.AddedAt,
		Trouble: trouble, Trackers: said,
	}
}

// AddForeground adds a download of the owner's. If the background helps that
// swarm already, what it holds becomes part of the download.
func (o *Owner) AddForeground(ctx context.Context, s webui.Source, start bool) (swarm.InfoHash, error) {
	g, err := o.read(ctx, s)
	if err != nil {
		return swarm.InfoHash{}, err
	}
	h := g.hash()
	if helped, ok := o.cfg.Background.Swarm(h); ok {
		if helped.Fragments > 0 {
			return h, o.promote(h, move{Promotion: true, Start: start, Trackers: g.trackers()})
		}
		if err := o.leave(h); err != nil {
			return swarm.InfoHash{}, err
		}
	}
	if g.file != nil {
		_, err = o.cfg.Foreground.AddTorrent(ctx, g.file, start)
	} else {
		_, err = o.cfg.Foreground.AddURI(ctx, g.magnet.String(), start)
	}
	return h, foregroundError(err)
}

// leave leaves a background swarm, if it is one.
func (o *Owner) leave(h swarm.InfoHash) error {
	switch err := o.cfg.Background.Leave(h); {
	case err == nil, errors.Is(err, background.ErrUnknown):
		return nil
	case errors.Is(err, background.ErrReleased):
		return fmt.Errorf("%w: %w", webui.ErrConflict, err)
	default:
		return err
	}
}

// foregroundError gives an error of the foreground the type that the API turns into an answer.
func foregroundError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, foreground.ErrUnknown):
		return webui.ErrNotFound
	case errors.Is(err, foreground.ErrExists), errors.Is(err, foreground.ErrNoContent), errors.Is(err, foreground.ErrLent),
		errors.Is(err, foreground.ErrMoving), errors.Is(err, foreground.ErrInTheWay):
		return fmt.Errorf("%w: %w", webui.ErrConflict, err)
	case errors.Is(err, foreground.ErrBadSource), errors.Is(err, foreground.ErrBadPlace):
		return &webui.BadRequest{Err: err}
	default:
		return err
	}
}

// RemoveForeground forgets a download, or keeps on helping its swarm.
func (o *Owner) RemoveForeground(_ context.Context, h swarm.InfoHash, r webui.Removal) error {
	if r.KeepHelping {
		return o.keepHelping(h, r.DeleteData)
	}
	o.moves.cancel(h)
	return foregroundError(o.cfg.Foreground.Remove(h, r.DeleteData))
}

// StartForeground starts a download.
func (o *Owner) StartForeground(_ context.Context, h swarm.InfoHash) error {
	if _, moving := o.moves.read(h); moving {
		return fmt.Errorf("%w: it is being turned into fragments", webui.ErrConflict)
	}
	return foregroundError(o.cfg.Foreground.Start(h))
}

// StopForeground stops a download.
func (o *Owner) StopForeground(_ context.Context, h swarm.InfoHash) error {
	return foregroundError(o.cfg.Foreground.Stop(h))
}

// VerifyForeground has the files of a download hashed again.
func (o *Owner) VerifyForeground(_ context.Context, h swarm.InfoHash) error {
	if _, moving := o.moves.read(h); moving {
		return fmt.Errorf("%w: it is being turned into fragments", webui.ErrConflict)
	}
	return foregroundError(o.cfg.Foreground.Verify(h))
}

// MoveForeground has the files of a download moved to another directory.
func (o *Owner) MoveForeground(_ context.Context, h swarm.InfoHash, directory string) error {
	if _, moving := o.moves.read(h); moving {
		return fmt.Errorf("%w: it is being turned into fragments", webui.ErrConflict)
	}
	return foregroundError(o.cfg.Foreground.Move(h, directory))
}
