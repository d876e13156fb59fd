package background

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"

	"ebb/agent/peerwire"
)

// awakeSwarms counts the live swarms, and what they take.
func (a *agent) awakeSwarms() (n int, bytes int64) {
	a.engine.awake.mu.Lock()
	defer a.engine.awake.mu.Unlock()
	return len(a.engine.awake.live), a.engine.awake.sum
}

// isLive reports whether a swarm is.
func (a *agent) isLive(c content) bool {
	s := a.engine.table.get(c.info.Hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life == lifeLive
}

// makeMany makes contents that differ in nothing but a number.
func makeMany(t *testing.T, n int) []content {
	t.Helper()
	all := make([]content, n)
	first := makeContent(t, 2, false)
	for i := range all {
		info := metainfo.Info{Name: "one of many", PieceLength: first.info.PieceLength, Length: first.info.Length, Source: string(binary.BigEndian.AppendUint32(nil, uint32(i)))}
		for index := range first.info.NumPieces() {
			sum := first.info.PieceHash(index)
			info.Pieces = append(info.Pieces, sum[:]...)
		}
		raw, err := bencode.Marshal(info)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := peerwire.ParseInfo(raw)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = content{data: first.data, raw: raw, info: parsed}
	}
	return all
}

func TestLiveSwarmsAreBoundedAndTheRestWaitsForItsTurn(t *testing.T) {
	const conns = 8
	us := newAgent(t, 1<<30)
	us.engine.SetMostConns(conns)
	all := makeMany(t, 60)
	bounded := func(when string) {
		t.Helper()
		// One that was to fall asleep when its peer came stays, and another goes with the next that comes.
		const late = 4 * liveBase
		if n, bytes := us.awakeSwarms(); bytes > conns*liveForEachConn+late || n == 0 {
			t.Fatalf("%s: %d swarms are live and take %d bytes", when, n, bytes)
		}
	}
	for _, c := range all {
		us.hold(c, 0)
		us.join(c, true)
	}
	bounded("all added by the owner")
	last := all[len(all)-1]
	if us.isLive(last) {
		t.Error("the last one is live, although there is no room")
	}

	us.engine.wake(last.info.Hash, time.Now())
	if !us.isLive(last) {
		t.Error("one whose turn it is does not go live")
	}
	bounded("one was woken")

	for _, c := range all { // handshakes that are closed at once
		conn, err := newScripted(t, c).port.Dial(t.Context(), us.port.Addr(), c.info.Hash)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		bounded("after a handshake")
	}
	p := newScripted(t, all[30]).dial(us)
	p.unchoked()
	if got := p.fetch(0, 0, 16<<10); got == nil {
		t.Error("a peer of a dormant swarm gets nothing")
	}
	bounded("while one is served")

	us.engine.SetMostConns(2)
	us.wait("swarms to fall asleep when memory is short", func() bool {
		_, bytes := us.awakeSwarms()
		return bytes <= 2*liveForEachConn
	})
	if got := p.fetch(0, 0, 16<<10); got == nil {
		t.Error("the one that is served falls asleep, too")
	}
}
