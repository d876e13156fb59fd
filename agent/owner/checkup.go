package owner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"time"

	"ebb/agent/foreground"
	"ebb/agent/peersource"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/platform"
	"ebb/quota"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
	"ebb/quota/line"
	"ebb/quota/line/govern"
	"ebb/webui"
)

// diagnosis gathers findings.
type diagnosis []webui.Finding

func (d *diagnosis) add(level, about, format string, args ...any) {
	*d = append(*d, webui.Finding{About: about, Level: level, Text: fmt.Sprintf(format, args...)})
}

// Kept is what an agent keeps on disk, and what guards it. It can be looked over while the agent does not run.
type Kept struct {
	Preferences *prefs.Live
	StatePath   string // the state directory
	Downloads   string // the directory of the owner's downloads
	Store       *fragstore.Store
	Ledger      *disk.Ledger
	Disk        *disk.Watch
}

// Doctor looks over everything that ebb keeps on disk while it runs, and with mend repairs what can be repaired.
func (o *Owner) Doctor(ctx context.Context, mend bool) (webui.Diagnosis, error) {
	var d diagnosis
	d.checkKept(o.cfg.Kept, mend)
	d.checkDownloads(o.cfg.Foreground.Torrents(), o.cfg.Announcer.Reports)
	d.checkDHT(o.cfg.DHT, time.Since(o.started))
	d.checkLine(ctx, o.cfg.Preferences.Get())
	d.checkFirstHop(o.cfg.Governor.FirstHop())
	d.checkBelief(o.cfg.Governor.Status().Beliefs)
	d.checkConfinement(platform.System.Confinement())
	return webui.Diagnosis{Findings: d}, nil
}

// Directories are those that an agent writes to, its preferences apart.
func (o *Owner) Directories() []string { return []string{o.cfg.StatePath, o.cfg.Downloads} }

// CheckUp is the same for an agent that does not run.
func CheckUp(ctx context.Context, k Kept, mend bool) webui.Diagnosis {
	d := diagnosis{{About: "ebb", Level: webui.FindingNote, Text: "it is not running"}}
	d.checkKept(k, mend)
	d.checkLine(ctx, k.Preferences.Get())
	return webui.Diagnosis{Findings: d}
}

func (d *diagnosis) checkKept(k Kept, mend bool) {
	p := k.Preferences.Get()
	d.checkAllotment(k, p)
	d.checkDisks(k, p)
	d.checkStore(k.Store, mend)
}

func (d *diagnosis) checkAllotment(k Kept, p prefs.Preferences) {
	u := k.Ledger.Usage()
	on, _, why := quota.Allotted(p, u.Allotment, time.Now())
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

func (d *diagnosis) checkDisks(k Kept, p prefs.Preferences) {
	u := k.Ledger.Usage()
	where := k.StatePath
	switch {
	case u.DiskError != nil: // said already
	case u.ReadOnly:
		d.add(webui.FindingProblem, "disk", "%s is on a file system that is read-only, often because it found an error: look at the kernel's log, and check the disk", where)
	default:
		d.add(webui.FindingOK, "disk", "%s: %s free of %s", where, prefs.Size(u.DiskFree).Rounded(), prefs.Size(u.DiskTotal).Rounded())
	}
	if !u.SameDisk {
		d.add(webui.FindingOK, "downloads' disk", "%s: %s free of %s, on another disk than the fragments: reclaiming them makes no room there",
			k.Downloads, prefs.Size(u.Downloads.Free).Rounded(), prefs.Size(u.Downloads.Total).Rounded())
	}
	switch drive, silent := k.Disk.Drive(); {
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

func (d *diagnosis) checkDownloads(torrents []foreground.Torrent, reports func(swarm.InfoHash) []peersource.Report) {
	well := 0
	for _, t := range torrents {
		text, grave := trouble(trackers(reports(t.Hash)))
		name := cmp.Or(t.Name, t.Hash.String())
		switch {
		case t.State == foreground.Failed || t.State == foreground.Away:
			d.add(webui.FindingProblem, "downloads", "%s: %s", name, t.Error)
		case text != "" && grave && t.Peers == 0 && !t.Complete():
			d.add(webui.FindingProblem, "downloads", "%s has no peers: %s", name, text)
		case text != "":
			d.add(webui.FindingNote, "downloads", "%s: %s", name, text)
		default:
			well++
		}
	}
	if well == len(torrents) {
		d.add(webui.FindingOK, "downloads", "%s, none with a problem", count(len(torrents), "download"))
	}
}

// dhtPatience is how long the DHT may take to find its first nodes before that is worth a word.
const dhtPatience = time.Minute

// checkDHT tells how the DHT is.
func (d *diagnosis) checkDHT(dht *peersource.DHT, uptime time.Duration) {
	switch {
	case dht == nil:
		d.add(webui.FindingNote, "DHT", "it is switched off (network.dht), so peers are found by trackers only")
	case dht.Nodes() > 0:
		d.add(webui.FindingOK, "DHT", "%s known", count(dht.Nodes(), "node"))
	case uptime < dhtPatience:
		d.add(webui.FindingNote, "DHT", "no node has answered yet; ebb has just started")
	default:
		d.add(webui.FindingProblem, "DHT", "no node answers, so it finds no peers: is UDP let out by your router? (network.dht_bootstrap)")
	}
}

// checkLine tells what can be sensed of the line and the machine, and what cannot, which is nothing to worry about.
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

// checkBelief tells what the line is believed to carry, since when and why.
func (d *diagnosis) checkBelief(beliefs [2]govern.Belief) {
	for i, direction := range []string{"up", "down"} {
		if b := beliefs[i]; b.Rate > 0 {
			d.add(webui.FindingOK, "what the line carries "+direction, "%s is believed since %s: %s", govern.Bits(b.Rate),
				time.Now().Add(-b.For).Format("2 January 15:04"), b.Why)
		}
	}
}

// checkConfinement tells what the running agent is kept from, should somebody make it do what it never does.
func (d *diagnosis) checkConfinement(c platform.Confinement, err error) {
	const about = "confinement"
	if err != nil {
		d.add(webui.FindingNote, about, "it is not known: %v", err)
		return
	}
	files := "only its own files and the system's can be opened (Landlock)"
	if !c.Files {
		files = "this kernel has no Landlock, or it is switched off, so every file of the user that runs ebb can be opened"
	}
	rights := "there are no special rights"
	if c.Capabilities != 0 {
		rights = fmt.Sprintf("%s of root's are left (run ebb as an ordinary user for none)", count(bits.OnesCount64(c.Capabilities), "right"))
	}
	gained := "none can be gained"
	if !c.NoNewPrivileges {
		gained = "new ones are not ruled out"
	}
	level := webui.FindingOK
	if !c.Files || !c.NoNewPrivileges {
		level = webui.FindingNote
	}
	d.add(level, about, "%s; %s, and %s", files, rights, gained)
}
