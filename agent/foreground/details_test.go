package foreground_test

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"testing"

	"ebb/agent/foreground"
	"ebb/agent/swarm"
)

func TestDetailsAreFilesAndPeers(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	s := w.open()
	w.add(c)
	w.awaitState(c.Hash, foreground.Downloading)
	d, err := s.Details(w.ctx, c.Hash)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Files) != 1 || filepath.Base(d.Files[0].Path) != "film.bin" || d.Files[0].Length != 1<<20 || d.Files[0].OnDisk != 0 || len(d.Peers) != 0 {
		t.Errorf("before there was a peer: %+v", d)
	}
	seed := w.seed(c)
	w.door.Found(c.Hash, []netip.AddrPort{seed.Addr(c)})
	w.complete(c)
	if d, err = s.Details(w.ctx, c.Hash); err != nil || len(d.Files) != 1 || d.Files[0].OnDisk != 1<<20 {
		t.Errorf("complete: %+v, %v", d, err)
	}
	if len(d.Peers) > 0 && (!d.Peers[0].Dialled || d.Peers[0].Addr != seed.Addr(c) || d.Peers[0].Client == "") {
		t.Errorf("the peer is %+v", d.Peers[0])
	}
	if _, err := s.Details(w.ctx, swarm.InfoHash{1}); !errors.Is(err, foreground.ErrUnknown) {
		t.Errorf("of what is not there: %v", err)
	}
	ended, cancel := context.WithCancel(w.ctx)
	cancel()
	if d, err = s.Details(ended, c.Hash); err != nil || len(d.Files) != 1 {
		t.Errorf("for somebody who is gone: %+v, %v", d, err)
	}
}
