package disk

const (
	// slackShare and slackMost bound how far below the limit a breach is brought: less makes a slowly filling disk
	// breach at every check, more throws away what could stay.
	slackShare = 128
	slackMost  = 64 << 20
)

func slack(limit int64) int64 { return min(limit/slackShare, slackMost) }

// brake keeps the background from filling at once what was just reclaimed because the disk fills up or a download grows.
// Otherwise it would fetch what is to be reclaimed at the next check, for as long as that goes on. It may keep what it
// has and exchange it for better, but not have more, until the disk leaves room for as much more than at the breach
// as the background was brought below that. The zero value lets everything pass.
type brake struct {
	on    bool
	level int64 // what was used after the breach
	lift  int64 // the room at which it is let go
}

// pull begins it, after a breach, when the disk left so much room, has left so much used.
func (k *brake) pull(room, used int64) {
	*k = brake{on: true, level: used, lift: room + max(room-used, 0)}
}

// hold returns what the background may use, when the disk leaves it so much room, the limit is so much and it uses so much.
func (k *brake) hold(room, limit, used int64) int64 {
	if k.on && room > k.lift {
		*k = brake{}
	}
	if !k.on {
		return limit
	}
	return min(limit, max(k.level, used))
}
