package background

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"ebb/agent/peerwire"
	"ebb/quota/line"
)

// BenchmarkTurns serves 30 and 100 equal leechers, each on a connection of its own, at 4 MB/s together. It reports how
// many of them had something within a minute, and how many times as much as the worst the best had after five.
func BenchmarkTurns(b *testing.B) {
	for _, n := range []int{30, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				served, ratio := serveEqually(b, n)
				b.ReportMetric(float64(n-served), "left-out")
				b.ReportMetric(ratio, "best/worst")
			}
		})
	}
}

// serveEqually has n leechers ask for five minutes for all that they can get.
func serveEqually(b *testing.B, n int) (servedInAMinute int, ratio float64) {
	b.Helper()
	us := newAgent(b, 1<<30)
	us.line.SetLimits(4e6, line.Unlimited)
	c := makeContent(b, 100, false)
	for i := range c.info.NumPieces() {
		us.hold(c, i)
	}
	us.join(c, true)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	had := make([]atomic.Int64, n)
	for i := range had {
		p := newScriptedAt(b, c, fmt.Sprintf("127.9.%d.%d", n, i+1)).dial(us)
		p.conn.Send(peerwire.Message{Type: peerwire.HaveNone})
		p.conn.Send(peerwire.Message{Type: peerwire.Interested})
		go p.leech(&had[i])
	}
	select {
	case <-time.After(time.Minute):
	case <-ctx.Done():
	}
	for i := range had {
		if had[i].Load() > 0 {
			servedInAMinute++
		}
	}
	<-ctx.Done()
	least, most := had[0].Load(), had[0].Load()
	for i := range had {
		least, most = min(least, had[i].Load()), max(most, had[i].Load())
	}
	b.Logf("%d leechers: %d served in a minute; after five the worst had %.1f MB, the best %.1f MB", n, servedInAMinute, float64(least)/1e6, float64(most)/1e6)
	return servedInAMinute, float64(most) / float64(max(least, 1))
}

// leech asks for one block after another while it is let, and keeps 32 requests on their way. It counts what comes.
func (p *scripted) leech(had *atomic.Int64) {
	ask := func() {
		piece := rand.IntN(p.content.info.NumPieces() - 1)
		p.conn.Send(peerwire.Message{Type: peerwire.Request, Index: uint32(piece), Length: peerwire.BlockSize})
	}
	for m := range p.heard {
		switch m.Type {
		case peerwire.Unchoke:
			for range 32 {
				ask()
			}
		case peerwire.Piece:
			had.Add(int64(len(m.Block)))
			ask()
		}
	}
}
