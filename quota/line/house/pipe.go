package house

// Medium is how a line lets packets pass.
type Medium int

const (
	Serial Medium = iota // each packet takes its time, as in a modem
	Bucket               // a token bucket: some pass at once after a pause
	Grants               // DOCSIS: packets leave at the grants, every few milliseconds
	Bursts               // Wi-Fi and LTE: what has come together leaves together
)

// pipe is one direction of a line, with its buffer. Rates are bytes per second, times nanoseconds.
type pipe struct {
	rate, buffer float64 // buffer in bytes
	medium       Medium
	grain        int64   // between grants or bursts
	burst        float64 // of the token bucket, in bytes

	free    int64   // when all that has come will have left
	passed  float64 // bytes that have come
	dropped float64
}

const second = 1e9

// waits is for how long what comes now waits for what is ahead of it.
func (p *pipe) waits(now int64) int64 {
	if p.medium == Bucket { // free is when the bucket will have paid for it; it leaves a full bucket earlier
		return max(p.free-int64(p.burst/p.rate*second)-now, 0)
	}
	return max(p.free-now, 0)
}

// add takes a packet, and returns when it has left; false if the buffer is full.
func (p *pipe) add(now int64, wire float64) (int64, bool) {
	if float64(p.waits(now))*p.rate/second+wire > p.buffer+1514 {
		p.dropped += wire
		return 0, false
	}
	p.passed += wire
	takes := int64(wire / p.rate * second)
	switch p.medium {
	case Bucket:
		p.free = max(p.free, now) + takes
		return max(p.free-int64(p.burst/p.rate*second), now), true
	case Grants, Bursts:
		p.free = max(p.free, now) + takes
		return (p.free/p.grain + 1) * p.grain, true
	}
	p.free = max(p.free, now) + takes
	return p.free, true
}

// queued is how many bytes are waiting.
func (p *pipe) queued(now int64) float64 { return float64(p.waits(now)) * p.rate / second }

// change sets another rate. What waits already is served at it, though what was promised a time keeps it.
func (p *pipe) change(now int64, rate float64) {
	p.free = now + int64(float64(max(p.free-now, 0))*p.rate/rate)
	p.rate = rate
}
