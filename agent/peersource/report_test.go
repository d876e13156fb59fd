package peersource

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"ebb/agent/swarm"
)

func TestWhatASourceSaidLastIsRemembered(t *testing.T) {
	inWorld(t, func(w *world) {
		h := swarm.InfoHash{7}
		said := func() map[string]Report {
			reports := make(map[string]Report)
			for _, r := range w.Reports(h) {
				reports[r.Source] = r
			}
			return reports
		}
		var mu sync.Mutex // guards answers
		answers := map[string]func() (AnnounceResponse, error){
			trackerA: func() (AnnounceResponse, error) { return AnnounceResponse{}, &Refusal{Reason: "unregistered"} },
			trackerB: func() (AnnounceResponse, error) { return AnnounceResponse{Warning: "soon closed"}, nil },
		}
		w.trackersSay(func(_ context.Context, source string, _ AnnounceRequest) (AnnounceResponse, error) {
			mu.Lock()
			defer mu.Unlock()
			return answers[source]()
		})
		if len(said()) != 0 {
			t.Errorf("before it is there: %+v", said())
		}
		w.Add(Torrent{Hash: h, Port: 1, Trackers: []string{trackerA, trackerB}})
		time.Sleep(time.Second)
		got := said()
		if no := (*Refusal)(nil); !errors.As(got[trackerA].Err, &no) || no.Reason != "unregistered" || got[trackerA].Asked.IsZero() {
			t.Errorf("of the one that refuses: %+v", got[trackerA])
		}
		if got[trackerB].Err != nil || got[trackerB].Warning != "soon closed" {
			t.Errorf("of the one that warns: %+v", got[trackerB])
		}
		mu.Lock()
		for tracker := range answers {
			answers[tracker] = func() (AnnounceResponse, error) { return AnnounceResponse{}, nil }
		}
		mu.Unlock()
		time.Sleep(2 * time.Hour)
		for tracker, r := range said() {
			if r.Err != nil || r.Warning != "" || r.Asked.IsZero() {
				t.Errorf("of %s, which is content again: %+v", tracker, r)
			}
		}
		w.Remove(h)
		if len(said()) != 0 {
			t.Errorf("after it has gone: %+v", said())
		}
	})
}
