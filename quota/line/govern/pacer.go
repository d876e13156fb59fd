package govern

import (
	"math"
	"time"
)

// Pacer says when how much may leave, so that what leaves together is no more than two full segments, or what a
// millisecond or two of a fast line carry. It has no clock: times are passed in, as durations since any one moment.
// The zero value lets nothing pass.
//
// It keeps the time at which all that has left is paid for. Whoever waits for that and wakes up late catches up; whoever
// comes after a pause, or later than lateMost, finds no more than one grant.
type Pacer struct {
	rate float64       // bytes per second
	free time.Duration // when what has left is paid for
	owed bool          // somebody was told to wait for that
}

const (
	// grantTime is what is granted at a time on a fast line: a system call for less is not worth it.
	grantTime = 2 * time.Millisecond
	// slowestGrant bounds what is granted at a time on a very slow one.
	slowestGrant = time.Second
	// mostGrant bounds it: more saves no system calls worth speaking of.
	mostGrant = 128 << 10
	// lateMost is how late somebody may wake up without a loss: some kernels count time in hundredths of a second.
	lateMost = 20 * time.Millisecond
	// countedMost bounds what may have passed without a grant and not be paid for.
	countedMost = time.Second
)

// Rate is what it was set to.
func (p *Pacer) Rate() float64 { return p.rate }

// Set changes the rate, in bytes per second.
func (p *Pacer) Set(now time.Duration, rate float64) {
	rate = max(rate, 0)
	if left := p.free - now; left > 0 && rate > 0 && p.rate > 0 {
		p.free = now + time.Duration(min(float64(left)*p.rate/rate, float64(countedMost)))
	}
	p.rate = rate
}

// Free is when all that has left is paid for.
func (p *Pacer) Free() time.Duration { return p.free }

// Grant is the most that is granted at a time, in bytes.
func (p *Pacer) Grant() int {
	return max(int(min(max(p.rate*grantTime.Seconds(), SmallestGrant), mostGrant, p.rate*slowestGrant.Seconds())), 1)
}

// Draw grants up to n bytes, if something may leave now. Otherwise it returns 0 and for how long to wait; not at all
// while the rate is 0.
func (p *Pacer) Draw(now time.Duration, n int) (granted int, wait time.Duration, ever bool) {
	if p.rate <= 0 {
		return 0, 0, false
	}
	if p.free > now {
		p.owed = true
		return 0, p.free - now, true
	}
	n = min(n, p.Grant())
	from := now
	if p.owed && now-p.free <= lateMost {
		from = p.free
	}
	p.free = from + p.takes(n)
	p.owed = p.owed && p.free <= now // it has not caught up yet
	return n, 0, true
}

// Count takes into account what has passed without a grant.
func (p *Pacer) Count(now time.Duration, n int) {
	if p.rate > 0 && n > 0 {
		p.free = min(max(p.free, now)+p.takes(n), now+countedMost)
	}
}

func (p *Pacer) takes(n int) time.Duration {
	return time.Duration(math.Ceil(min(float64(n)/p.rate, 60) * float64(time.Second)))
}
