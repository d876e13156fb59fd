package owner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ebb/agent/prefs"
	"ebb/quota"
	"ebb/quota/disk"
	"ebb/quota/line"
	"ebb/quota/line/govern"
	"ebb/webui"
)

// Events is the agent's story.
func (o *Owner) Events() *webui.EventLog { return o.cfg.Events }

// Status is one picture of now.
func (o *Owner) Status(context.Context) (webui.Status, error) {
	p := o.cfg.Preferences.Get()
	usage := o.cfg.Ledger.Usage()
	up, down := o.cfg.Bandwidth.Rates()
	upLimit, downLimit := o.cfg.Bandwidth.Limits()
	uploaded, downloaded := o.cfg.Bandwidth.Totals()
	fragments, _ := o.cfg.Store.Stats()
	swarms := len(o.cfg.Background.Hashes())
	line := o.cfg.Governor.Status()

	s := webui.Status{
		Version:       o.cfg.Version,
		UptimeSeconds: int64(time.Since(o.started).Seconds()),
		Background: webui.BackgroundStatus{
			UploadRate: up, DownloadRate: down, UploadLimit: upLimit, DownloadLimit: downLimit,
			Uploaded: uploaded, Downloaded: downloaded,
			StorageUsed: usage.Used, StorageLimit: usage.Limit, StorageAllotment: usage.Allotment,
			WriteBudget: usage.Writes, WrittenToday: usage.Written, WriteBudgetRenews: usage.Renews,
			Fragments: fragments, Swarms: swarms, Candidates: len(o.cfg.Candidates.List()),
		},
		Foreground: o.foregroundStatus(p),
		Disk: webui.DiskStatus{
			Free: usage.DiskFree, Total: usage.DiskTotal, Promised: usage.Promised,
			DownloadsFree: usage.Downloads.Free, DownloadsTotal: usage.Downloads.Total, SameDisk: usage.SameDisk,
			ReadOnly: usage.ReadOnly, Asleep: errors.Is(o.cfg.Disk.Unavailable(), disk.ErrAsleep),
		},
		Link: webui.LinkStatus{
			Interface: line.Interface, LineUp: int64(line.Line.Up), LineDown: int64(line.Line.Down),
			OthersUp: int64(line.Others.Up), OthersDown: int64(line.Others.Down),
			QueueDelayMS: float64(line.Delay.Microseconds()) / 1000,
		},
	}
	s.NextStart = append([]string{}, prefs.NeedRestart(o.began, p)...)
	s.State, s.Why = o.stateOf(p, usage, line, fragments, swarms)
	return s, nil
}

// stateOf says what the background does, and why.
func (o *Owner) stateOf(p prefs.Preferences, usage disk.Usage, line line.GovernorStatus, fragments, swarms int) (webui.State, string) {
	on, state, why := quota.Allotted(p, usage.Allotment, time.Now())
	unavailable := o.cfg.Disk.Unavailable()
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
	case line.State == govern.Yielding && (swarms > 0 || o.cfg.Memory.Short()): // then none is joined either
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

func (o *Owner) foregroundStatus(p prefs.Preferences) webui.ForegroundStatus {
	limit := func(r prefs.Rate) int64 {
		if r.Unlimited() {
			return webui.Unlimited
		}
		return r.BytesPerSecond()
	}
	s := webui.ForegroundStatus{UploadLimit: limit(p.Foreground.Upload), DownloadLimit: limit(p.Foreground.Download), Directory: o.cfg.Foreground.Directory()}
	for _, t := range o.cfg.Foreground.Torrents() {
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

// Line is the last ten minutes of the line.
func (o *Owner) Line(context.Context) ([]webui.LineMoment, error) {
	history := o.cfg.Governor.History()
	moments := make([]webui.LineMoment, len(history))
	for i, m := range history {
		moments[i] = webui.LineMoment{
			At: m.At, Up: int64(m.Own.Up), Down: int64(m.Own.Down), OthersUp: int64(m.Others.Up), OthersDown: int64(m.Others.Down),
			LineUp: int64(m.Line.Up), LineDown: int64(m.Line.Down), QueueDelayMS: float64(m.Queue.Microseconds()) / 1000, Why: m.Reason,
		}
	}
	return moments, nil
}
