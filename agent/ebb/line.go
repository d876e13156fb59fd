package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"ebb/webui"
)

const (
	// lineColumns is how wide the drawing is: ten seconds a column. chartRows is how high a chart is.
	lineColumns = 60
	chartRows   = 5
	// reasonsMost is how many reasons are told, the latest.
	reasonsMost = 12
)

// drawLine is 'ebb line': what the line was like in the last ten minutes.
func drawLine(ctx context.Context, c *call) error {
	asJSON := c.flags.Bool("json", false, "print JSON")
	if err := c.parse(0, 0); err != nil {
		return err
	}
	agent, err := c.agent()
	if err != nil {
		return err
	}
	var line webui.List[webui.LineMoment]
	if err := agent.get(ctx, "line", &line); err != nil {
		return err
	}
	if *asJSON {
		return c.printJSON(line)
	}
	if len(line.Items) == 0 {
		fmt.Fprintln(c.out, "Nothing is known yet: ebb has just started.")
		return nil
	}
	writeLine(c.out, line.Items)
	return nil
}

// column is what is drawn of some seconds.
type column struct{ ours, others, most float64 }

// writeLine draws three charts, and tells the reasons.
func writeLine(w io.Writer, moments []webui.LineMoment) {
	columns := min(lineColumns, len(moments))
	of := func(value func(webui.LineMoment) column) []column {
		drawn := make([]column, columns)
		for i := range drawn {
			part := moments[i*len(moments)/columns : (i+1)*len(moments)/columns]
			for _, m := range part {
				v := value(m)
				drawn[i].ours += v.ours / float64(len(part))
				drawn[i].others += v.others / float64(len(part))
				drawn[i].most = max(drawn[i].most, v.most)
			}
		}
		return drawn
	}
	first, last := moments[0], moments[len(moments)-1]
	fmt.Fprintf(w, "%s to %s; # is the background, + others in the house\n", first.At.Local().Format("15:04"), last.At.Local().Format("15:04"))
	bytes := func(n float64) string { return rate(int64(n)) }
	chart(w, "up, the line carries "+rate(last.LineUp), bytes, of(func(m webui.LineMoment) column {
		return column{float64(m.Up), float64(m.OthersUp), float64(m.LineUp)}
	}))
	chart(w, "down, the line carries "+rate(last.LineDown), bytes, of(func(m webui.LineMoment) column {
		return column{float64(m.Down), float64(m.OthersDown), float64(m.LineDown)}
	}))
	longest := of(func(m webui.LineMoment) column { return column{most: m.QueueDelayMS} })
	for i := range longest { // the longest, not a mean
		longest[i].ours = longest[i].most
	}
	chart(w, "the line's queue", func(n float64) string { return fmt.Sprintf("%.0f ms", n) }, longest)
	tellReasons(w, moments)
}

// chart draws columns, as parts of the most of them.
func chart(w io.Writer, title string, unit func(float64) string, columns []column) {
	top := 1.0
	for _, c := range columns {
		top = max(top, c.most, c.ours+c.others)
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for row := chartRows; row > 0; row-- {
		label := ""
		if row == chartRows {
			label = unit(top)
		}
		floor := top * (float64(row) - .5) / chartRows
		var text strings.Builder
		for _, c := range columns {
			switch {
			case c.ours >= floor:
				text.WriteByte('#')
			case c.ours+c.others >= floor:
				text.WriteByte('+')
			default:
				text.WriteByte(' ')
			}
		}
		fmt.Fprintf(w, "%12s |%s\n", label, strings.TrimRight(text.String(), " "))
	}
	fmt.Fprintf(w, "%12s +%s\n", "0", strings.Repeat("-", len(columns)))
}

// tellReasons tells when the reason became another one. Figures in it change all the time, and are no other one.
func tellReasons(w io.Writer, moments []webui.LineMoment) {
	words := func(why string) string {
		return strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r == '.' {
				return -1
			}
			return r
		}, why)
	}
	var told []string
	before := ""
	for _, m := range moments {
		if is := words(m.Why); is != before {
			told, before = append(told, fmt.Sprintf("%s  %s", m.At.Local().Format(time.TimeOnly), clean(m.Why))), is
		}
	}
	fmt.Fprintln(w)
	for _, line := range told[max(len(told)-reasonsMost, 0):] {
		fmt.Fprintln(w, line)
	}
}
