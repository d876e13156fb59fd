package door

import (
	"encoding/binary"
	"errors"
	"testing"

	"ebb/agent/peerwire"
)

// small is a torrent of three pieces of two blocks, of which the last is short.
var small = shape{pieces: 3, pieceLength: 32 << 10, length: 2*32<<10 + 100}

func say(t *testing.T, r *rules, m peerwire.Message, want verdict) {
	t.Helper()
	if got, err := r.fromStranger(m); got != want || err != nil {
		t.Errorf("%+v: verdict %d, %v; want %d", m, got, err, want)
	}
}

func TestOnlyWhatTheEngineAskedForReachesIt(t *testing.T) {
	r := newRules(small, true)
	block := peerwire.Message{Type: peerwire.Piece, Index: 1, Begin: 16 << 10, Length: 16 << 10}
	say(t, r, block, drop)
	ask := block
	ask.Type = peerwire.Request
	if r.fromEngine(ask) != pass {
		t.Fatal("the engine may not ask")
	}
	short := block
	short.Length--
	say(t, r, short, drop)
	say(t, r, block, pass)
	say(t, r, block, drop)
	for range mostUseless {
		_, _ = r.fromStranger(block)
	}
	if _, err := r.fromStranger(block); !errors.Is(err, errUseless) {
		t.Errorf("a peer that sends nothing else: %v", err)
	}
}

func TestRequestsThatRainWouldKeepAreAnsweredHere(t *testing.T) {
	request := func(index, begin uint32) peerwire.Message {
		return peerwire.Message{Type: peerwire.Request, Index: index, Begin: begin, Length: 16 << 10}
	}
	for _, fast := range []bool{true, false} {
		no := drop
		if fast {
			no = refuse
		}
		r := newRules(small, fast)
		r.fromEngine(peerwire.Message{Type: peerwire.Have, Index: 0})
		r.fromEngine(peerwire.Message{Type: peerwire.Unchoke})
		say(t, r, request(1, 0), no) // we lack it
		say(t, r, request(0, 0), pass)
		say(t, r, request(0, 0), no) // twice
		long := peerwire.Message{Type: peerwire.Request, Index: 0, Length: 32 << 10}
		say(t, r, long, no)
		r.fromEngine(peerwire.Message{Type: peerwire.Piece, Index: 0, Length: 16 << 10})
		say(t, r, request(0, 0), pass)
		if got := r.fromEngine(peerwire.Message{Type: peerwire.Reject, Index: 0, Length: 16 << 10}); (got == pass) != fast {
			t.Errorf("fast %t: a reject has the verdict %d", fast, got)
		}
	}
}

func TestWhatNoTorrentHasEndsTheConnection(t *testing.T) {
	for _, m := range []peerwire.Message{
		{Type: peerwire.Have, Index: 3}, {Type: peerwire.AllowedFast, Index: 1 << 19},
		{Type: peerwire.Request, Index: 2, Begin: 90, Length: 11}, {Type: peerwire.Piece, Index: 2, Length: 101},
		{Type: peerwire.HaveBitfield, Bitfield: []byte{0xff}}, {Type: peerwire.HaveBitfield, Bitfield: []byte{0, 0}},
	} {
		if _, err := newRules(small, true).fromStranger(m); !errors.Is(err, peerwire.ErrProtocol) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	r := newRules(small, true)
	say(t, r, peerwire.Message{Type: peerwire.HaveBitfield, Bitfield: []byte{0xa0}}, pass)
	if _, err := r.fromStranger(peerwire.Message{Type: peerwire.HaveBitfield, Bitfield: []byte{0xa0}}); !errors.Is(err, errTwice) {
		t.Errorf("a second bitfield: %v", err)
	}
	say(t, r, peerwire.Message{Type: peerwire.Have, Index: 0}, drop) // no news
	say(t, r, peerwire.Message{Type: peerwire.Have, Index: 1}, pass)
	if !r.seed() {
		t.Error("who has all pieces is no seed")
	}
}

func TestChangesOfMindThatAreNoneAreNotPassedOn(t *testing.T) {
	r := newRules(small, true)
	say(t, r, peerwire.Message{Type: peerwire.Choke}, drop)
	say(t, r, peerwire.Message{Type: peerwire.Unchoke}, pass)
	say(t, r, peerwire.Message{Type: peerwire.Unchoke}, drop)
	say(t, r, peerwire.Message{Type: peerwire.NotInterested}, drop)
	say(t, r, peerwire.Message{Type: peerwire.Interested}, pass)
}

// FuzzRules feeds the rules from both sides: nothing grows beyond its bound, and the engine gets no block that it has not
// asked for.
func FuzzRules(f *testing.F) {
	f.Add([]byte{0, 6, 0, 0, 1, 7, 0, 0, 1, 8, 0, 0}, true)
	f.Add([]byte{1, 6, 0, 0, 0, 7, 0, 0}, false)
	types := []peerwire.MessageType{
		peerwire.Choke, peerwire.Unchoke, peerwire.Interested, peerwire.NotInterested, peerwire.Have, peerwire.HaveBitfield, peerwire.Request,
		peerwire.Piece, peerwire.Cancel, peerwire.Reject, peerwire.HaveAll, peerwire.HaveNone, peerwire.AllowedFast, peerwire.Suggest,
		peerwire.DHTPort, peerwire.Extended, peerwire.ExtensionHandshake,
	}
	f.Fuzz(func(t *testing.T, script []byte, fast bool) {
		r := newRules(small, fast)
		wanted := make(map[block]uint32)
		for ; len(script) >= 4; script = script[4:] {
			m := peerwire.Message{
				Type: types[int(script[1])%len(types)], Index: uint32(script[2] % 5), Begin: uint32(script[3]) << 8,
				Length: uint32(binary.BigEndian.Uint16(script[2:])), Bitfield: script[2:3],
			}
			key := block{m.Index, m.Begin}
			if script[0]%2 == 0 {
				if r.fromEngine(m) == pass && m.Type == peerwire.Request {
					wanted[key] = m.Length
				}
				continue
			}
			v, err := r.fromStranger(m)
			if err == nil && v == pass && m.Type == peerwire.Piece {
				if wanted[key] != m.Length {
					t.Fatalf("%+v reaches the engine, which wants %d bytes", m, wanted[key])
				}
				delete(wanted, key)
			}
			if v == refuse && !fast {
				t.Fatalf("%+v is refused, for which there is no message", m)
			}
			if len(r.asked) > mostAsked || len(r.wanted) > mostWanted || r.count > r.pieces {
				t.Fatalf("%d asked, %d wanted, %d pieces", len(r.asked), len(r.wanted), r.count)
			}
		}
	})
}
