package disk

const (
	// slackShare and slackMost bound how far below the limit a breach is brought: less makes a slowly filling disk
	// breach at every check, more throws away what could stay.
	slackShare = 128
	slackMost  = 64 << 20
)

// slack is how far below its limit a breach is brought, in bytes.
func slack(limit int64) int64 { return min(limit/slackShare, slackMost) }

// regrowth decides whether the background may take again what was just reclaimed because the disk fills up or a
// download grows. If it did so at once, it would fetch what is to be reclaimed at the next check, for as long as that
// goes on. So it may keep what it has and exchange it for better, but not have more, until the disk leaves room for as
// much more than at the breach as the background was brought below that. The zero value stops nothing.
type regrowth struct {
	stopped bool
	level   int64 // what was used after the breach
	resume  int64 // the room above which it may grow again
}

// stop begins after a breach at which the disk left that much room. used is what the background was brought down to.
func (r *regrowth) stop(room, used int64) {
	*r = regrowth{stopped: true, level: used, resume: room + max(room-used, 0)}
}

// limit returns what the background may grow to, given the room that the disk leaves it, its limit and what it uses.
func (r *regrowth) limit(room, limit, used int64) int64 {
	if r.stopped && room > r.resume {
		*r = regrowth{}
	}
	if !r.stopped {
		return limit
	}
	return min(limit, max(r.level, used))
}
