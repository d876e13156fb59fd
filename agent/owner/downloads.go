package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ebb/agent/background"
	"ebb/agent/foreground"
	"ebb/agent/peerwire"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/quota/disk"
	"ebb/quota/line"
	"ebb/quota/line/govern"
	"ebb/webui"
)

// The methods in this file and in api_background.go make Agent a webui.Agent.
var _ webui.Agent = (*Agent)(nil)

// Events is the agent's story.
func (a *Agent) Events() *webui.EventLog { return a.events }

// Status is one picture of now.
func (a *Agent) Status(context.Context) (webui.Status, error) {
	p := a.current()
	usage := a.ledger.Usage()
	up, down := a.bandwidth.Rates()
	upLimit, downLimit := a.bandwidth.Limits()
	uploaded, downloaded := a.bandwidth.Totals()
	fragments, _ := a.store.Stats()
	swarms := len(a.background.Hashes())
	line := a.governor.Status()

	s := webui.Status{
		Version:       Version,
		UptimeSeconds: int64(time.Since(a.started).Seconds()),
		Background: webui.BackgroundStatus{
			UploadRate: up, DownloadRate: down, UploadLimit: upLimit, DownloadLimit: downLimit,
			Uploaded: uploaded, Downloaded: downloaded,
			StorageUsed: usage.Used, StorageLimit: usage.Limit, StorageAllotment: usage.Allotment,
			WriteBudget: usage.Writes, WrittenToday: usage.Written, WriteBudgetRenews: usage.Renews,
			Fragments: fragments, Swarms: swarms, Candidates: len(a.candidates.List()),
		},
		Foreground: a.foregroundStatus(p),
		Disk: webui.DiskStatus{
			Free: usage.DiskFree, Total: usage.DiskTotal, Promised: usage.Promised,
			DownloadsFree: usage.Downloads.Free, DownloadsTotal: usage.Downloads.Total, SameDisk: usage.SameDisk,
			ReadOnly: usage.ReadOnly, Asleep: errors.Is(a.disk.Unavailable(), disk.ErrAsleep),
		},
		Link: webui.LinkStatus{
			Interface: line.Interface, LineUp: int64(line.Line.Up), LineDown: int64(line.Line.Down),
			OthersUp: int64(line.Others.Up), OthersDown: int64(line.Others.Down),
			QueueDelayMS: float64(line.Delay.Microseconds()) / 1000,
		},
	}
	s.State, s.Why = a.stateOf(p, usage, line, fragments, swarms)
	return s, nil
}

// stateOf says what the background does, and why.
func (a *Agent) stateOf(p prefs.Preferences, usage disk.Usage, line line.GovernorStatus, fragments, swarms int) (webui.State, string) {
	on, state, why := allotted(p, usage.Allotment, time.Now())
	unavailable := a.disk.Unavailable()
	switch {
	case !on:
		return webui.State(state), why
	case errors.Is(unavailable, disk.ErrAsleep):
		return webui.StatePaused, "paused: the disk sleeps; the background goes on when something else wakes it (background.disk_sleep)"
	case unavailable != nil:
		return webui.StatePaused, fmt.Sprintf("paused: %v", unavailable)
	case usage.DiskError != nil:
		return webui.StatePaused, fmt.Sprintf("paused: free space cannot be measured, so nothing is fetched: %v", usage.DiskError)
	case usage.ReadOnly:
		return webui.StatePaused, "paused: the disk with the fragments is read-only; what is held is still served. Check the disk: ebb doctor"
	case line.State == govern.Paused:
		return webui.StatePaused, line.Reason
	case line.State == govern.Yielding && (swarms > 0 || a.memory.Short()): // then none is joined either
		return webui.StateYielding, line.Reason
	case usage.Limit < usage.Allotment:
		return webui.StateYielding, fmt.Sprintf("yielding: the disk is short, so fragments may use %s of the %s allotted",
			prefs.Size(usage.Limit).Rounded(), prefs.Size(usage.Allotment).Rounded())
	case swarms == 0:
		return webui.StateSharing, "sharing: no swarm to help yet; ebb hears of them from the peers of your downloads"
	}
	why = fmt.Sprintf("sharing: %s of %s", count(fragments, "fragment"), count(swarms, "swarm"))
	if usage.Writes >= 0 && usage.Written >= usage.Writes {
		why += fmt.Sprintf("; today's write budget of %s is spent, so nothing new is fetched until %s",
			prefs.Size(usage.Writes).Rounded(), usage.Renews.Local().Format("15:04"))
	}
	return webui.StateSharing, why
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
func (a *Agent) ForegroundTorrent(_ context.Context, h swarm.InfoHash) (webui.ForegroundTorrent, error) {
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
// swarm already, what it holds becomes part of the download.
func (a *Agent) AddForeground(ctx context.Context, s webui.Source, start bool) (swarm.InfoHash, error) {
	if s.File == nil && !strings.HasPrefix(s.URI, "magnet:") {
		file, err := a.foreground.Fetch(ctx, s.URI)
		if err != nil {
			return swarm.InfoHash{}, foregroundError(err)
		}
		s = webui.Source{File: file}
	}
	h, trackers, err := read(s)
	if err != nil {
		return swarm.InfoHash{}, &webui.BadRequest{Err: err}
	}
	if helped, ok := a.background.Swarm(h); ok {
		if helped.Fragments > 0 {
			return h, a.promote(h, move{Promotion: true, Start: start, Trackers: trackers})
		}
		if err := a.leave(h); err != nil {
			return swarm.InfoHash{}, err
		}
	}
	if s.File != nil {
		_, err = a.foreground.AddTorrent(ctx, s.File, start)
	} else {
		_, err = a.foreground.AddURI(ctx, s.URI, start)
	}
	return h, foregroundError(err)
}

// read looks at what the owner gave us: a torrent file or a magnet link.
func read(s webui.Source) (h swarm.InfoHash, trackers []string, err error) {
	if s.File == nil {
		m, err := peerwire.ParseMagnet(s.URI)
		if err != nil {
			return h, nil, err
		}
		return m.Hash, m.Trackers, nil
	}
	t, err := peerwire.ParseTorrent(s.File)
	if err != nil {
		return h, nil, err
	}
	return t.Info.Hash, t.Trackers, nil
}

// leave leaves a background swarm, if it is one.
func (a *Agent) leave(h swarm.InfoHash) error {
	switch err := a.background.Leave(h); {
	case err == nil, errors.Is(err, background.ErrUnknown):
		return nil
	case errors.Is(err, background.ErrReleased):
		return fmt.Errorf("%w: %w", webui.ErrConflict, err)
	default:
		return err
	}
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

// RemoveForeground forgets a download, or keeps on helping its swarm.
func (a *Agent) RemoveForeground(_ context.Context, h swarm.InfoHash, r webui.Removal) error {
	if r.KeepHelping {
		return a.keepHelping(h, r.DeleteData)
	}
	a.moves.cancel(h)
	return foregroundError(a.foreground.Remove(h, r.DeleteData))
}

// StartForeground starts a download.
func (a *Agent) StartForeground(_ context.Context, h swarm.InfoHash) error {
	if _, moving := a.moves.read(h); moving {
		return fmt.Errorf("%w: it is being turned into fragments", webui.ErrConflict)
	}
	return foregroundError(a.foreground.Start(h))
}

// StopForeground stops a download.
func (a *Agent) StopForeground(_ context.Context, h swarm.InfoHash) error {
	return foregroundError(a.foreground.Stop(h))
}
