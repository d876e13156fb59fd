package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"ebb/webui"
)

// watchInterval is how often the live view is drawn anew, as the page is.
const watchInterval = 2 * time.Second

// watch is 'ebb watch', a live view. It ends with Ctrl-C, which is no failure.
func watch(ctx context.Context, c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	if _, _, terminal := screen(c.out); !terminal {
		return wrongUsage("a live view needs a terminal; for programs there is 'ebb status -json'")
	}
	agent, err := c.agent()
	if err != nil {
		return err
	}
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		v, err := look(ctx, agent)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		rows, columns, _ := screen(c.out)
		var text bytes.Buffer
		v.write(&text, c)
		io.WriteString(c.out, "\x1b[H\x1b[2J"+crop(text.String(), rows-1, columns))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// view is what a live view shows.
type view struct {
	status     webui.Status
	foreground webui.List[webui.ForegroundTorrent]
	background webui.List[webui.BackgroundSwarm]
}

func look(ctx context.Context, agent *client) (v view, err error) {
	if err := agent.get(ctx, "status", &v.status); err != nil {
		return v, err
	}
	if err := agent.get(ctx, "foreground?limit=50", &v.foreground); err != nil {
		return v, err
	}
	return v, agent.get(ctx, "background", &v.background)
}

// write draws the view: what is under way first.
func (v view) write(w io.Writer, c *call) {
	s := v.status
	fmt.Fprintf(w, "ebb %s  %s\n\n", clean(s.Version), c.paint(stateColour(s.State), clean(s.Why)))
	t := &table{}
	t.row("Background", "up "+rate(s.Background.UploadRate), "down "+rate(s.Background.DownloadRate), "served "+size(s.Background.Uploaded))
	t.row("Downloads", "up "+rate(s.Foreground.UploadRate), "down "+rate(s.Foreground.DownloadRate))
	if s.Link.Interface != "" {
		t.row("Others", "up "+rate(s.Link.OthersUp), "down "+rate(s.Link.OthersDown), fmt.Sprintf("queue %.0f ms", s.Link.QueueDelayMS))
	}
	t.row("Lent", size(s.Background.StorageUsed), "of "+size(s.Background.StorageAllotment), bar(s.Background.StorageUsed, s.Background.StorageAllotment, 20))
	t.write(w)

	fmt.Fprintf(w, "\n%s\n", plural(v.foreground.Total, "download"))
	t = &table{right: []bool{false, false, false, true, true}}
	for _, f := range v.foreground.Items {
		t.row(bar(f.Completed, f.Length, 20), percent(f.Completed, f.Length), f.State, rate(f.DownloadRate), plural(f.Peers, "peer"), cmp.Or(f.Name, f.Hash.String()))
	}
	t.write(w)

	fmt.Fprintf(w, "\n%s helped\n", plural(v.background.Total, "swarm"))
	slices.SortStableFunc(v.background.Items, func(a, b webui.BackgroundSwarm) int {
		return cmp.Or(cmp.Compare(b.UploadRate+b.DownloadRate, a.UploadRate+a.DownloadRate), cmp.Compare(b.Peers, a.Peers))
	})
	t = &table{right: []bool{false, false, true, true, true}}
	for _, b := range v.background.Items[:min(len(v.background.Items), 100)] {
		t.row(bar(int64(b.Fragments), int64(b.Pieces), 20), b.State, "up "+rate(b.UploadRate), "served "+size(b.Uploaded), plural(b.Peers, "peer"), cmp.Or(b.Name, b.Hash.String()))
	}
	t.write(w)
}

func stateColour(s webui.State) string {
	switch s {
	case webui.StateSharing:
		return green
	case webui.StateOff:
		return ""
	}
	return yellow
}

// crop cuts text to what a screen can show. What colours it takes no room.
func crop(text string, rows, columns int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if rows > 0 && len(lines) > rows {
		lines = lines[:rows]
	}
	for i, line := range lines {
		lines[i] = cropLine(line, columns)
	}
	return strings.Join(lines, "\n")
}

func cropLine(line string, columns int) string {
	shown, inside := 0, false
	for i, r := range line {
		switch {
		case r == '\x1b':
			inside = true
		case inside:
			inside = r != 'm'
		case columns > 0 && shown == columns:
			return line[:i] + "\x1b[0m"
		default:
			shown++
		}
	}
	return line
}
