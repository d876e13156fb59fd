package line

import (
	"cmp"
	"math"

	"ebb/agent/prefs"
	"ebb/platform"
	"ebb/quota/line/govern"
)

// What the preferences say of the line: how much of it they lend, and how much it carries.

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

// told is what the owner, or else the router's shaper, says that the line carries; 0 if neither does.
func told(p prefs.Preferences, shaper platform.SQM) govern.Rates {
	line := govern.Rates{
		Up:   float64(p.Network.LineUp.BytesPerSecond()),
		Down: float64(p.Network.LineDown.BytesPerSecond()),
	}
	if line.Up <= 0 {
		line.Up = float64(shaper.Upload)
	}
	if line.Down <= 0 {
		line.Down = float64(shaper.Download)
	}
	return line
}

// believed is what to begin with if nobody says what the line carries: what was learned, or else less than half of what
// most lines sold today carry; and in any case what the owner lends, for surely the line carries that. The queue will
// tell if it does not.
func believed(p prefs.Preferences, l *learned) govern.Rates {
	up, down := l.rates()
	return govern.Rates{
		Up:   max(float64(cmp.Or(up, commonUp)), lent(p.Background.Upload)),
		Down: max(float64(cmp.Or(down, commonDown)), lent(p.Background.Download)),
	}
}

// commonUp and commonDown are what to begin with on a line of which nothing is known, in bytes per second: 5 and 20
// Mbit/s.
const (
	commonUp   = 5_000_000 / 8
	commonDown = 20_000_000 / 8
)

// fastLine is what to begin with where the owner lends as much as there is: 1 Gbit/s.
const fastLine = 1_000_000_000 / 8

// lentShare is what a line must carry at least for each byte per second that its owner lends.
const lentShare = 1.25

// lent is what a line carries at least whose owner lends so much of it, in bytes per second.
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
