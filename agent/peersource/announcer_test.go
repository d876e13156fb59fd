package peersource

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/swarm"
)

const (
	trackerA = "http://a.example.org/announce"
	trackerB = "udp://b.example.net:6969"
)

var errDown = errors.New("down")

// call is an announce that a fake tracker got, or a look-up in the fake DHT.
type call struct {
	at     time.Duration // since the world began
	source string
	AnnounceRequest
}

// answer is what a fake tracker says.
type answer = func(ctx context.Context, source string, req AnnounceRequest) (AnnounceResponse, error)

func fine(context.Context, string, AnnounceRequest) (AnnounceResponse, error) {
	return AnnounceResponse{}, nil
}

func down(context.Context, string, AnnounceRequest) (AnnounceResponse, error) {
	return AnnounceResponse{}, errDown
}

// hang answers only when the asker gives up.
func hang(ctx context.Context, _ string, _ AnnounceRequest) (AnnounceResponse, error) {
	<-ctx.Done()
	return AnnounceResponse{}, ctx.Err()
}

// slow answers after some time.
func slow(d time.Duration) answer {
	return func(context.Context, string, AnnounceRequest) (AnnounceResponse, error) {
		<-time.After(d)
		return AnnounceResponse{}, nil
	}
}

// world is an Announcer whose trackers and DHT are fakes, under a fake clock.
type world struct {
	*Announcer
	t     *testing.T
	began time.Time
	end   func() // ends Run, and waits for it

	// look is what the DHT does; nil: finds nothing.
	look func(ctx context.Context, found func([]netip.AddrPort)) error

	mu    sync.Mutex
	say   answer
	calls []call
	peak  map[string]int // most at once: per source, and "" in all
	busy  map[string]int
}

// inWorld runs a test in a world that is already running.
func inWorld(t *testing.T, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, say: fine, began: time.Now(), peak: make(map[string]int), busy: make(map[string]int)}
		w.Announcer = NewAnnouncer(Config{PeerID: [20]byte{9}})
		w.announce = w.fakeAnnounce
		w.lookup = w.fakeLookup
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		w.end = sync.OnceFunc(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		defer w.end()
		test(w)
	})
}

// trackersSay changes what trackers answer from now on.
func (w *world) trackersSay(a answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.say = a
}

func (w *world) enter(source string, req AnnounceRequest) answer {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call{time.Since(w.began), source, req})
	for _, s := range []string{"", source} {
		w.busy[s]++
		w.peak[s] = max(w.peak[s], w.busy[s])
	}
	return w.say
}

func (w *world) leave(source string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy[""]--
	w.busy[source]--
}

func (w *world) fakeAnnounce(ctx context.Context, source string, req AnnounceRequest) (AnnounceResponse, error) {
	say := w.enter(source, req)
	defer w.leave(source)
	return say(ctx, source, req)
}

func (w *world) fakeLookup(ctx context.Context, h swarm.InfoHash, port uint16, found func([]netip.AddrPort)) error {
	w.enter(SourceDHT, AnnounceRequest{Hash: h, Port: port})
	defer w.leave(SourceDHT)
	if w.look == nil {
		return nil
	}
	return w.look(ctx, found)
}

// pass lets time pass, and everything that happens meanwhile happen.
func (w *world) pass(d time.Duration) {
	if d > 0 { // a timer that has ended already can crash the race detector
		<-time.After(d)
	}
	synctest.Wait()
}

// take returns the calls since the last take.
func (w *world) take() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls := w.calls
	w.calls = nil
	return calls
}

// want checks the events announced to source since the last take.
func (w *world) want(source string, events ...Event) {
	w.t.Helper()
	var got []Event
	for _, c := range w.take() {
		if c.source == source {
			got = append(got, c.Event)
		}
	}
	if !slices.Equal(got, events) {
		w.t.Errorf("%v: %s heard events %v, want %v", time.Since(w.began), source, got, events)
	}
}

func public(h swarm.InfoHash, trackers ...string) Torrent {
	return Torrent{Hash: h, Trackers: trackers, Port: 51515}
}

// around checks that d is at least low, and at most a tenth more.
func around(t *testing.T, what string, d, low time.Duration) {
	t.Helper()
	if d < low || d > low+low/10 {
		t.Errorf("%s after %v, want %v to %v", what, d, low, low+low/10)
	}
}

func TestFirstAnnounceIsAtOnceAndTheNextAtTheTrackersInterval(t *testing.T) {
	for _, c := range []struct{ interval, minimum, want time.Duration }{
		{0, 0, 30 * time.Minute},
		{10 * time.Minute, 0, 10 * time.Minute},
		{time.Second, 0, time.Minute},
		{48 * time.Hour, 0, 24 * time.Hour},
		{5 * time.Minute, 8 * time.Minute, 8 * time.Minute},
	} {
		inWorld(t, func(w *world) {
			w.trackersSay(func(context.Context, string, AnnounceRequest) (AnnounceResponse, error) {
				return AnnounceResponse{Interval: c.interval, MinInterval: c.minimum}, nil
			})
			w.Add(public(hash(1), trackerA))
			w.pass(3 * c.want)
			calls := w.take()
			if len(calls) != 3 || calls[0].at != 0 || calls[0].Event != EventStarted || calls[1].Event != EventNone {
				t.Fatalf("interval %v: calls %+v", c.interval, calls)
			}
			around(t, fmt.Sprintf("interval %v: second announce", c.interval), calls[1].at, c.want)
			if got := calls[0].AnnounceRequest; got.Hash != hash(1) || got.PeerID != [20]byte{9} || got.Port != 51515 || got.Left != -1 {
				t.Errorf("announced %+v", got)
			}
		})
	}
}

func TestFailuresBackOffFrom1MinuteTo1Hour(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(func(_ context.Context, source string, _ AnnounceRequest) (AnnounceResponse, error) {
			if source == trackerA {
				return AnnounceResponse{}, errDown
			}
			return AnnounceResponse{Interval: time.Hour}, nil
		})
		w.Add(public(hash(1), trackerA, trackerB))
		w.pass(12 * time.Hour)
		var at []time.Duration
		healthy := 0
		for _, c := range w.take() {
			if c.source != trackerA {
				healthy++
				continue
			}
			at = append(at, c.at)
			if c.Event != EventStarted {
				t.Errorf("event %v to a tracker that never answered", c.Event)
			}
		}
		want := []time.Duration{
			time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute,
			16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour, time.Hour,
		}
		for i, pause := range want {
			around(t, fmt.Sprintf("try %d", i+1), at[i+1]-at[i], pause)
		}
		if healthy < 11 {
			t.Errorf("the other tracker heard only %d announces in 12 hours", healthy)
		}

		w.trackersSay(fine) // the tracker is back
		w.pass(66 * time.Minute)
		w.take()
		w.trackersSay(down)
		w.pass(34 * time.Minute)
		var fresh []time.Duration
		for _, c := range w.take() {
			if c.source == trackerA {
				fresh = append(fresh, c.at)
			}
		}
		if len(fresh) < 2 {
			t.Fatalf("after it was back: announces at %v", fresh)
		}
		around(t, "first retry after a success", fresh[1]-fresh[0], time.Minute)
	})
}

func TestNowWaitsAMinuteOrTheTrackersMinimum(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(func(_ context.Context, source string, _ AnnounceRequest) (AnnounceResponse, error) {
			if source == trackerB {
				return AnnounceResponse{MinInterval: 5 * time.Minute}, nil
			}
			return AnnounceResponse{}, nil
		})
		w.Add(public(hash(1), trackerA, trackerB))
		w.pass(5 * time.Second)
		w.take()
		for range 3 {
			w.Now(hash(1))
		}
		w.Now(hash(2)) // nobody knows it
		w.pass(6 * time.Minute)
		calls := w.take()
		if len(calls) != 2 || calls[0].source != trackerA || calls[0].at != time.Minute ||
			calls[1].source != trackerB || calls[1].at != 5*time.Minute {
			t.Errorf("calls %+v", calls)
		}
		w.Now(hash(1))
		w.pass(0)
		if calls := w.take(); len(calls) != 1 || calls[0].source != trackerA {
			t.Errorf("long after the last announce: calls %+v", calls)
		}
	})
}

func TestNowDuringAnAnnounceBringsAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(slow(20 * time.Second))
		w.Add(public(hash(1), trackerA))
		w.pass(5 * time.Second)
		w.Now(hash(1))
		w.pass(time.Minute)
		if calls := w.take(); len(calls) != 2 || calls[1].at != time.Minute {
			t.Errorf("calls %+v", calls)
		}
	})
}

func TestCompletedIsSentOnceWhenTheLastByteArrives(t *testing.T) {
	inWorld(t, func(w *world) {
		var left atomic.Int64
		left.Store(100)
		torrent := public(hash(1), trackerA)
		torrent.Left = left.Load
		torrent.Transferred = func() (up, down int64) { return 11, 22 }
		w.Add(torrent)
		w.pass(time.Minute)
		if calls := w.take(); len(calls) != 1 || calls[0].Left != 100 {
			t.Errorf("calls %+v", calls)
		}
		w.Now(hash(1))
		w.pass(time.Minute)
		w.want(trackerA, EventNone)

		left.Store(0)
		w.trackersSay(down)
		w.Now(hash(1))
		w.pass(time.Minute)
		w.want(trackerA, EventCompleted)
		w.trackersSay(fine)
		w.pass(67 * time.Second)
		w.want(trackerA, EventCompleted) // the tracker did not hear the first
		w.Now(hash(1))
		w.pass(time.Minute)
		w.want(trackerA, EventNone)
	})
}

func TestCompletedIsNotSentForWhatWasCompleteFromTheStart(t *testing.T) {
	inWorld(t, func(w *world) {
		torrent := public(hash(1), trackerA)
		torrent.Left = func() int64 { return 0 }
		w.Add(torrent)
		w.pass(time.Minute)
		w.Now(hash(1))
		w.pass(time.Minute)
		w.want(trackerA, EventStarted, EventNone)
	})
}

func TestRemoveTellsOnlyTrackersThatKnowUs(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(func(_ context.Context, source string, _ AnnounceRequest) (AnnounceResponse, error) {
			if source == trackerB {
				return AnnounceResponse{}, errDown
			}
			return AnnounceResponse{}, nil
		})
		torrent := public(hash(1), trackerA, trackerB)
		torrent.DHT = true
		w.Add(torrent)
		w.pass(time.Second)
		w.take()
		w.Remove(hash(1))
		w.Remove(hash(1))
		w.pass(3 * time.Hour)
		calls := w.take()
		if len(calls) != 1 || calls[0].source != trackerA || calls[0].Event != EventStopped {
			t.Errorf("calls %+v", calls)
		}
		w.wantEmpty()
	})
}

// wantEmpty checks that nothing is left of torrents that left.
func (w *world) wantEmpty() {
	w.t.Helper()
	w.Announcer.mu.Lock()
	defer w.Announcer.mu.Unlock()
	s := &w.schedule
	if len(s.torrents) != 0 || len(s.sources) != 0 || len(s.due) != 0 || s.turns.running != 0 || len(s.turns.hosts) != 0 {
		w.t.Errorf("%d torrents, %d sources, %d entries and %d workers are left",
			len(s.torrents), len(s.sources), len(s.due), s.turns.running)
	}
}

func TestRemoveDuringTheFirstAnnounceStillTellsTheTracker(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(slow(5 * time.Second))
		w.Add(public(hash(1), trackerA))
		w.pass(time.Second)
		w.Remove(hash(1))
		w.pass(time.Minute)
		w.want(trackerA, EventStarted, EventStopped)
		w.wantEmpty()
	})
}

func TestTorrentThatComesBackWhileLeavingIsStartedAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(slow(5 * time.Second))
		w.Add(public(hash(1), trackerA))
		w.pass(10 * time.Second)
		w.Remove(hash(1))
		w.pass(time.Second)
		w.Add(public(hash(1), trackerA))
		w.pass(time.Minute)
		w.want(trackerA, EventStarted, EventStopped, EventStarted)
	})
}

func TestStoppedIsTriedOnceEvenIfTheTrackerIsDown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Add(public(hash(1), trackerA))
		w.pass(time.Second)
		w.trackersSay(hang)
		w.Remove(hash(1))
		w.pass(stopTimeout)
		w.wantEmpty()
		w.want(trackerA, EventStarted, EventStopped)
	})
}

func TestAddAgainBringsTheTrackersUpToDate(t *testing.T) {
	inWorld(t, func(w *world) {
		w.Add(public(hash(1), trackerA))
		w.pass(time.Minute)
		w.take()
		w.Add(public(hash(1), trackerB))
		w.pass(time.Minute)
		calls := w.take()
		slices.SortFunc(calls, func(a, b call) int { return int(a.Event) - int(b.Event) })
		if len(calls) != 2 || calls[0].source != trackerB || calls[0].Event != EventStarted ||
			calls[1].source != trackerA || calls[1].Event != EventStopped {
			t.Errorf("calls %+v", calls)
		}
		again := public(hash(1), trackerB)
		w.Add(again)
		w.pass(time.Minute)
		w.want(trackerB)
		again.Port = 999
		w.Add(again)
		w.pass(time.Minute)
		if calls := w.take(); len(calls) != 1 || calls[0].Port != 999 {
			t.Errorf("after the port changed: calls %+v", calls)
		}
	})
}

func TestTrackersThatTheGuardRefusesAreLeftOut(t *testing.T) {
	inWorld(t, func(w *world) {
		trackers := []string{"http://127.0.0.1/announce", "gopher://x.example.org", trackerA, trackerA}
		for i := range 100 {
			trackers = append(trackers, fmt.Sprintf("http://t%d.example/announce", i))
		}
		w.Add(public(hash(1), trackers...))
		w.pass(time.Minute)
		calls := w.take()
		if len(calls) != maxTrackers {
			t.Errorf("%d trackers were announced to, want %d", len(calls), maxTrackers)
		}
		for _, c := range calls {
			if (Guard{}).CheckURL(c.source) != nil {
				t.Errorf("announced to %s", c.source)
			}
		}
	})
}

func TestOnlookerTellsNobodyInTheDHT(t *testing.T) {
	inWorld(t, func(w *world) {
		torrent := public(hash(1))
		torrent.DHT, torrent.Onlooker = true, true
		w.Add(torrent)
		w.pass(25 * time.Minute)
		calls := w.take()
		if len(calls) != 2 || calls[0].source != SourceDHT || calls[0].Port != 0 || calls[1].Port != 0 {
			t.Fatalf("calls %+v", calls)
		}
		around(t, "second look-up", calls[1].at, 20*time.Minute)
		torrent.Onlooker = false
		w.Add(torrent)
		w.pass(20 * time.Minute)
		for _, c := range w.take() {
			if c.Port != 51515 {
				t.Errorf("as a peer: call %+v", c)
			}
		}
	})
}

func TestResultsAreTold(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(func(_ context.Context, source string, _ AnnounceRequest) (AnnounceResponse, error) {
			if source == trackerB {
				return AnnounceResponse{}, errDown
			}
			return AnnounceResponse{Seeds: 3, Leechers: 4, Peers: addrs("8.8.8.8:1")}, nil
		})
		w.look = func(_ context.Context, found func([]netip.AddrPort)) error {
			found(addrs("8.8.8.8:2"))
			found(addrs("8.8.8.8:3"))
			return nil
		}
		var mu sync.Mutex
		got := make(map[string][]Result)
		torrent := public(hash(1), trackerA, trackerB)
		torrent.DHT = true
		torrent.Found = func(r Result) {
			mu.Lock()
			defer mu.Unlock()
			got[r.Source] = append(got[r.Source], r)
			w.Now(hash(2)) // would hang if a lock were held
		}
		w.Add(torrent)
		w.pass(time.Second)
		mu.Lock()
		defer mu.Unlock()
		if r := got[trackerA]; len(r) != 1 || r[0].Seeds != 3 || r[0].Leechers != 4 || r[0].Hash != hash(1) ||
			!slices.Equal(r[0].Peers, addrs("8.8.8.8:1")) {
			t.Errorf("from the tracker: %+v", r)
		}
		if r := got[trackerB]; len(r) != 1 || !errors.Is(r[0].Err, errDown) || r[0].Seeds != -1 || r[0].Leechers != -1 {
			t.Errorf("from the tracker that is down: %+v", r)
		}
		if r := got[SourceDHT]; len(r) != 2 || r[1].Seeds != -1 || !slices.Equal(r[1].Peers, addrs("8.8.8.8:3")) {
			t.Errorf("from the DHT: %+v", r)
		}
	})
}

func TestDHTWithoutNodesIsTriedEveryMinute(t *testing.T) {
	inWorld(t, func(w *world) {
		w.look = func(context.Context, func([]netip.AddrPort)) error { return ErrNoNodes }
		torrent := public(hash(1))
		torrent.DHT = true
		w.Add(torrent)
		w.pass(5 * time.Hour)
		calls := w.take()
		around(t, "second try", calls[1].at-calls[0].at, 15*time.Second)
		around(t, "last try", calls[len(calls)-1].at-calls[len(calls)-2].at, time.Minute)
	})
}

func TestTrackerThatRefusesPausedIsRemembered(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(func(_ context.Context, _ string, req AnnounceRequest) (AnnounceResponse, error) {
			return AnnounceResponse{PauseRefused: req.PartialSeed}, nil
		})
		torrent := public(hash(1), trackerA)
		torrent.PartialSeed = func() bool { return true }
		torrent.Left = func() int64 { return 5 }
		w.Add(torrent)
		w.pass(70 * time.Minute)
		calls := w.take()
		if len(calls) != 3 || !calls[0].PartialSeed || calls[1].PartialSeed || calls[2].PartialSeed {
			t.Errorf("calls %+v", calls)
		}
	})
}

func TestAtMost16AtOnceAnd4PerHost(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(func(context.Context, string, AnnounceRequest) (AnnounceResponse, error) {
			<-time.After(time.Second)
			return AnnounceResponse{Interval: longestPause}, nil
		})
		var trackers []string
		for i := range 8 {
			trackers = append(trackers, fmt.Sprintf("http://t%d.example/announce", i))
		}
		for i := range 50 {
			w.Add(public(hash(byte(i)), trackers...))
		}
		w.pass(time.Minute)
		if calls := w.take(); len(calls) != 400 || calls[399].at > 28*time.Second {
			t.Errorf("%d announces until %v, want 400 within 28 s", len(calls), calls[len(calls)-1].at)
		}
		for source, peak := range w.peak {
			if source != "" && peak > perHost {
				t.Errorf("%d at once at %s, want at most %d", peak, source, perHost)
			}
		}
		if most := workers[classProven]; w.peak[""] != most { // all are proven after the first seconds
			t.Errorf("%d at once in all, want %d", w.peak[""], most)
		}
	})
}

func TestDeadTrackerDoesNotHoldUpTheOthers(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(func(ctx context.Context, source string, _ AnnounceRequest) (AnnounceResponse, error) {
			if source == trackerA {
				<-time.After(httpTimeout)
				return AnnounceResponse{}, errDown
			}
			return AnnounceResponse{}, nil
		})
		for i := range 200 {
			w.Add(public(hash(byte(i)), trackerA, trackerB))
		}
		w.pass(0)
		healthy := 0
		for _, c := range w.take() {
			if c.source == trackerB {
				healthy++
			}
		}
		if healthy != 200 {
			t.Errorf("the live tracker has heard of %d torrents of 200", healthy)
		}
	})
}

func TestTorrentsThatLeaveTheQueueLetTheNextCome(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(slow(10 * time.Second))
		last := 2 * perHost
		for i := range last + 1 { // as many running as may, as many queued, and one behind them
			w.Add(public(hash(byte(i)), trackerA))
			w.pass(time.Millisecond)
		}
		for i := perHost; i < last; i++ {
			w.Remove(hash(byte(i)))
		}
		w.pass(time.Minute)
		calls := w.take()
		if len(calls) != perHost+1 || calls[perHost].Hash != hash(byte(last)) {
			t.Errorf("calls %+v", calls)
		}
	})
}

func TestRunTellsEveryTrackerThatWeLeave(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 100 {
			w.Add(public(hash(byte(i)), trackerA, trackerB))
		}
		w.pass(time.Minute)
		w.take()
		w.end()
		calls := w.take()
		if len(calls) != 200 {
			t.Errorf("%d announces in the end, want 200", len(calls))
		}
		for _, c := range calls {
			if c.Event != EventStopped {
				t.Errorf("call %+v", c)
			}
		}
	})
}

func TestRunEndsWithin3SecondsWhateverTrackersDo(t *testing.T) {
	inWorld(t, func(w *world) {
		for i := range 100 {
			w.Add(public(hash(byte(i)), trackerA))
		}
		w.pass(time.Second)
		w.trackersSay(hang)
		ended := time.Now()
		w.end()
		if d := time.Since(ended); d != goodbyeTimeout {
			t.Errorf("Run took %v to end, want %v", d, goodbyeTimeout)
		}
	})
}

func TestAnnounceThatRunInterruptsIsTakenBack(t *testing.T) {
	inWorld(t, func(w *world) {
		w.trackersSay(hang)
		told := false
		torrent := public(hash(1), trackerA)
		torrent.Found = func(Result) { told = true }
		w.Add(torrent)
		w.pass(time.Second)
		w.trackersSay(fine)
		w.end()
		w.want(trackerA, EventStarted, EventStopped) // the tracker may have heard the first
		if told {
			t.Error("it told a result")
		}
	})
}

// TestTrackersAgreeInTheEnd lets torrents come, change and go at random over slow and unreliable trackers, and checks
// that each tracker then knows exactly the torrents that it should.
func TestTrackersAgreeInTheEnd(t *testing.T) {
	inWorld(t, func(w *world) {
		random := rand.New(rand.NewPCG(1, 2))
		var mu sync.Mutex
		listed := make(map[string]map[swarm.InfoHash]bool)
		unreliable := true
		w.trackersSay(func(_ context.Context, source string, req AnnounceRequest) (AnnounceResponse, error) {
			mu.Lock()
			delay := time.Duration(1+random.IntN(8000)) * time.Millisecond
			// 'stopped' is best effort, so the trackers of this test always hear it.
			fails := unreliable && req.Event != EventStopped && random.IntN(3) == 0
			mu.Unlock()
			<-time.After(delay)
			if fails {
				return AnnounceResponse{}, errDown
			}
			mu.Lock()
			defer mu.Unlock()
			if listed[source] == nil {
				listed[source] = make(map[swarm.InfoHash]bool)
			}
			if known := listed[source][req.Hash]; known == (req.Event == EventStarted) {
				t.Errorf("%s: event %v, known before: %v", source, req.Event, known)
			}
			listed[source][req.Hash] = req.Event != EventStopped
			return AnnounceResponse{}, nil
		})
		wanted := make(map[string]map[swarm.InfoHash]bool)
		for i := range 3 {
			wanted[fmt.Sprintf("http://t%d.example/", i)] = make(map[swarm.InfoHash]bool)
		}
		pick := func(n int) int { // the trackers use random, too
			mu.Lock()
			defer mu.Unlock()
			return random.IntN(n)
		}
		for range 600 {
			h := hash(byte(pick(25)))
			switch pick(4) {
			case 0:
				w.Now(h)
			case 1:
				w.Remove(h)
				for _, torrents := range wanted {
					delete(torrents, h)
				}
			default:
				torrent := public(h)
				for source, torrents := range wanted {
					delete(torrents, h)
					if pick(2) == 0 {
						torrent.Trackers = append(torrent.Trackers, source)
						torrents[h] = true
					}
				}
				w.Add(torrent)
			}
			w.pass(time.Duration(pick(1000)) * time.Millisecond)
		}
		mu.Lock()
		unreliable = false
		mu.Unlock()
		w.pass(4 * time.Hour)
		mu.Lock()
		for source, torrents := range wanted {
			for i := range 25 {
				if h := hash(byte(i)); listed[source][h] != torrents[h] {
					t.Errorf("%s has torrent %d: %v, want %v", source, i, listed[source][h], torrents[h])
				}
			}
		}
		mu.Unlock()
		for i := range 25 {
			w.Remove(hash(byte(i)))
		}
		w.pass(time.Hour)
		w.wantEmpty()
	})
}

func BenchmarkMemoryPerTorrent(b *testing.B) {
	const torrents = 10_000
	trackers := []string{trackerA, trackerB, "udp://c.example.com:1337/announce"}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		a := NewAnnouncer(Config{})
		a.lookup = func(context.Context, swarm.InfoHash, uint16, func([]netip.AddrPort)) error { return nil }
		for i := range torrents {
			h := swarm.HashInfo([]byte(fmt.Sprint(i)))
			a.Add(Torrent{Hash: h, Trackers: trackers, Port: 51515, DHT: true})
		}
		b.ReportMetric(float64(heap()-before)/torrents, "B/torrent")
		runtime.KeepAlive(a)
	}
}

func TestWhatTheOwnerRemovesMayGoOnAsAnothers(t *testing.T) {
	s := newSchedule()
	h := swarm.InfoHash{1}
	owners, others := Torrent{Hash: h, Owner: true}, Torrent{Hash: h}
	there := func() bool { r := s.torrents[h]; return r != nil && !r.leaving }
	tracker := []place{{"udp://tracker.example:1", untiered}}
	for _, test := range []struct {
		first, second Torrent
		owner         bool // who removes it
		stays         bool
	}{
		{owners, others, true, true},   // kept on in the background
		{others, owners, false, true},  // promoted
		{owners, others, false, false}, // kept on, and left
		{others, owners, true, false},  // promoted, and removed
	} {
		s.put(test.first, tracker, 0)
		s.put(test.second, tracker, 0)
		if s.remove(h, test.owner, 0); there() != test.stays {
			t.Errorf("%+v: it is announced: %t", test, there())
		}
		s.remove(h, false, 0)
		s.remove(h, true, 0)
	}
}
