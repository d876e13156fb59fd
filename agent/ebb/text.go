package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"ebb/agent/prefs"
	"ebb/webui"
)

// clean takes from text what a terminal would obey instead of show. Names come from strangers.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, text)
}

// oneLine joins the lines of an error, and cleans them.
func oneLine(text string) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	return clean(strings.Join(lines, "; "))
}

func named(name string) string {
	if name == "" {
		return "(no name yet)"
	}
	return name
}

// size writes a number of bytes for people.
func size(bytes int64) string { return prefs.Size(bytes).Rounded() }

// known writes a size that is 0 while it is not known.
func known(bytes int64) string {
	if bytes == 0 {
		return "?"
	}
	return size(bytes)
}

func rate(bytesPerSecond int64) string { return size(bytesPerSecond) + "/s" }

func limit(bytesPerSecond int64) string {
	switch bytesPerSecond {
	case webui.Unlimited:
		return "none"
	case 0:
		return "off"
	}
	return rate(bytesPerSecond)
}

// percent rounds down: what is not complete is not 100 %.
func percent(part, whole int64) string {
	if whole <= 0 {
		return "?"
	}
	return fmt.Sprintf("%d %%", int64(100*(float64(part)/float64(whole))))
}

// number writes n with a comma before every three digits.
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number(int64(n)) + " " + what + "s"
}

// duration writes d in its two largest units.
func duration(d time.Duration) string {
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case days > 0:
		return plural(days, "day") + " " + plural(hours, "hour")
	case hours > 0:
		return plural(hours, "hour") + " " + plural(minutes, "minute")
	case minutes > 0:
		return plural(minutes, "minute")
	}
	return plural(int(d.Seconds()), "second")
}

// clock writes a time of the day to come.
func clock(t time.Time) string {
	switch text := t.Local().Format("15:04"); {
	case t.IsZero():
		return "tomorrow"
	case text == "00:00":
		return "midnight"
	default:
		return text
	}
}

// table aligns columns by padding with spaces.
type table struct {
	right []bool // columns that are aligned to the right
	rows  [][]string
}

// row adds a row. It cleans the cells.
func (t *table) row(cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// moment adds a row of a name and a time, if the time is known.
func (t *table) moment(name string, at time.Time) {
	if !at.IsZero() {
		t.row(name, at.Local().Format("2006-01-02 15:04:05 -0700"))
	}
}

func (t *table) write(w io.Writer) {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	for _, row := range t.rows {
		line := ""
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < len(t.right) && t.right[i] {
				cell = pad + cell
			} else {
				cell += pad
			}
			line += cell + "  "
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	io.WriteString(w, out.String())
}

// printJSON prints v for other programs, and in such a way that a terminal may show it, too: JSON leaves the control
// characters from U+007F on as they are.
func (c *call) printJSON(v any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("printing JSON: %w", err)
	}
	var safe []byte
	for _, r := range text.String() {
		if r == '\n' || unicode.IsPrint(r) {
			safe = utf8.AppendRune(safe, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			safe = fmt.Appendf(safe, `\u%04x`, unit)
		}
	}
	_, err := c.out.Write(safe)
	return err
}
