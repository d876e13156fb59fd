package owner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/anacrolix/torrent/metainfo"

	"ebb/agent/background"
	"ebb/agent/foreground"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
	"ebb/webui"
)

// Promote makes a background swarm a download of the owner's.
func (o *Owner) Promote(_ context.Context, h swarm.InfoHash) error {
	s, ok := o.cfg.Background.Swarm(h)
	switch {
	case !ok:
		return webui.ErrNotFound
	case s.State == background.StatePromoting:
		return fmt.Errorf("%w: it is being made yours already", webui.ErrConflict)
	case s.Record.Pieces == 0:
		return fmt.Errorf("%w: nobody has told us yet what this swarm shares; try again when ebb has met a peer of it", webui.ErrConflict)
	}
	return o.promote(h, move{Promotion: true, Start: true})
}

// promote begins a promotion.
func (o *Owner) promote(h swarm.InfoHash, v move) error {
	if _, moving := o.moves.read(h); moving {
		return fmt.Errorf("%w: it is on its way between your downloads and the background; wait until it is there", webui.ErrConflict)
	}
	if err := o.moves.written.Put(h, v); err != nil {
		return err
	}
	if _, err := o.cfg.Background.Release(h); err != nil {
		o.moves.strike(h)
		return err
	}
	swarm.Tell(o.cfg.Log, "promoting", h, fmt.Sprintf("%s becomes one of your downloads; what ebb holds of it is kept", o.nameOf(h)))
	o.moves.check()
	return nil
}

// promote takes the steps of a promotion.
func (m *moves) promote(ctx context.Context, h swarm.InfoHash, v move) error {
	o := m.owner
	released, err := o.cfg.Background.Release(h)
	if errors.Is(err, background.ErrUnknown) {
		m.strike(h) // the last step was taken already
		return nil
	}
	if err != nil {
		return err
	}
	name := released.Record.Name
	info, err := peerwire.ParsePieces(released.Metadata)
	if err != nil {
		return m.giveUp(h, name, fmt.Errorf("its metadata is not known: %w", err))
	}
	file, err := torrentFile(released.Metadata, slices.Concat(v.Trackers, released.Record.Trackers))
	if err != nil {
		return m.giveUp(h, name, err)
	}
	pieces := &heldPieces{store: o.cfg.Store, info: info, began: func() error {
		if v.Placed {
			return nil
		}
		v.Placed = true
		return m.written.Put(h, v)
	}}
	total := len(pieces.Indexes())
	if _, err := o.cfg.Foreground.Adopt(ctx, file, v.Start, pieces); err != nil {
		if v.Placed || ctx.Err() != nil {
			return err // what was placed must not be left behind
		}
		return m.giveUp(h, name, err)
	}
	if err := o.cfg.Background.Forget(h); err != nil && !errors.Is(err, background.ErrUnknown) {
		return err
	}
	m.strike(h)
	swarm.Tell(o.cfg.Log, "promoted", h, fmt.Sprintf("%s is one of your downloads now; %s became part of it", name, count(total, "fragment")))
	return nil
}

// giveUp ends a promotion that cannot be; the swarm is helped on.
func (m *moves) giveUp(h swarm.InfoHash, name string, why error) error {
	if err := m.owner.cfg.Background.Resume(h); err != nil && !errors.Is(err, background.ErrUnknown) {
		return err
	}
	m.strike(h)
	swarm.Tell(m.owner.cfg.Log, "failed", h, fmt.Sprintf("%s could not be made yours, and is helped on: %v", name, why))
	return nil
}

// torrentFile is a .torrent file of an info dictionary and trackers.
func torrentFile(info []byte, trackers []string) ([]byte, error) {
	t := metainfo.MetaInfo{InfoBytes: info}
	seen := make(map[string]bool)
	for _, url := range trackers {
		if !seen[url] {
			seen[url] = true
			t.AnnounceList = append(t.AnnounceList, []string{url})
		}
	}
	var b bytes.Buffer
	if err := t.Write(&b); err != nil {
		return nil, fmt.Errorf("writing a torrent file: %w", err)
	}
	return b.Bytes(), nil
}

// heldPieces are the fragments of a swarm, to be placed in a download.
type heldPieces struct {
	store *fragstore.Store
	info  *peerwire.Info
	began func() error // something is about to be placed
}

var _ foreground.Pieces = (*heldPieces)(nil)

func (p *heldPieces) Indexes() []uint32 { return p.store.Held(p.info.Hash) }

func (p *heldPieces) Open(index uint32) (io.ReadCloser, error) {
	if err := p.began(); err != nil {
		return nil, err
	}
	r, err := p.store.Open(fragstore.Key{Hash: p.info.Hash, Index: index}, p.info.PieceHash(int(index)))
	if err != nil {
		return nil, err
	}
	return r.File(), nil // the kernel can copy from one file to another by itself
}

func (p *heldPieces) Placed(indexes []uint32) error {
	keys := make([]fragstore.Key, len(indexes))
	for i, index := range indexes {
		keys[i] = fragstore.Key{Hash: p.info.Hash, Index: index}
	}
	_, err := p.store.Delete(keys...)
	return err
}
