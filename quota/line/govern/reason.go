package govern

import "fmt"

// reason says how the background is doing, and why, for people.
func (c *Controller) reason(s Sample) (State, string) {
	up, down := &c.up, &c.down
	switch {
	case s.Used != "":
		return Paused, "paused: " + s.Used
	case s.Allotted.Up == 0 && s.Allotted.Down == 0:
		return Paused, "paused: you lend no bandwidth"
	case s.Around.Pressure != "":
		return Yielding, "yielding: the machine is short of " + s.Around.Pressure
	}
	// The direction with the graver need speaks, and of the same the one that others use more.
	d, verb := up, "uploading"
	if s.Allotted.Up == 0 || s.Allotted.Down != 0 && (down.why > up.why || down.why == up.why && down.others > up.others) {
		d, verb = down, "downloading"
	}
	switch d.why {
	case forOthers:
		return Yielding, fmt.Sprintf("yielding: someone in the house is %s at %s", verb, Bits(max(d.others, d.taken-d.fore)))
	case forOwner:
		return Yielding, "yielding: your own downloads need the line"
	case forQueue:
		return Yielding, "yielding: " + d.queue.String()
	case comingBack:
		return Sharing, "sharing: the line is free again, and the background is coming back"
	case roomBeside:
		if d.fore > d.others {
			return Sharing, "sharing: your own downloads leave room on the line"
		}
		return Sharing, fmt.Sprintf("sharing: someone in the house is %s at %s, which leaves room", verb, Bits(max(d.others, d.taken-d.fore)))
	}
	return Sharing, "sharing: the line is free"
}

// Bits writes a rate, given in bytes per second, the way lines are sold.
func Bits(rate float64) string {
	switch mega := rate * 8 / 1e6; {
	case mega < 1:
		return fmt.Sprintf("%.0f kbit/s", mega*1000)
	case mega < 100:
		return fmt.Sprintf("%.1f Mbit/s", mega)
	default:
		return fmt.Sprintf("%.0f Mbit/s", mega)
	}
}
