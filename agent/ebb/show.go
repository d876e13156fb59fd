package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ebb/agent/swarm"
	"ebb/webui"
)

func list(ctx context.Context, c *call) error {
	asJSON := c.flags.Bool("json", false, "print JSON")
	hashes := c.flags.Bool("hashes", false, "print info-hashes only")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	agent, err := c.agent()
	if err != nil {
		return err
	}
	var all struct {
		Foreground webui.List[webui.ForegroundTorrent] `json:"foreground"`
		Background webui.List[webui.BackgroundSwarm]   `json:"background"`
	}
	if err := agent.get(ctx, "foreground", &all.Foreground); err != nil {
		return err
	}
	if err := agent.get(ctx, "background", &all.Background); err != nil {
		return err
	}
	if *asJSON {
		return c.printJSON(all)
	}
	if *hashes {
		for _, f := range all.Foreground.Items {
			fmt.Fprintln(c.out, f.Hash.String())
		}
		for _, b := range all.Background.Items {
			fmt.Fprintln(c.out, b.Hash.String())
		}
		return nil
	}
	fmt.Fprintf(c.out, "%s\n", plural(all.Foreground.Total, "download"))
	if all.Foreground.Total > 0 {
		foregroundTable(all.Foreground.Items).write(c.out)
	}
	for _, f := range all.Foreground.Items {
		if f.State == "failed" || strings.HasPrefix(f.State, "waiting") { // what the owner can do something about
			fmt.Fprintf(c.out, "%s: %s\n", f.Hash.String()[:8], clean(f.Why))
		}
		if f.Trouble != "" {
			fmt.Fprintf(c.out, "%s: %s\n", f.Hash.String()[:8], clean(f.Trouble))
		}
	}
	fmt.Fprintf(c.out, "\n%s helped\n", plural(all.Background.Total, "swarm"))
	if all.Background.Total > 0 {
		backgroundTable(all.Background.Items).write(c.out)
	}
	for _, line := range shared(all.Background.Items, func(b webui.BackgroundSwarm) string { return b.Waiting }, " waits", " wait") {
		fmt.Fprintln(c.out, line)
	}
	for _, line := range shared(all.Background.Items, func(b webui.BackgroundSwarm) string { return b.Trouble }, "", "") {
		fmt.Fprintln(c.out, line)
	}
	return nil
}

// shared says what a text of swarms is about, in one line for each text: often it is the same for all of them. one and
// many are the verbs that go with one swarm and with several.
func shared(swarms []webui.BackgroundSwarm, text func(webui.BackgroundSwarm) string, one, many string) (lines []string) {
	var texts []string // in the order of the list
	who := map[string][]string{}
	for _, b := range swarms {
		t := text(b)
		if t == "" {
			continue
		}
		if who[t] == nil {
			texts = append(texts, t)
		}
		who[t] = append(who[t], b.Hash.String()[:8])
	}
	for _, t := range texts {
		subject := who[t][0] + one
		if n := len(who[t]); n > 1 {
			subject = plural(n, "swarm") + many
		}
		lines = append(lines, subject+": "+clean(t))
	}
	return lines
}

func foregroundTable(torrents []webui.ForegroundTorrent) *table {
	t := &table{right: []bool{false, false, true, true, true, true, true}}
	t.row("HASH", "STATE", "DONE", "SIZE", "DOWN", "UP", "PEERS", "NAME")
	for _, f := range torrents {
		t.row(f.Hash.String()[:8], f.State, percent(f.Completed, f.Length), known(f.Length), rate(f.DownloadRate), rate(f.UploadRate),
			number(int64(f.Peers)), named(f.Name))
	}
	return t
}

func backgroundTable(swarms []webui.BackgroundSwarm) *table {
	t := &table{right: []bool{false, false, true, true, true, true, true, true}}
	t.row("HASH", "STATE", "FRAGMENTS", "HELD", "SERVED", "UP", "PEERS", "SEEDS", "NAME")
	for _, b := range swarms {
		fragments, seeds := number(int64(b.Fragments)), "?"
		if b.Pieces > 0 {
			fragments += " of " + number(int64(b.Pieces))
		}
		if b.Seeds >= 0 {
			seeds = number(int64(b.Seeds))
		}
		state := b.State
		if b.Waiting != "" {
			state += ", waiting"
		}
		t.row(b.Hash.String()[:8], state, fragments, size(b.Bytes), size(b.Uploaded), rate(b.UploadRate), number(int64(b.Peers)), seeds, named(b.Name))
	}
	return t
}

func status(ctx context.Context, c *call) error {
	asJSON := c.flags.Bool("json", false, "print JSON")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	agent, err := c.agent()
	if err != nil {
		return err
	}
	var s webui.Status
	if err := agent.get(ctx, "status", &s); err != nil {
		return err
	}
	if *asJSON {
		return c.printJSON(s)
	}
	statusTable(s).write(c.out)
	return nil
}

func statusTable(s webui.Status) *table {
	b, f, d, l := s.Background, s.Foreground, s.Disk, s.Link
	t := &table{}
	t.row("State", string(s.State))
	t.row("", s.Why)
	t.row("Background", fmt.Sprintf("up %s (limit %s), down %s (limit %s)", rate(b.UploadRate), limit(b.UploadLimit), rate(b.DownloadRate), limit(b.DownloadLimit)))
	t.row("", fmt.Sprintf("served %s, fetched %s", size(b.Uploaded), size(b.Downloaded)))
	t.row("", fmt.Sprintf("%s of %s, %s", plural(b.Fragments, "fragment"), plural(b.Swarms, "swarm"), plural(b.Candidates, "candidate")))
	lent := fmt.Sprintf("%s used of %s lent", size(b.StorageUsed), size(b.StorageAllotment))
	if b.StorageLimit < b.StorageAllotment {
		lent += fmt.Sprintf("; only %s may be used now, to keep the disk free", size(b.StorageLimit))
	}
	t.row("Storage", lent)
	if b.WriteBudget >= 0 && b.WrittenToday > 0 {
		written := fmt.Sprintf("%s of %s written today", size(b.WrittenToday), size(b.WriteBudget))
		if b.WrittenToday >= b.WriteBudget {
			written += "; nothing new is fetched until " + clock(b.WriteBudgetRenews)
		}
		t.row("", written)
	}
	t.row("Foreground", fmt.Sprintf("up %s (limit %s), down %s (limit %s)", rate(f.UploadRate), limit(f.UploadLimit), rate(f.DownloadRate), limit(f.DownloadLimit)))
	t.row("", fmt.Sprintf("%s, %s active", plural(f.Torrents, "download"), number(int64(f.Active))))
	promised := fmt.Sprintf(", %s promised to downloads", size(d.Promised))
	elsewhere := !d.SameDisk && d.DownloadsTotal > 0
	disk := fmt.Sprintf("%s free of %s", size(d.Free), size(d.Total))
	if !elsewhere {
		disk += promised
	}
	t.row("Disk", disk)
	if d.Asleep {
		t.row("", "asleep; the background waits until something else wakes it")
	}
	if d.ReadOnly {
		t.row("", "read-only; nothing can be written to it, see 'ebb doctor'")
	}
	if elsewhere {
		t.row("Downloads", fmt.Sprintf("on another disk, %s free of %s", size(d.DownloadsFree), size(d.DownloadsTotal))+promised)
	}
	if l.Interface != "" {
		t.row("Link", fmt.Sprintf("%s; others use up %s of %s, down %s of %s; queue %.0f ms",
			l.Interface, rate(l.OthersUp), rate(l.LineUp), rate(l.OthersDown), rate(l.LineDown), l.QueueDelayMS))
	}
	if len(s.NextStart) > 0 {
		t.row("Next start", "puts into force: "+strings.Join(s.NextStart, ", "))
	}
	t.row("Agent", fmt.Sprintf("ebb %s, up for %s", s.Version, duration(time.Duration(s.UptimeSeconds)*time.Second)))
	return t
}

func why(ctx context.Context, c *call) error {
	asJSON := c.flags.Bool("json", false, "print JSON")
	agent, f, err := c.target(ctx, "foreground", "background", "candidates")
	if err != nil {
		return err
	}
	if f.kind == "foreground" {
		return c.whyDownload(ctx, agent, f, *asJSON)
	}
	var w webui.Why
	if err := agent.get(ctx, "background/"+f.hash+"/why", &w); err != nil {
		return fmt.Errorf("%v: %w", f, err)
	}
	if *asJSON {
		return c.printJSON(w)
	}
	fmt.Fprintf(c.out, "%s\n", clean(w.Sentence))
	table := whyTable(w)
	if f.kind == "background" {
		var b webui.BackgroundSwarm
		if err := agent.get(ctx, "background/"+f.hash, &b); err != nil {
			return fmt.Errorf("%v: %w", f, err)
		}
		table.trackers(b.Trackers)
	}
	table.write(c.out)
	return nil
}

// whyDownload says what a download does, and what its trackers say.
func (c *call) whyDownload(ctx context.Context, agent *client, f found, asJSON bool) error {
	var d webui.ForegroundTorrent
	if err := agent.get(ctx, "foreground/"+f.hash, &d); err != nil {
		return fmt.Errorf("%v: %w", f, err)
	}
	if asJSON {
		return c.printJSON(d)
	}
	sentence := "one of your downloads, " + d.State + ": " + d.Why
	if d.Trouble != "" {
		sentence += "; " + d.Trouble
	}
	fmt.Fprintf(c.out, "%s\n", clean(sentence))
	t := &table{}
	t.row("Download", named(d.Name))
	t.row("Hash", d.Hash.String())
	t.row("Directory", d.Directory)
	t.moment("Added", d.Added)
	t.trackers(d.Trackers)
	t.write(c.out)
	return nil
}

// trackers adds a row for each tracker.
func (t *table) trackers(list []webui.Tracker) {
	for _, tracker := range list {
		text := tracker.Name + " " + tracker.State
		if tracker.Text != "" {
			text += ": " + tracker.Text
		}
		t.row("Tracker", text)
	}
}

func whyTable(w webui.Why) *table {
	t := &table{}
	t.row("Swarm", named(w.Name))
	t.row("Hash", w.Hash.String())
	t.row("State", string(w.State))
	t.row("Rule", w.Rule)
	t.moment("Joined", w.Joined)
	in := w.Introducer
	if in == nil {
		return t
	}
	who := []string{string(in.Kind)}
	if in.Client != "" {
		who = append(who, in.Client)
	}
	if in.Addr.IsValid() {
		who = append(who, "at "+in.Addr.String())
	}
	t.row("Named by", strings.Join(who, " "))
	if in.PeerID != (swarm.PeerID{}) {
		t.row("Peer ID", in.PeerID.String())
	}
	if !in.ViaHash.IsZero() {
		t.row("Met in", in.ViaHash.String()+" "+in.ViaName)
	}
	t.moment("Heard", in.Heard)
	t.moment("Verified", in.Verified)
	return t
}
