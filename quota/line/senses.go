package line

import (
	"time"

	"ebb/agent/prefs"
	"ebb/platform"
	"ebb/quota/line/govern"
)

// How often what changes slowly is read again. The counters of the line are read four times a second, which costs a few
// microseconds.
const (
	factsEvery    = 10 * time.Second
	shaperEvery   = time.Minute
	pressureEvery = 2 * time.Second
	demandEvery   = time.Second
	learnedEvery  = time.Hour // how often what was learned of the line is written down
)

// senses read what surrounds the background's connections. What platform reads is filtered here: counters become rates,
// and rates teach what the line carries. They are used by one goroutine at a time.
type senses struct {
	cfg *GovernorConfig

	routes *platform.Routes
	only   string // the interface that routes was made for; "" for any

	name     string // of the interface to the internet; "" while there is none
	counters *platform.Counters
	meter    meter
	learned  learned
	kept     string // of learned, as it was last written down

	facts      govern.Facts
	shaper     platform.SQM // what the router's own shaper is set to, if it has one
	pressure   string
	foreground govern.Rates

	nextFacts, nextShaper, nextPressure, nextDemand, nextKeep time.Time
}

// sense returns what surrounds the connections now, under these preferences. What the prober knows is not among it.
func (s *senses) sense(now time.Time, p prefs.Preferences) govern.Surroundings {
	s.follow(now, p.Network.WANInterface)
	s.readSlow(now)
	around := govern.Surroundings{
		Interface: s.name, Facts: s.facts, Foreground: s.foreground, Pressure: s.pressure,
		Line: told(p, s.shaper),
	}
	if s.counters != nil {
		if traffic, err := s.counters.Read(); err == nil {
			if flow, ok := s.meter.add(now, traffic); ok {
				around.WAN, around.Seen = govern.Rates{Up: flow.up, Down: flow.down}, true
				if s.facts.Forwarding { // else it may be the LAN that is fast
					s.learned.add(now, flow.up, flow.down)
				}
			}
		}
	}
	around.Learned = believed(p, &s.learned)
	return around
}

// follow finds the interface to the internet, and notices when it is another one. Only is the one that the owner named,
// or "auto".
func (s *senses) follow(now time.Time, only string) {
	if only == "auto" {
		only = ""
	}
	if s.routes == nil || only != s.only {
		if s.routes != nil {
			s.routes.Close()
		}
		s.routes, s.only = s.cfg.Platform.Routes(only), only
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
	s.name, s.meter, s.learned, s.kept = route.Interface, meter{}, learned{}, ""
	s.nextFacts, s.nextShaper = time.Time{}, time.Time{}
	if s.name == "" {
		return
	}
	s.counters = s.cfg.Platform.Counters(s.name)
	if speed, ok := s.cfg.Platform.LinkSpeed(s.name); ok {
		s.meter.limit = speed
	}
	if text, ok := s.cfg.Store.Meta(learnedBucket, s.name); ok && s.learned.UnmarshalText(text) == nil {
		s.kept = string(text)
	}
	s.nextKeep = now.Add(learnedEvery)
}

// readSlow reads again what changes slowly and is due.
func (s *senses) readSlow(now time.Time) {
	due := func(at *time.Time, every time.Duration) bool {
		if now.Before(*at) {
			return false
		}
		*at = now.Add(every)
		return true
	}
	if due(&s.nextFacts, factsEvery) && s.name != "" {
		position, _ := s.cfg.Platform.Position(s.name) // what it could not find out counts as no
		s.facts = govern.Facts{Forwarding: position.Forwarding, Forwarded: position.Forwarded, Received: position.Received}
		for _, lan := range position.LAN {
			if lan.Physical || position.Virtual {
				s.facts.LANs++
			}
		}
	}
	if due(&s.nextShaper, shaperEvery) {
		s.shaper, _ = s.cfg.Platform.SQMOf(s.name) // most have none
	}
	if due(&s.nextPressure, pressureEvery) {
		s.pressure = s.shortage()
	}
	if due(&s.nextDemand, demandEvery) {
		s.foreground = s.cfg.Foreground()
	}
	if s.name != "" && due(&s.nextKeep, learnedEvery) {
		s.keepLearned()
	}
}

// processorWaits is where a machine begins to suffer: in most of the last ten seconds somebody waited for a processor.
const processorWaits = 0.8

// shortage names what the machine is short of, "" if of nothing. Kernels that do not measure the pressure on processors
// say nothing.
func (s *senses) shortage() string {
	if s.cfg.MemoryShort() {
		return "memory"
	}
	if p, err := s.cfg.Platform.CPUPressure(); err == nil && p.Some > processorWaits {
		return "processor time"
	}
	return ""
}

// learnedBucket is where the store keeps what was learned of each interface's line.
const learnedBucket = "line"

// keepLearned writes down what was learned, if that is news and the disk is not to be left alone.
func (s *senses) keepLearned() {
	text, err := s.learned.MarshalText()
	if s.name == "" || err != nil || string(text) == s.kept || s.cfg.Unavailable() != nil {
		return
	}
	if err := s.cfg.Store.PutMeta(learnedBucket, s.name, text); err != nil {
		s.cfg.Log.Warn("writing down what was learned of the line", "err", err)
		return
	}
	s.kept = string(text)
}

// close writes down what was learned, and lets go of the kernel's files.
func (s *senses) close() {
	s.keepLearned()
	if s.counters != nil {
		s.counters.Close()
	}
	if s.routes != nil {
		s.routes.Close()
	}
}
