package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestALiveViewNeedsATerminal(t *testing.T) {
	expect(t, newHousehold(t).fails(exitUsage, "watch"), "terminal", "status -json")
}

func TestTheLiveViewShowsWhatIsUnderWay(t *testing.T) {
	h := newHousehold(t)
	c := newCall(command{name: "watch"}, []string{"-state", h.state}, new(bytes.Buffer))
	if err := c.parse(0, 0); err != nil {
		t.Fatal(err)
	}
	agent, err := c.agent()
	if err != nil {
		t.Fatal(err)
	}
	v, err := look(t.Context(), agent)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	v.write(&text, c)
	expect(t, text.String(), "Somebody in the household is uploading", "up 214 KiB/s", "sentinel-2-mosaic-2025", "[#############.......]",
		"68 %", "Prelinger Archives", "4 swarms helped", "5 peers")
	if strings.ContainsAny(text.String(), "\x1b\x07") || !strings.Contains(text.String(), "clear\ufffd[2J") {
		t.Errorf("what strangers wrote reaches the terminal as an order: %q", text.String())
	}
}

func TestTheLiveViewFitsItsScreen(t *testing.T) {
	got := crop("one\n\x1b[32mgreen and long\x1b[0m\nthree\nfour\n", 3, 5)
	if got != "one\n\x1b[32mgreen\x1b[0m\nthree" {
		t.Errorf("%q", got)
	}
	if got := crop("one\n", 0, 0); got != "one" {
		t.Errorf("of a screen without a size: %q", got)
	}
}

func TestABarIsFullOnlyWhenAllIsThere(t *testing.T) {
	for _, c := range []struct {
		part, whole int64
		want        string
	}{{0, 10, "[....]"}, {9, 10, "[###.]"}, {10, 10, "[####]"}, {11, 10, "[####]"}, {0, 0, "[....]"}, {-1, 10, "[....]"}, {1 << 60, 1 << 61, "[##..]"}} {
		if got := bar(c.part, c.whole, 4); got != c.want {
			t.Errorf("%d of %d: %s", c.part, c.whole, got)
		}
	}
}
