package background

import (
	"net/netip"
	"sync"
	"time"

	"ebb/agent/peerwire"

	pace "golang.org/x/time/rate"
)

const (
	// tellingShare is the part of the upload that metadata may take, as 1 in so many: whoever asks for it again and again
	// would have what those who want fragments wait for.
	tellingShare = 16
	// leastTelling and mostTelling bound that rate, whatever the line carries or is believed to. Bytes per second.
	leastTelling, mostTelling = 8 << 10, 1 << 20
	// tellingBurst is what may go out at once: most torrents have less metadata than half of it. Bytes.
	tellingBurst = 512 << 10
	// While more than half of the burst is used up, each host has its own rate and burst.
	hostTelling, hostTellingBurst = 4 << 10, 128 << 10
	// mostTold bounds how many hosts are remembered.
	mostTold = 1024
	// mostUntold is how many requests of a connection may be refused. Stock clients wait a minute after one.
	mostUntold = 4
)

// telling paces what strangers are told of the metadata. It is bytes, as blocks are, but who asks for it needs neither a
// turn nor to read it twice.
type telling struct {
	mu    sync.Mutex // guards what follows
	all   *pace.Limiter
	hosts map[netip.Prefix]*pace.Limiter
}

func newTelling() *telling {
	return &telling{all: pace.NewLimiter(leastTelling, tellingBurst), hosts: make(map[netip.Prefix]*pace.Limiter)}
}

// allow reports whether a host may be told so many bytes, a piece of metadata at most, now. upload is what the background may upload, bytes per
// second; negative: as much as it likes.
func (t *telling) allow(host netip.Prefix, bytes int64, upload int64, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := int64(mostTelling)
	if upload >= 0 {
		limit = min(max(upload/tellingShare, leastTelling), mostTelling)
	}
	t.all.SetLimitAt(now, pace.Limit(limit))
	its := t.hosts[host]
	if its == nil {
		if len(t.hosts) >= mostTold { // then each has its burst again
			clear(t.hosts)
		}
		its = pace.NewLimiter(hostTelling, hostTellingBurst)
		t.hosts[host] = its
	}
	left := t.all.TokensAt(now)
	within := its.AllowN(now, int(bytes))
	if left < float64(bytes) || left < tellingBurst/2 && !within {
		return false
	}
	return t.all.AllowN(now, int(bytes))
}

// untold refuses a request for metadata; false if that peer has been refused often enough.
func (p *peer) untold(piece int) bool {
	p.refusals++
	return p.refusals <= mostUntold &&
		p.conn.SendExtended(peerwire.ExtensionMetadata, peerwire.MetadataReply(nil, piece)) == nil
}
