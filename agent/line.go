package agent

import (
	"cmp"
	"context"
	"math"
	"time"

	"ebb/agent/prefs"
	"ebb/platform"
	"ebb/quota/line/govern"
)

// How often what changes slowly is looked at again. The counters of the line are
// read four times a second, which costs a few microseconds.
const (
	factsEvery    = 10 * time.Second
	shaperEvery   = time.Minute
	pressureEvery = 2 * time.Second
	demandEvery   = time.Second
	learnedEvery  = time.Hour // how often what was learned of the line is written down
)

// lineSenses tells the governor of what surrounds the background's connections.
// It is used by the governor's goroutine alone.
type lineSenses struct {
	agent *Agent

	routes *platform.Routes
	only   string // the interface that routes was made for; "" for any

	name     string // of the interface to the internet; "" while there is none
	counters *platform.Counters
	meter    platform.Meter
	learned  platform.Learned
	kept     string // of learned, as it was last written down

	facts      govern.Facts
	shaper     platform.SQM // what the router's own shaper is set to, if it has one
	pressure   string
	foreground govern.Rates

	nextFacts, nextShaper, nextPressure, nextDemand, nextKeep time.Time
}

// Sense implements line.Senses.
func (s *lineSenses) Sense() govern.Surroundings {
	now, p := time.Now(), s.agent.current()
	s.follow(now, p)
	s.lookAround(now)
	around := govern.Surroundings{
		Interface: s.name, Facts: s.facts, Foreground: s.foreground, Pressure: s.pressure,
		Line: s.told(p),
	}
	if s.counters != nil {
		if traffic, err := s.counters.Read(); err == nil {
			if flow, ok := s.meter.Add(now, traffic); ok {
				around.WAN, around.Seen = govern.Rates{Up: flow.Up, Down: flow.Down}, true
				if s.facts.Forwarding { // else it may be the LAN that is fast
					s.learned.Add(now, flow.Up, flow.Down)
				}
			}
		}
	}
	around.Learned = s.believed(p)
	s.agent.probe.sense(&around, now)
	return around
}

// follow finds the interface to the internet, and notices when it is another.
func (s *lineSenses) follow(now time.Time, p prefs.Preferences) {
	only := p.Network.WANInterface
	if only == "auto" {
		only = ""
	}
	if s.routes == nil || only != s.only {
		if s.routes != nil {
			s.routes.Close()
		}
		s.routes, s.only = platform.System.Routes(only), only
	}
	route, err := s.routes.Default()
	if err != nil {
		route.Interface = "" // there is none at the moment
	}
	if route.Interface == s.name {
		return
	}
	s.keepLearned()
	if s.counters != nil {
		s.counters.Close()
		s.counters = nil
	}
	s.name, s.meter, s.learned, s.kept = route.Interface, platform.Meter{}, platform.Learned{}, ""
	s.nextFacts, s.nextShaper = time.Time{}, time.Time{}
	if s.name == "" {
		return
	}
	s.counters = platform.System.Counters(s.name)
	if speed, ok := platform.System.LinkSpeed(s.name); ok {
		s.meter.Limit = speed
	}
	if text, ok := s.agent.store.Meta(learnedBucket, s.name); ok && s.learned.UnmarshalText(text) == nil {
		s.kept = string(text)
	}
	s.nextKeep = now.Add(learnedEvery)
}

// lookAround looks at what changes slowly.
func (s *lineSenses) lookAround(now time.Time) {
	due := func(at *time.Time, every time.Duration) bool {
		if now.Before(*at) {
			return false
		}
		*at = now.Add(every)
		return true
	}
	if due(&s.nextFacts, factsEvery) && s.name != "" {
		position, _ := platform.System.Position(s.name) // what it could not find out counts as no
		s.facts = govern.Facts{Forwarding: position.Forwarding, Forwarded: position.Forwarded, Received: position.Received}
		for _, lan := range position.LAN {
			if lan.Physical || position.Virtual {
				s.facts.LANs++
			}
		}
	}
	if due(&s.nextShaper, shaperEvery) {
		s.shaper, _ = platform.System.SQMOf(s.name) // most have none
	}
	if due(&s.nextPressure, pressureEvery) {
		s.pressure = s.agent.shortage(platform.System)
	}
	if due(&s.nextDemand, demandEvery) {
		s.foreground = govern.Rates{}
		for _, t := range s.agent.foreground.Torrents() {
			s.foreground.Up += float64(t.UploadRate)
			s.foreground.Down += float64(t.DownloadRate)
		}
	}
	if s.name != "" && due(&s.nextKeep, learnedEvery) {
		s.keepLearned()
	}
}

// processorWaits is where a machine begins to suffer: in most of the last ten
// seconds somebody waited for a processor.
const processorWaits = 0.8

// shortage names what the machine is short of, "" if of nothing. Kernels that do
// not measure the pressure on processors say nothing.
func (a *Agent) shortage(f platform.Files) string {
	if a.memory.Short() {
		return "memory"
	}
	if p, err := f.CPUPressure(); err == nil && p.Some > processorWaits {
		return "processor time"
	}
	return ""
}

// told is what the owner, or else the router's shaper, says that the line carries.
func (s *lineSenses) told(p prefs.Preferences) govern.Rates {
	line := govern.Rates{Up: float64(p.Network.LineUp.BytesPerSecond()), Down: float64(p.Network.LineDown.BytesPerSecond())}
	if line.Up <= 0 {
		line.Up = float64(s.shaper.Upload)
	}
	if line.Down <= 0 {
		line.Down = float64(s.shaper.Download)
	}
	return line
}

// believed is where to begin if nobody says: what was learned, or what most lines
// sold today carry more than twice of; and in any case what the owner lends, for
// surely the line carries that. The queue will tell if it does not.
func (s *lineSenses) believed(p prefs.Preferences) govern.Rates {
	up, down := s.learned.Rates()
	return govern.Rates{
		Up:   max(float64(cmp.Or(up, commonUp)), lent(p.Background.Upload)),
		Down: max(float64(cmp.Or(down, commonDown)), lent(p.Background.Download)),
	}
}

// commonUp and commonDown are where to begin on a line of which nothing is known,
// in bytes per second: 5 and 20 Mbit/s.
const (
	commonUp   = 5_000_000 / 8
	commonDown = 20_000_000 / 8
)

// fastLine is where to begin where the owner lends as much as there is: 1 Gbit/s.
const fastLine = 1_000_000_000 / 8

// lentShare is what a line must carry at least for each byte per second that its owner lends.
const lentShare = 1.25

func lent(r prefs.Rate) float64 {
	switch {
	case r.Auto():
		return 0
	case r.Unlimited():
		return fastLine
	default:
		return lentShare * float64(r.BytesPerSecond())
	}
}

// learnedBucket is where the store keeps what was learned of each interface's line.
const learnedBucket = "line"

func (s *lineSenses) keepLearned() {
	text, err := s.learned.MarshalText()
	if s.name == "" || err != nil || string(text) == s.kept || s.agent.disk.Unavailable() != nil {
		return
	}
	if err := s.agent.store.PutMeta(learnedBucket, s.name, text); err != nil {
		s.agent.log.Warn("writing down what was learned of the line", "err", err)
		return
	}
	s.kept = string(text)
}

// govern moves the background's limits until ctx ends.
func (a *Agent) govern(ctx context.Context) {
	a.governor.Run(ctx)
	a.senses.keepLearned()
	if a.senses.counters != nil {
		a.senses.counters.Close()
	}
	if a.senses.routes != nil {
		a.senses.routes.Close()
	}
}

// allotment is what the preferences lend of the line.
func allotment(p prefs.Preferences) govern.Allotment {
	rate := func(r prefs.Rate) int64 {
		switch {
		case r.Auto():
			return govern.Auto
		case r.Unlimited():
			return math.MaxInt64
		default:
			return r.BytesPerSecond()
		}
	}
	a := govern.Allotment{Up: rate(p.Background.Upload), Down: rate(p.Background.Download), Monthly: govern.Uncapped}
	if bytes, capped := p.Background.MonthlyTransfer.Bytes(); capped {
		a.Monthly = bytes
	}
	return a
}
