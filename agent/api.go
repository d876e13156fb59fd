package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"ebb/agent/background"
	"ebb/agent/foreground"
	"ebb/agent/peerwire"
	"ebb/agent/prefs"
	"ebb/webui"
)

// The methods in this file and in api_background.go make Agent a webui.Agent.
var _ webui.Agent = (*Agent)(nil)

// Events is the agent's story.
func (a *Agent) Events() *webui.EventLog { return a.story.events }

// Status is one picture of now.
func (a *Agent) Status(context.Context) (webui.Status, error) {
	p := a.current()
	usage := a.ledger.Usage()
	up, down := a.bandwidth.Rates()
	upLimit, downLimit := a.bandwidth.Limits()
	uploaded, downloaded := a.bandwidth.Totals()
	fragments, _ := a.store.Stats()
	swarms := a.background.Swarms()

	s := webui.Status{
		Version:       Version,
		UptimeSeconds: int64(time.Since(a.started).Seconds()),
		Background: webui.BackgroundStatus{
			UploadRate: up, DownloadRate: down, UploadLimit: upLimit, DownloadLimit: downLimit,
			Uploaded: uploaded, Downloaded: downloaded,
			StorageUsed: usage.Used, StorageLimit: usage.Limit, StorageAllotment: usage.Allotment,
			Fragments: fragments, Swarms: len(swarms), Candidates: len(a.candidates.List()),
		},
		Foreground: a.foregroundStatus(p),
		Disk:       webui.DiskStatus{Free: usage.DiskFree, Total: usage.DiskTotal, Promised: usage.Promised},
		// The interface stays empty: nothing looks at the line yet.
		Link: webui.LinkStatus{LineUp: p.Network.LineUp.BytesPerSecond(), LineDown: p.Network.LineDown.BytesPerSecond()},
	}
	on, state, why := allotted(p, usage.Allotment, time.Now())
	s.State, s.Why = webui.State(state), why
	switch {
	case !on:
	case usage.Limit < usage.Allotment:
		s.State = webui.StateYielding
		s.Why = fmt.Sprintf("yielding: the disk is short, so fragments may use %s of the %s allotted",
			prefs.Size(usage.Limit), prefs.Size(usage.Allotment))
	case len(swarms) == 0:
		s.Why = "sharing: no swarm to help yet; ebb hears of them from the peers of your downloads"
	default:
		s.Why = fmt.Sprintf("sharing: %s of %s", count(fragments, "fragment"), count(len(swarms), "swarm"))
	}
	return s, nil
}

// count is a number of things, in words.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

func (a *Agent) foregroundStatus(p prefs.Preferences) webui.ForegroundStatus {
	limit := func(r prefs.Rate) int64 {
		if r.Unlimited() {
			return webui.Unlimited
		}
		return r.BytesPerSecond()
	}
	s := webui.ForegroundStatus{UploadLimit: limit(p.Foreground.Upload), DownloadLimit: limit(p.Foreground.Download)}
	for _, t := range a.foreground.Torrents() {
		s.Torrents++
		s.UploadRate += t.UploadRate
		s.DownloadRate += t.DownloadRate
		s.Uploaded += t.Uploaded
		s.Downloaded += t.Downloaded
		if t.Running() && !t.Complete() {
			s.Active++
		}
	}
	return s
}

// Preferences are those in force.
func (a *Agent) Preferences(context.Context) (prefs.Preferences, error) { return a.current(), nil }

// SetPreferences saves p and puts it into force.
func (a *Agent) SetPreferences(_ context.Context, p prefs.Preferences) error {
	if dir := a.current().State.Directory; p.State.Directory != dir {
		return &webui.BadRequest{Err: fmt.Errorf("state.directory cannot change while ebb runs on %s: stop it, move the directory, and edit the file", dir)}
	}
	// The first time there may be no directory for the file yet.
	if err := os.MkdirAll(filepath.Dir(a.configPath), 0o755); err != nil {
		return fmt.Errorf("saving the preferences: %w", err)
	}
	if err := prefs.Save(a.configPath, p); err != nil {
		return err
	}
	a.apply(p)
	return nil
}

// Foreground lists the owner's torrents.
func (a *Agent) Foreground(context.Context) ([]webui.ForegroundTorrent, error) {
	torrents := a.foreground.Torrents()
	list := make([]webui.ForegroundTorrent, 0, len(torrents))
	for _, t := range torrents {
		list = append(list, foregroundTorrent(t))
	}
	return list, nil
}

// ForegroundTorrent is one of them.
func (a *Agent) ForegroundTorrent(_ context.Context, h infoHash) (webui.ForegroundTorrent, error) {
	t, ok := a.foreground.Torrent(h)
	if !ok {
		return webui.ForegroundTorrent{}, webui.ErrNotFound
	}
	return foregroundTorrent(t), nil
}

func foregroundTorrent(t foreground.Torrent) webui.ForegroundTorrent {
	return webui.ForegroundTorrent{
		Hash: t.Hash, Name: t.Name, State: string(t.State), Why: t.Why(), Private: t.Private,
		Length: t.Length, Completed: t.Completed,
		DownloadRate: t.DownloadRate, UploadRate: t.UploadRate, Downloaded: t.Downloaded, Uploaded: t.Uploaded,
		Peers: t.Peers, Seeds: t.Seeds, Directory: t.Directory, Added: t.AddedAt,
	}
}

// AddForeground adds a download of the owner's. If the background helps that
// swarm it leaves it first: the owner's wish comes before.
func (a *Agent) AddForeground(ctx context.Context, s webui.Source, start bool) (infoHash, error) {
	var add func() (infoHash, error)
	if s.File != nil {
		t, err := peerwire.ParseTorrent(s.File)
		if err != nil {
			return noHash, &webui.BadRequest{Err: err}
		}
		if err := a.makeWay(t.Info.Hash); err != nil {
			return noHash, err
		}
		add = func() (infoHash, error) { return a.foreground.AddTorrent(ctx, s.File, start) }
	} else {
		if m, err := peerwire.ParseMagnet(s.URI); err == nil {
			if err := a.makeWay(m.Hash); err != nil {
				return noHash, err
			}
		}
		add = func() (infoHash, error) { return a.foreground.AddURI(ctx, s.URI, start) }
	}
	h, err := add()
	return h, foregroundError(err)
}

// makeWay leaves a background swarm that is to be a download.
func (a *Agent) makeWay(h infoHash) error {
	if err := a.background.Leave(h); err != nil && !errors.Is(err, background.ErrUnknown) {
		return err
	}
	return nil
}

// foregroundError gives an error of the foreground the type that the API turns
// into an answer.
func foregroundError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, foreground.ErrUnknown):
		return webui.ErrNotFound
	case errors.Is(err, foreground.ErrExists):
		return fmt.Errorf("%w: %w", webui.ErrConflict, err)
	case errors.Is(err, foreground.ErrBadSource):
		return &webui.BadRequest{Err: err}
	default:
		return err
	}
}

// RemoveForeground forgets a download.
func (a *Agent) RemoveForeground(_ context.Context, h infoHash, deleteData bool) error {
	return foregroundError(a.foreground.Remove(h, deleteData))
}

// StartForeground starts a download.
func (a *Agent) StartForeground(_ context.Context, h infoHash) error {
	return foregroundError(a.foreground.Start(h))
}

// StopForeground stops a download.
func (a *Agent) StopForeground(_ context.Context, h infoHash) error {
	return foregroundError(a.foreground.Stop(h))
}
