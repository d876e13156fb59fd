package main

import (
	"strings"
	"testing"
)

func TestTheLastTenMinutesOfTheLineAreDrawn(t *testing.T) {
	h := newHousehold(t)
	text := h.does("line")
	expect(t, text, "up, the line carries 5", "the line's queue", "62 ms", "sharing: the line is free", "yielding: someone in the house is uploading at 33.6 Mbit/s")
	lines := strings.Split(text, "\n")
	if !strings.Contains(text, "++++++") || strings.Count(lines[4], "#")+strings.Count(lines[4], "+") != lineColumns {
		t.Errorf("it draws\n%s", text)
	}
	if strings.Count(text, "sharing: the line is free") != 2 {
		t.Errorf("a reason that comes again is told %d times", strings.Count(text, "sharing: the line is free"))
	}
	expect(t, h.does("line", "-json"), `"queue_delay_ms"`)
}
