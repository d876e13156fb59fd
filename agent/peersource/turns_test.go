package peersource

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"ebb/agent/swarm"
)

// evilSwarms adds n swarms that strangers named, of eight trackers each, which answer after 19 s.
func (w *world) evilSwarms(n int, url func(swarm, tracker int) string) {
	w.trackersSay(func(ctx context.Context, source string, req AnnounceRequest) (AnnounceResponse, error) {
		if strings.Contains(source, "evil") {
			return slow(19*time.Second)(ctx, source, req)
		}
		return AnnounceResponse{Interval: time.Hour}, nil
	})
	for i := range n {
		var trackers []string
		for j := range 8 {
			trackers = append(trackers, url(i, j))
		}
		w.Add(public(swarm.InfoHash{1, byte(i), byte(i >> 8)}, trackers...))
	}
}

// waited is how long after now the torrent's first announce at trackerA began.
func (w *world) waited(t Torrent) time.Duration {
	w.t.Helper()
	w.take()
	began := time.Since(w.began)
	w.Add(t)
	for range 3600 {
		w.pass(time.Second)
		for _, c := range w.take() {
			if c.source == trackerA && c.Hash == t.Hash {
				return c.at - began
			}
		}
	}
	w.t.Fatal("not announced within an hour")
	return 0
}

func TestSlowTrackersOnOneHostDoNotKeepAnHonestOneWaiting(t *testing.T) {
	for name, url := range map[string]func(i, j int) string{
		"paths": func(i, j int) string { return fmt.Sprintf("http://evil.example/%d/%d", i, j) },
		"ports": func(i, j int) string { return fmt.Sprintf("udp://evil.example:%d", 1+8*i+j) },
		"names": func(i, j int) string { return fmt.Sprintf("http://n%d-%d.evil.example/", i, j) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.evilSwarms(300, url)
				w.pass(2 * time.Hour)
				if waited := w.waited(public(swarm.InfoHash{2}, trackerA)); waited > time.Second {
					t.Errorf("an honest announce waits %v", waited)
				}
			})
		})
	}
}

func TestTheOwnersAnnounceComesFirstWhereverOthersAre(t *testing.T) {
	inWorld(t, func(w *world) {
		w.evilSwarms(300, func(i, j int) string { return fmt.Sprintf("http://evil%d-%d.example/", i, j) }) // 2,400 hosts
		w.pass(time.Second)
		owners := public(swarm.InfoHash{2}, trackerA)
		owners.Owner = true
		if waited := w.waited(owners); waited > time.Second {
			t.Errorf("the owner's announce waits %v", waited)
		}
	})
}

func TestHostsThatAnswerSoonDoNotWaitForThoseThatDoNot(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Add(public(swarm.InfoHash{3}, trackerA)) // known to answer
		w.pass(time.Second)
		w.evilSwarms(300, func(i, j int) string { return fmt.Sprintf("http://evil%d-%d.example/", i, j) })
		w.pass(time.Second)
		if waited := w.waited(public(swarm.InfoHash{2}, trackerA)); waited > time.Second {
			t.Errorf("an announce at a host that answers soon waits %v", waited)
		}
	})
}

func TestManyWithOneHostTakeTurnsWithOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(slow(time.Second))
		for i := range 200 {
			w.Add(public(swarm.InfoHash{1, byte(i)}, "http://many.example/announce"))
		}
		for i := range 40 {
			w.Add(public(swarm.InfoHash{2, byte(i)}, fmt.Sprintf("http://10.0.0.%d.few%d.example/", i, i)))
		}
		w.pass(10 * time.Second)
		few := 0
		for _, c := range w.take() {
			if c.source != "http://many.example/announce" {
				few++
			}
		}
		if few != 40 {
			t.Errorf("%d of 40 have had their turn", few)
		}
	})
}

func TestHostsAreToldApart(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"http://a.example/1", "udp://A.example.:77/2", true},
		{"http://a.b.example.org/", "http://c.example.org:80/", true},
		{"http://a.example/", "http://b.example/", false}, // two labels
		{"http://8.8.8.8/", "http://8.8.8.9/", false},
		{"http://[2001:db8:1:2::3]/", "http://[2001:db8:1:2::4]/", true},
		{"http://[2001:db8:1:2::3]/", "http://[2001:db8:1:3::3]/", false},
		{SourceDHT, "http://dht/", true}, // no name that the guard allows
	} {
		if got := hostOf(c.a) == hostOf(c.b); got != c.same {
			t.Errorf("%s and %s: one host %v, want %v", c.a, c.b, got, c.same)
		}
	}
}
