package peersource

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// tiered is a torrent whose trackers, named by letters, are in tiers: "ab c".
func tiered(tiers string) Torrent {
	t := public(hash(1))
	for tier := range strings.FieldsSeq(tiers) {
		var urls []string
		for _, letter := range tier {
			urls = append(urls, fmt.Sprintf("http://%c.example/", letter))
		}
		t.Tiers = append(t.Tiers, urls)
	}
	return t
}

// working makes the trackers of these letters work, and the others fail.
func (w *world) working(letters string) {
	w.trackersSay(func(_ context.Context, source string, _ AnnounceRequest) (AnnounceResponse, error) {
		if strings.Contains(letters, source[7:8]) {
			return AnnounceResponse{Interval: 10 * time.Minute}, nil
		}
		return AnnounceResponse{}, errDown
	})
}

// heard are the letters of the trackers that heard something, sorted.
func (w *world) heard() string {
	var letters []string
	for _, c := range w.take() {
		letters = append(letters, c.source[7:8])
	}
	slices.Sort(letters)
	return strings.Join(slices.Compact(letters), "")
}

func TestOneTrackerOfTheFirstTierThatWorksIsAnnouncedTo(t *testing.T) {
	for _, c := range []struct{ tiers, working, tried, then string }{
		{"a b c", "abc", "a", "a"},
		{"a b c", "bc", "ab", "ab"}, // what comes before is tried again
		{"a b c", "c", "abc", "abc"},
		{"ab c", "c", "abc", "abc"},
		{"a bcd", "a", "a", "a"},
		{"a b", "", "ab", "ab"},
	} {
		inWorld(t, func(w *world) {
			w.working(c.working)
			w.Add(tiered(c.tiers))
			w.pass(time.Second)
			if got := w.heard(); got != c.tried {
				t.Errorf("tiers %q, working %q: at first %q is asked, want %q", c.tiers, c.working, got, c.tried)
			}
			w.pass(time.Hour)
			if got := w.heard(); got != c.then {
				t.Errorf("tiers %q, working %q: then %q is asked, want %q", c.tiers, c.working, got, c.then)
			}
		})
	}
}

func TestTheTrackerThatWorksComesFirstInItsTier(t *testing.T) {
	for _, one := range []string{"a", "b", "c"} {
		inWorld(t, func(w *world) {
			w.working(one)
			w.Add(tiered("abc d"))
			w.pass(time.Second)
			if got := w.heard(); !strings.Contains(got, one) || strings.Contains(got, "d") {
				t.Errorf("%q works, and %q is asked", one, got)
			}
			w.working("abcd") // the others have come back
			w.pass(time.Hour)
			w.Add(tiered("abc d"))
			w.pass(time.Hour)
			if got := w.heard(); got != one {
				t.Errorf("%q works, and then %q is asked", one, got)
			}
			w.working("d")
			w.pass(time.Hour)
			if got := w.heard(); got != "abcd" {
				t.Errorf("the whole tier fails, and %q is asked", got)
			}
		})
	}
}

func TestATierFollowsWhenTheOneBeforeIsTakenAway(t *testing.T) {
	inWorld(t, func(w *world) {
		w.working("abc")
		w.Add(tiered("a b"))
		w.pass(time.Second)
		w.take()
		w.Add(tiered("b"))
		w.pass(time.Second)
		calls := w.take()
		if len(calls) != 2 || calls[0].Event+calls[1].Event != EventStopped+EventStarted {
			t.Errorf("calls %+v", calls)
		}
		w.Remove(hash(1))
		w.pass(time.Second)
		w.want("http://b.example/", EventStopped)
		w.wantEmpty()
	})
}
