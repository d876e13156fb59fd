package govern

import (
	"math"
	"time"
)

// line is what one direction of the line is believed to carry. Rates are bytes per second on the wire, times seconds.
//
// What it was told holds until a queue that was ours shows that it is wrong: what passed then is what the line carries.
// Every belief heals: after a pause it grows, first slowly, then ever faster, until the next queue. So a line that is as
// it was is tried gently, and one that became ten times as fast is used again within half a minute. (The shape is that
// of CUBIC's window, RFC 9438.)
type line struct {
	rate    float64
	told    float64 // by the owner or the router's own shaper; 0: by nobody
	guessed bool    // no queue was ever seen, and nobody told

	found float64 // the rate when a queue last showed; 0: never
	since float64 // seconds since, in which it was used up
	pause float64 // seconds after a queue before it grows

	age  float64            // seconds for which this has been believed
	was  float64            // the rate then
	seen [lineProof]float64 // what passed at the last ticks
	next int
}

const (
	// lineFirst is the first guess: 1 Mbit/s, less than nearly all lines carry.
	lineFirst = 1_000_000 / 8
	// lineLeast is the least that is believed: 64 kbit/s.
	lineLeast = 64_000 / 8
	// lineTry is by how much a guess grows each second while it is used up and no queue shows.
	lineTry = 0.22
	// lineGently is by how much more each second it grows each second at first, for lineGentle seconds, and lineFaster
	// the same afterwards.
	lineGently = 0.01
	lineGentle = 8.0
	lineFaster = 0.08
	// linePause is the first pause after a queue; it doubles while the same is found, up to linePauseMost.
	linePause     = 6.0
	linePauseMost = 15.0
	// lineTold is the pause before more than what was told is tried, lineToldAgain that after it was found to be right,
	// and then it doubles, up to lineToldMost: what was told is believed.
	lineTold      = 15.0
	lineToldAgain = 60.0
	lineToldMost  = 600.0
	// lineSame is how close two findings are that count as one.
	lineSame = 0.1
	// lineFound is the part of what passed when a queue began that the line carries: it was a little too much.
	lineFound = 0.98
	// lineProof is for how many ticks more than the rate must pass to prove that the line carries it: where the queue
	// is in the modem, a flow that starts sends more than that for a second or two.
	lineProof = 12
	// queuedShare is the part of what passes while a queue grows that the line carries: TCP fills a buffer of half a
	// second within ten.
	queuedShare = 0.94
	// lineNews is by how much what is told must change to be news.
	lineNews = 0.02
)

// know takes the rates that were told and learned; 0: none was.
func (l *line) know(told, learned float64) {
	switch {
	case told > 0 && math.Abs(told-l.told) > lineNews*l.told:
		*l = line{rate: max(told, lineLeast), told: told, pause: lineTold}
	case told == 0 && l.told > 0: // taken back: go on with what is known now
		l.told = 0
	case l.rate == 0 && learned > 0:
		*l = line{rate: max(learned, lineLeast), guessed: true}
	case l.rate == 0:
		*l = line{rate: lineFirst, guessed: true}
	}
}

// pass notes what passed towards the line in all. Queued means that a queue stood, which may be in a modem and growing.
func (l *line) pass(rate float64, queued bool) {
	if queued {
		rate *= queuedShare
	}
	l.seen[l.next%lineProof] = rate
	l.next++
	proven := l.seen[0]
	for _, r := range l.seen[1:] {
		proven = min(proven, r)
	}
	l.rate = max(l.rate, proven)
}

// find notes that a queue of ours began while this rate passed.
func (l *line) find(rate float64) {
	rate = max(rate*lineFound, lineLeast)
	first, most := linePause, linePauseMost
	if l.told > 0 && rate > l.told*(1-lineSame) {
		first, most = lineToldAgain, lineToldMost
	}
	if l.found > 0 && math.Abs(rate-l.found) < lineSame*l.found {
		l.pause = min(max(l.pause*2, first), most)
	} else {
		l.pause = first
	}
	l.found, l.since, l.guessed = rate, 0, false
	l.rate = min(l.rate, rate)
}

// grow lets dt seconds pass in which the background used all that the line's rate lets it, and no queue showed.
func (l *line) grow(dt float64) {
	l.since += dt
	pause, most := l.pause, mostRate
	if l.rate < l.told { // up to what was told there is no need to wait for long
		pause, most = min(pause, linePauseMost), l.told
	}
	speed := lineTry
	if !l.guessed {
		trying := max(l.since-pause, 0)
		speed = min(lineGently*min(trying, lineGentle)+lineFaster*max(trying-lineGentle, 0), 2*lineTry)
	}
	l.rate = min(l.rate*math.Exp(speed*dt), most)
}

// believed lets dt seconds pass, and says what is believed for how long, and why. What changes by less than lineSame is
// the same belief.
func (l *line) believed(dt float64) Belief {
	l.age += dt
	if math.Abs(l.rate-l.was) > lineSame*l.was {
		l.was, l.age = l.rate, 0
	}
	why := "nobody told, and no queue has shown yet"
	switch {
	case l.told > 0 && math.Abs(l.rate-l.told) <= lineSame*l.told:
		why = "as it was told"
	case l.found > 0 && l.rate <= l.found*(1+lineSame):
		why = "a queue of ours began at " + Bits(l.found)
	case l.found > 0:
		why = "a queue of ours began at " + Bits(l.found) + " once, and none has shown at more since"
	case l.told > 0:
		why = "it was told " + Bits(l.told) + ", and no queue has shown at more"
	}
	return Belief{l.rate, time.Duration(l.age * float64(time.Second)), why}
}
