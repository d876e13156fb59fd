package peersource

import (
	"context"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

func TestTrackersAreToldWhatCameSinceTheyWereToldStarted(t *testing.T) {
	inWorld(t, func(w *world) {
		var up, downloaded atomic.Int64
		up.Store(5000) // of former lives
		downloaded.Store(700)
		torrent := public(hash(1), trackerA)
		torrent.Left = func() int64 { return 100 }
		torrent.Transferred = func() (int64, int64) { return up.Load(), downloaded.Load() }
		w.trackersSay(down)
		w.Add(torrent)
		w.pass(time.Second)
		up.Add(1) // nobody has heard of us yet
		w.trackersSay(fine)
		w.pass(2 * time.Minute)
		up.Add(30)
		downloaded.Add(4)
		w.Now(hash(1))
		w.pass(2 * time.Minute)
		w.Remove(hash(1))
		w.pass(time.Minute)
		w.Add(torrent)
		w.pass(time.Minute)
		for i, want := range []AnnounceRequest{
			{Event: EventStarted}, {Event: EventStarted}, {Event: EventNone, Uploaded: 30, Downloaded: 4},
			{Event: EventStopped, Uploaded: 30, Downloaded: 4}, {Event: EventStarted},
		} {
			if c := w.calls[i]; c.Event != want.Event || c.Uploaded != want.Uploaded || c.Downloaded != want.Downloaded {
				t.Errorf("announce %d: event %v, %d up, %d down; want %+v", i, c.Event, c.Uploaded, c.Downloaded, want)
			}
		}
	})
}

// The owner takes a complete download off the list: whoever announces it may not know it any more.
func TestStoppedSaysWhatWasLastKnown(t *testing.T) {
	inWorld(t, func(w *world) {
		var gone atomic.Bool
		torrent := public(hash(1), trackerA)
		torrent.Left = func() int64 {
			if gone.Load() {
				return -1
			}
			return 0
		}
		torrent.Transferred = func() (up, down int64) { return 0, 0 }
		w.Add(torrent)
		w.pass(time.Minute)
		gone.Store(true)
		w.Remove(hash(1))
		w.pass(time.Minute)
		if calls := w.take(); len(calls) != 2 || calls[1].Event != EventStopped || calls[1].Left != 0 {
			t.Errorf("calls %+v", calls)
		}
	})
}

// Case 16: no interval, none that is of use, a reason, silence.
func TestAMinutePassesBetweenTwoAnnouncesWhateverATrackerSays(t *testing.T) {
	for name, say := range map[string]answer{
		"nothing": fine, "down": down,
		"interval 0": func(context.Context, string, AnnounceRequest) (AnnounceResponse, error) {
			return AnnounceResponse{Interval: 0, MinInterval: 0}, nil
		},
		"a second": func(context.Context, string, AnnounceRequest) (AnnounceResponse, error) {
			return AnnounceResponse{Interval: time.Second, MinInterval: time.Second}, nil
		},
		"no": func(context.Context, string, AnnounceRequest) (AnnounceResponse, error) {
			return AnnounceResponse{}, &Refusal{Reason: "busy"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.trackersSay(say)
				w.Add(public(hash(1), trackerA))
				for range 600 {
					w.Now(hash(1))
					w.pass(time.Second)
				}
				calls := w.take()
				for i := 1; i < len(calls); i++ {
					if pause := calls[i].at - calls[i-1].at; pause < time.Minute {
						t.Errorf("%v between two announces", pause)
					}
				}
				if len(calls) < 4 {
					t.Errorf("%d announces in ten minutes", len(calls))
				}
			})
		})
	}
}

func TestATrackersWordIsKeptForADay(t *testing.T) {
	for name, c := range map[string]struct {
		say  AnnounceResponse
		err  error
		want time.Duration
	}{
		"interval of 6 h":   {AnnounceResponse{Interval: 6 * time.Hour}, nil, 6 * time.Hour},
		"minimum of 6 h":    {AnnounceResponse{Interval: time.Minute, MinInterval: 6 * time.Hour}, nil, 6 * time.Hour},
		"retry in 6 h":      {AnnounceResponse{}, &Refusal{RetryIn: 6 * time.Hour}, 6 * time.Hour},
		"interval of weeks": {AnnounceResponse{Interval: 1000 * time.Hour}, nil, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.trackersSay(func(context.Context, string, AnnounceRequest) (AnnounceResponse, error) { return c.say, c.err })
				w.Add(public(hash(1), trackerA))
				w.pass(30 * time.Hour)
				calls := w.take()
				if len(calls) < 2 {
					t.Fatalf("calls %+v", calls)
				}
				around(t, "second announce", calls[1].at, c.want)
			})
		})
	}
}

func TestTheIntervalOverUDPIsAlsoTheLeast(t *testing.T) {
	answer := append([]byte{0, 0, 0x0e, 0x10}, make([]byte, 8)...)
	resp, err := parseUDP(Guard{}, answer, netip.MustParseAddr("8.8.8.8"))
	if err != nil || resp.Interval != time.Hour || resp.MinInterval != time.Hour {
		t.Errorf("got %+v, %v", resp, err)
	}
}
