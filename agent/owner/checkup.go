package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ebb/agent/foreground"
	"ebb/agent/prefs"
	"ebb/platform"
	"ebb/quota/disk/fragstore"
	"ebb/quota/line"
	"ebb/webui"
)

// diagnosis gathers findings.
type diagnosis []webui.Finding

func (d *diagnosis) add(level, about, format string, args ...any) {
	*d = append(*d, webui.Finding{About: about, Level: level, Text: fmt.Sprintf(format, args...)})
}

// Doctor looks over everything that ebb keeps on disk while it runs, and with
// mend repairs what can be repaired.
func (a *Agent) Doctor(ctx context.Context, mend bool) (webui.Diagnosis, error) {
	var d diagnosis
	p := a.current()
	d.checkAllotment(a, p)
	d.checkDisks(a, p)
	d.checkStore(a.store, mend)
	d.checkDownloads(a.foreground.Torrents())
	d.checkLine(ctx, p)
	d.checkFirstHop(a.governor.FirstHop())
	return webui.Diagnosis{Findings: d}, nil
}

// Doctor is the same for an agent that does not run. Opening the store mends
// what a crash has left behind, as every start does.
func Doctor(o Options, mend bool) (_ webui.Diagnosis, err error) {
	a, err := build(o)
	if err != nil {
		return webui.Diagnosis{}, err
	}
	defer a.close()
	p := a.current()
	for _, open := range []func(prefs.Preferences) error{a.openState, a.openQuota} {
		if err := open(p); err != nil {
			return webui.Diagnosis{}, err
		}
	}
	d := diagnosis{{About: "ebb", Level: webui.FindingNote, Text: "it is not running"}}
	d.checkAllotment(a, p)
	d.checkDisks(a, p)
	d.checkStore(a.store, mend)
	d.checkLine(context.Background(), p)
	return webui.Diagnosis{Findings: d}, nil
}

func (d *diagnosis) checkAllotment(a *Agent, p prefs.Preferences) {
	u := a.ledger.Usage()
	on, _, why := allotted(p, u.Allotment, time.Now())
	switch {
	case u.DiskError != nil:
		d.add(webui.FindingProblem, "allotment", "free space cannot be measured, so nothing is fetched: %v", u.DiskError)
	case !on:
		d.add(webui.FindingNote, "allotment", "%s", why)
	case u.Used > u.Limit:
		d.add(webui.FindingProblem, "allotment", "the background uses %s, and may use %s", prefs.Size(u.Used).Rounded(), prefs.Size(u.Limit).Rounded())
	default:
		d.add(webui.FindingOK, "allotment", "the background uses %s of the %s that it may", prefs.Size(u.Used).Rounded(), prefs.Size(u.Limit).Rounded())
	}
	if u.Writes >= 0 && on {
		d.add(webui.FindingOK, "write budget", "%s of %s written today", prefs.Size(u.Written).Rounded(), prefs.Size(u.Writes).Rounded())
	}
}

func (d *diagnosis) checkDisks(a *Agent, p prefs.Preferences) {
	u := a.ledger.Usage()
	where := a.state.path
	switch {
	case u.DiskError != nil: // said already
	case u.ReadOnly:
		d.add(webui.FindingProblem, "disk", "%s is on a file system that is read-only, often because it found an error: look at the kernel's log, and check the disk", where)
	default:
		d.add(webui.FindingOK, "disk", "%s: %s free of %s", where, prefs.Size(u.DiskFree).Rounded(), prefs.Size(u.DiskTotal).Rounded())
	}
	if !u.SameDisk {
		d.add(webui.FindingOK, "downloads' disk", "%s: %s free of %s, on another disk than the fragments: reclaiming them makes no room there",
			a.downloads(p), prefs.Size(u.Downloads.Free).Rounded(), prefs.Size(u.Downloads.Total).Rounded())
	}
	switch drive, silent := a.disk.Drive(); {
	case drive.Name == "":
		d.add(webui.FindingNote, "drive", "what kind of drive this is cannot be told, so it is never taken to be asleep")
	case !drive.Rotational:
		d.add(webui.FindingOK, "drive", "%s does not spin", drive.Name)
	case p.Background.DiskSleep == prefs.DiskSleepIgnore:
		d.add(webui.FindingNote, "drive", "%s spins, and is woken when the background wants it: background.disk_sleep = \"ignore\"", drive.Name)
	case silent != nil:
		d.add(webui.FindingNote, "drive", "%s spins and does not tell us whether it sleeps, so the background may keep it awake: %v", drive.Name, silent)
	default:
		d.add(webui.FindingOK, "drive", "%s spins; the background waits while it sleeps", drive.Name)
	}
}

func (d *diagnosis) checkStore(store *fragstore.Store, mend bool) {
	if err := store.Lost(); err != nil {
		d.add(webui.FindingProblem, "fragments", "%v", err)
		return
	}
	err := store.Check()
	if err != nil && mend {
		mended, mendErr := store.Mend()
		for _, text := range mended {
			*d = append(*d, webui.Finding{About: "fragments", Level: webui.FindingProblem, Text: text, Mended: true})
		}
		err = errors.Join(mendErr, store.Check())
	}
	if err != nil {
		d.addLines(webui.FindingProblem, "fragments", err)
		return
	}
	fragments, swarms := store.Stats()
	d.add(webui.FindingOK, "fragments", "%s of %s: index, files and ledger agree", count(fragments, "fragment"), count(swarms, "swarm"))
}

// addLines makes a finding of each line of an error.
func (d *diagnosis) addLines(level, about string, err error) {
	for line := range strings.Lines(err.Error()) {
		d.add(level, about, "%s", strings.TrimSpace(line))
	}
}

func (d *diagnosis) checkDownloads(torrents []foreground.Torrent) {
	failed := 0
	for _, t := range torrents {
		if t.State == foreground.Failed {
			failed++
			d.add(webui.FindingProblem, "downloads", "%s: %s", t.Name, t.Error)
		}
	}
	if failed == 0 {
		d.add(webui.FindingOK, "downloads", "%s, none with a problem", count(len(torrents), "download"))
	}
}

// checkLine tells what can be sensed of the line and the machine, and what
// cannot, which is nothing to worry about.
func (d *diagnosis) checkLine(ctx context.Context, p prefs.Preferences) {
	only := p.Network.WANInterface
	if only == "auto" {
		only = ""
	}
	for _, f := range platform.System.Report(ctx, only, nil) {
		level := webui.FindingOK
		if !f.Known {
			level = webui.FindingNote
		}
		d.add(level, f.About, "%s", f.Text)
	}
}

// checkFirstHop tells what is known of the first hop beyond the line.
func (d *diagnosis) checkFirstHop(known line.FirstHop) {
	const about = "first hop beyond the line"
	switch hop := known.Hop; {
	case hop.Number > 0:
		d.add(webui.FindingOK, about, "%s, %s away, answered pings last in %.1f ms", hop.Addr, count(hop.Number, "hop"), hop.RTT.Seconds()*1000)
	case known.Silence != "":
		d.add(webui.FindingNote, about, "none answers, so only the background's own connections tell of the line's queue: %s", known.Silence)
	default:
		d.add(webui.FindingNote, about, "it has not been asked, or not while the line was free: it is while the background is busy")
	}
}
