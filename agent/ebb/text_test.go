package main

import (
	"strings"
	"testing"
	"time"
)

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for got, want := range map[string]string{
		size(0): "0 B", size(999): "999 B", size(1000): "1.0 KiB", size(1536): "1.5 KiB", size(10<<20 - 1): "10 MiB", size(999 << 30): "999 GiB",
		size(1 << 50): "1.0 PiB", size(1<<63 - 1): "8.0 EiB",
		rate(2048): "2.0 KiB/s", limit(-1): "none", limit(0): "off", limit(1024): "1.0 KiB/s", known(0): "?", known(5): "5 B",
		percent(1, 0): "?", percent(999, 1000): "99 %", percent(5, 5): "100 %", percent(1<<62, 1<<62): "100 %",
		number(0): "0", number(999): "999", number(1000): "1,000", number(-1234567): "-1,234,567", number(-123): "-123",
		plural(1, "swarm"): "1 swarm", plural(0, "swarm"): "0 swarms", plural(5240, "fragment"): "5,240 fragments",
		duration(0): "0 seconds", duration(59 * time.Second): "59 seconds", duration(61 * time.Minute): "1 hour 1 minute",
		duration(49 * time.Hour): "2 days 1 hour",
		clock(time.Time{}):       "tomorrow", clock(time.Date(2026, 3, 8, 0, 0, 59, 0, time.Local)): "midnight",
		clock(time.Date(2026, 3, 8, 12, 0, 0, 0, time.Local)): "12:00",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTablesAlign(t *testing.T) {
	tab := table{right: []bool{false, true}}
	tab.row("é", "1", "last")
	tab.row("long", "1,000")
	tab.row("", "", "x")
	var out strings.Builder
	tab.write(&out)
	want := "é         1  last\nlong  1,000\n             x\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}
