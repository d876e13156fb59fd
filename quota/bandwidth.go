package quota

import "net"

// Unlimited is a rate without a limit.
const Unlimited = -1

// Bandwidth limits all background traffic together, up and down. Its methods may be called by any number of goroutines.
//
// Over any ten seconds, no more passes than 101 % of the limits that held meanwhile.
type Bandwidth struct {
	up, down *gate
}

// NewBandwidth returns a Bandwidth with limits in bytes per second, up being what is sent. 0 lets nothing
// pass: reads and writes wait. Unlimited is no limit.
func NewBandwidth(up, down int64) *Bandwidth {
	return &Bandwidth{up: newGate(up), down: newGate(down)}
}

// SetLimits changes the limits. Reads and writes that wait go on at the new rate at once.
func (b *Bandwidth) SetLimits(up, down int64) {
	b.up.setLimit(up)
	b.down.setLimit(down)
}

// Limits returns the limits, in bytes per second.
func (b *Bandwidth) Limits() (up, down int64) { return b.up.current(), b.down.current() }

// Totals returns how many bytes have passed.
func (b *Bandwidth) Totals() (up, down int64) { return b.up.passed.sum(), b.down.passed.sum() }

// Rates returns the rates over the last five seconds, in bytes per second.
func (b *Bandwidth) Rates() (up, down int64) { return b.up.passed.rate(), b.down.passed.rate() }

// Wrap returns a connection whose every byte passes b. A read or write that waits for its turn ends when the
// connection is closed or its deadline passes. What has been read waits before it is handed over, so a peer that
// sends too fast finds its TCP window closed. The connection implements io.ReaderFrom for the sake of sendfile.
func (b *Bandwidth) Wrap(c net.Conn) net.Conn {
	return &conn{Conn: c, up: b.up, down: b.down, reading: newCutoff(), writing: newCutoff()}
}
