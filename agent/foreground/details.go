package foreground

import (
	"cmp"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cenkalti/rain/v2/torrent"

	"ebb/agent/foreground/door"
	"ebb/agent/foreground/files"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/platform"
)

// maxShownPath bounds the path of a file as its torrent calls it, in letters: what Linux takes.
const maxShownPath = 4096

// Details are what is looked up only when somebody wants to see one download closely.
type Details struct {
	Files []FileDetail // none while the metadata is not known
	Peers []PeerDetail // connected now, those that give most first
}

// FileDetail is one file of a download.
type FileDetail struct {
	Path   string // as it is on the disk, below Torrent.Directory
	Name   string // as the torrent calls it, for display only, where that differs from Path; else empty
	Length int64  // bytes
	OnDisk int64  // of Length, bytes; by the blocks that the file has, so within one block
}

// PeerDetail is one peer that a download is connected to.
type PeerDetail struct {
	Addr                     netip.AddrPort
	Client                   string // as it calls itself, for display only; may be empty
	DownloadRate, UploadRate int64  // bytes per second
	Encrypted                bool
	Dialled                  bool // by us
	Since                    time.Time
}

// detailsPatience is how long rain has to tell of its peers: it answers nobody while it waits for the disk.
const detailsPatience = 2 * time.Second

// Details looks up the details of a download. Peers are left out if rain does not tell of them within two seconds.
// It reports ErrUnknown.
func (s *Session) Details(ctx context.Context, h swarm.InfoHash) (Details, error) {
	d, err := s.find(h)
	if err != nil {
		return Details{}, err
	}
	t := d.look()
	list := filesOnDisk(t)
	s.name(h, list)
	return Details{Files: list, Peers: s.peersOf(ctx, t)}, nil
}

// name says how the torrent calls its files.
func (s *Session) name(h swarm.InfoHash, list []FileDetail) {
	rain := s.rain.GetTorrent(h.String())
	if rain == nil || len(list) == 0 {
		return
	}
	raw, err := rain.Torrent()
	if err != nil {
		return // it has no metadata any more
	}
	parsed, err := peerwire.ParseTorrent(raw)
	if err != nil {
		return // see read
	}
	for n, name := range files.Names(parsed.Info) {
		if name = swarm.CleanText(name, maxShownPath); n < len(list) && name != list[n].Path {
			list[n].Name = name
		}
	}
}

// filesOnDisk are the files of a download. Of a complete one all is there, however many blocks it takes.
func filesOnDisk(t Torrent) []FileDetail {
	files := make([]FileDetail, 0, len(t.files))
	for _, f := range t.files {
		detail := FileDetail{Path: f.Path, Length: f.Length}
		if t.Complete() {
			detail.OnDisk = f.Length
		} else if fi, err := os.Lstat(filepath.Join(t.Directory, f.Path)); err == nil && fi.Mode().IsRegular() {
			detail.OnDisk = min(platform.Allocated(fi), f.Length)
		}
		files = append(files, detail)
	}
	return files
}

// peersOf asks rain whom a download is connected to.
func (s *Session) peersOf(ctx context.Context, t Torrent) []PeerDetail {
	if !t.Running() || !s.asking.enter() {
		return nil
	}
	answer := make(chan []torrent.Peer, 1)
	go func() { // ends when the session closes, at the latest
		defer s.asking.leave()
		var peers []torrent.Peer
		if rain := s.rain.GetTorrent(t.Hash.String()); rain != nil {
			peers = rain.Peers()
		}
		answer <- peers
	}()
	ctx, cancel := context.WithTimeout(ctx, detailsPatience)
	defer cancel()
	select {
	case peers := <-answer:
		return peerDetails(peers, s.cfg.Door.Peers(t.Hash))
	case <-ctx.Done():
		return nil
	}
}

// peerDetails puts together what rain knows of its peers and what the door does, by the addresses that rain sees.
func peerDetails(peers []torrent.Peer, carried map[netip.Addr]door.Peer) []PeerDetail {
	details := make([]PeerDetail, 0, len(peers))
	for _, p := range peers {
		addr, err := netip.ParseAddrPort(p.Addr.String())
		if err != nil {
			continue
		}
		if real, ok := carried[addr.Addr().Unmap()]; ok {
			details = append(details, PeerDetail{
				Addr: real.Addr, Client: displayName(real.Client),
				DownloadRate: int64(p.DownloadSpeed), UploadRate: int64(p.UploadSpeed),
				Encrypted: real.Encrypted, Dialled: real.Dialled, Since: real.Since,
			})
		}
	}
	slices.SortStableFunc(details, func(a, b PeerDetail) int {
		return cmp.Compare(b.DownloadRate+b.UploadRate, a.DownloadRate+a.UploadRate)
	})
	return details
}
