package netlab

import (
	"testing"
	"time"
)

// pass puts n packets in, gap apart, each with its number in the first two bytes, and takes out what is due, looking
// every tenth of a millisecond. It returns the delay of each packet that came out.
func pass(q *queue, n int, gap time.Duration) map[int]time.Duration {
	const look = 100 * time.Microsecond
	out := make(map[int]time.Duration)
	sent := make([]time.Duration, n)
	next, last := 0, -1
	for now := time.Duration(0); next < n || q.held > 0; now += look {
		for next < n && now >= time.Duration(next)*gap {
			room := q.room()
			room[0], room[1] = byte(next>>8), byte(next)
			sent[next] = now
			q.push(2, int64(now))
			next++
		}
		for {
			p := q.due(int64(now))
			if p == nil {
				break
			}
			i := int(p[0])<<8 | int(p[1])
			if i <= last {
				panic("a packet has overtaken another one")
			}
			last = i
			out[i] = now - sent[i]
			q.pop()
		}
	}
	return out
}

func TestQueueDelays(t *testing.T) {
	q := newQueue(Path{Delay: 10 * time.Millisecond}, 1)
	if q.due(1<<62) != nil {
		t.Error("an empty queue has a packet")
	}
	if _, any := q.next(); any {
		t.Error("an empty queue has a next packet")
	}
	out := pass(q, 2*slots+10, 200*time.Microsecond) // round the ring twice
	if len(out) != 2*slots+10 {
		t.Fatalf("%d packets came out", len(out))
	}
	for i, d := range out {
		if d != 10*time.Millisecond {
			t.Fatalf("packet %d took %v", i, d)
		}
	}
}

func TestQueueSpreadsByTheJitterInOrder(t *testing.T) {
	out := pass(newQueue(Path{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond, Seed: 7}, 1), 1000, 10*time.Millisecond)
	least, most := time.Hour, time.Duration(0)
	for _, d := range out {
		least, most = min(least, d), max(most, d)
	}
	if len(out) != 1000 || least < 10*time.Millisecond || least > 11*time.Millisecond || most < 14*time.Millisecond || most > 15100*time.Microsecond {
		t.Errorf("%d packets took from %v to %v", len(out), least, most)
	}
	pass(newQueue(Path{Jitter: 5 * time.Millisecond, Seed: 7}, 1), 1000, 100*time.Microsecond) // panics if they overtake
}

func TestQueueLosesTheSamePacketsEachTime(t *testing.T) {
	lossy := Path{Loss: 0.3, Seed: 5}
	first, again := pass(newQueue(lossy, 1), 2000, time.Millisecond), pass(newQueue(lossy, 1), 2000, time.Millisecond)
	if n := len(first); n < 1300 || n > 1500 {
		t.Errorf("%d of 2000 packets came through, want about 1400", n)
	}
	other, same := pass(newQueue(lossy, 2), 2000, time.Millisecond), 0
	for i := range 2000 {
		_, a := first[i]
		_, b := again[i]
		_, c := other[i]
		if a != b {
			t.Fatalf("packet %d came once and not again", i)
		}
		if a == c {
			same++
		}
	}
	if same > 1900 {
		t.Error("both directions lose the same packets")
	}
}

func TestFullQueueHasNoRoom(t *testing.T) {
	q := newQueue(Path{Delay: time.Second}, 1)
	n := 0
	for q.room() != nil && n <= slots {
		q.push(1, 0)
		n++
	}
	if n != slots {
		t.Errorf("room for %d packets, want %d", n, slots)
	}
	q.pop()
	if q.room() == nil {
		t.Error("no room after one packet has gone")
	}
}

func TestChangedDelayDoesNotReorder(t *testing.T) {
	q := newQueue(Path{Delay: 40 * time.Millisecond}, 1)
	q.push(1, 0)
	q.path.Delay = 10 * time.Millisecond
	q.push(1, int64(time.Millisecond))
	q.pop()
	if at, _ := q.next(); at != int64(40*time.Millisecond) {
		t.Errorf("the later packet is due after %v, want with the one before it", time.Duration(at))
	}
}

func TestQueueAllocatesNothing(t *testing.T) {
	q := newQueue(Path{Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.1}, 1)
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += int64(time.Millisecond)
		q.room()
		q.push(100, now)
		for q.due(now) != nil {
			q.pop()
		}
	}); n != 0 {
		t.Errorf("%v allocations per packet", n)
	}
}
