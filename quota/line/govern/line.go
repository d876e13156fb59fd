package govern

import "math"

// line is what one direction of the line is believed to carry. Rates are bytes per second on the wire, times seconds.
//
// What it was told holds until a queue shows that it is wrong: what passed while the queue stood is what the line
// carries. From then on it creeps back to what was told, after pauses that grow as long as the same rate is found each
// time. A line of which nothing is known is found by trying.
type line struct {
	rate    float64
	told    float64 // by the owner or the router's own shaper; 0: by nobody
	guessed bool    // no queue was ever seen, and nobody told

	found float64 // the rate when a queue last showed; 0: never
	since float64 // seconds since
	pause float64 // seconds after a queue before it creeps

	seen [lineProof]float64 // what passed at the last ticks
	next int
}

const (
	// lineFirst is the first guess: 1 Mbit/s, less than nearly all lines carry.
	lineFirst = 1_000_000 / 8
	// lineLeast is the least that is believed: 64 kbit/s.
	lineLeast = 64_000 / 8
	// lineTry is by how much a guess grows each second while it is used up and no queue shows.
	lineTry = 1.25
	// lineGrow is the same for what was learned and may be too little: at this pace the queue that shows is short.
	lineGrow = 1.05
	// lineCreepTold is by how much the rate grows each second towards what was told, lineCreep where nobody told.
	lineCreepTold = 1.03
	lineCreep     = 1.01
	// linePause is the first pause after a queue, lineLongPause the first where nobody told; linePauseMost is the
	// longest.
	linePause     = 5.0
	lineLongPause = 60.0
	linePauseMost = 120.0
	// lineSame is how close two findings are that count as one.
	lineSame = 0.15
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
		*l = line{rate: max(told, lineLeast), told: told}
	case told == 0 && l.told > 0: // taken back: go on with what is known now
		l.told = 0
	case l.rate == 0 && learned > 0:
		*l = line{rate: max(learned, lineLeast)}
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

// stand notes that a queue stands while this rate passes.
func (l *line) stand(rate float64) {
	l.guessed = false
	rate = max(rate, lineLeast)
	if l.found > 0 && math.Abs(rate-l.found) < lineSame*l.found {
		l.pause = min(l.pause*2, linePauseMost)
	} else {
		l.pause = linePause
		if l.told == 0 {
			l.pause = lineLongPause
		}
	}
	l.found, l.since = rate, 0
	l.rate = min(l.rate, rate)
}

// creep lets dt seconds pass. Bound means that the line's rate is what bounds the background, used that the background
// also uses all that it may, and no queue shows.
func (l *line) creep(dt float64, bound, used bool) {
	l.since += dt
	switch {
	case l.guessed:
		if used {
			l.rate *= math.Pow(lineTry, dt)
		}
	case l.told > 0:
		if bound && l.rate < l.told && l.since > l.pause {
			l.rate = min(l.rate*math.Pow(lineCreepTold, dt), l.told)
		}
	case used && l.found == 0 && l.since > linePause: // no queue has shown yet
		l.rate *= math.Pow(lineGrow, dt)
	case used && l.found > 0 && l.since > l.pause:
		l.rate *= math.Pow(lineCreep, dt)
	}
	l.rate = min(l.rate, mostRate)
}
