package webui_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"ebb/agent/swarm"
	"ebb/webui"
)

func texts(events []swarm.Event) string {
	var all []string
	for _, e := range events {
		all = append(all, e.Text)
	}
	return strings.Join(all, " ")
}

func TestAListenerGetsWhatIsKeptAndThenWhatIsNew(t *testing.T) {
	l := webui.NewEventLog()
	l.Publish(swarm.Event{Text: "a"})
	l.Publish(swarm.Event{Text: "b"})
	events, more := l.After(0)
	if texts(events) != "a b" || events[0].ID >= events[1].ID || events[0].Time.IsZero() {
		t.Fatalf("%v", events)
	}
	select {
	case <-more:
		t.Fatal("there is more already")
	default:
	}
	l.Publish(swarm.Event{Text: "c"})
	<-more
	if events, _ := l.After(events[1].ID); texts(events) != "c" {
		t.Errorf("%v", events)
	}
	if events, _ := l.After(events[0].ID); texts(events) != "b c" {
		t.Errorf("%v", events)
	}
}

func TestTheLogIsBounded(t *testing.T) {
	l := webui.NewEventLog()
	for i := range 1000 {
		l.Publish(swarm.Event{Text: fmt.Sprint(i)})
	}
	events, _ := l.After(1) // long forgotten
	if len(events) != 256 || events[0].Text != "744" || events[255].Text != "999" {
		t.Errorf("%d events from %v", len(events), events[0])
	}
	if events, _ := l.After(events[200].ID); len(events) != 55 || events[0].Text != "945" {
		t.Errorf("%d events from %v", len(events), events[0])
	}
}

func TestAListenerFromBeforeARestartMissesNothing(t *testing.T) {
	before, after := webui.NewEventLog(), webui.NewEventLog()
	before.Publish(swarm.Event{Text: "a"})
	seen, _ := before.After(0)
	for range 10 {
		after.Publish(swarm.Event{Text: "b"})
	}
	// The clock went back, too: an ID from a future that never came.
	for _, id := range []uint64{seen[0].ID - 5, seen[0].ID + 1<<40} {
		if events, _ := after.After(id); len(events) != 10 {
			t.Errorf("%d events after %d", len(events), id)
		}
	}
}

func TestLongTextIsCutBetweenCharacters(t *testing.T) {
	l := webui.NewEventLog()
	l.Publish(swarm.Event{Text: "x" + strings.Repeat("漢", 5000)})
	events, _ := l.After(0)
	if text := events[0].Text; len(text) > 520 || len(text) < 500 || !utf8.ValidString(text) {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}
