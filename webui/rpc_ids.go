package webui

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"ebb/agent/swarm"
)

// rpcRecently is how long ago something counts as recent, as in Transmission.
const rpcRecently = time.Minute

// rpcIDs gives torrents the small numbers by which Transmission's programs know them, for as long as ebb runs, and
// remembers what has changed lately.
type rpcIDs struct {
	mu    sync.Mutex // guards all below
	last  int
	known map[swarm.InfoHash]*rpcID
	gone  map[int]time.Time // numbers of torrents that were removed lately, and when
}

type rpcID struct {
	number  int
	seen    bool      // in the list that is being looked through
	now     rpcSign   // as it was when looked at last
	changed time.Time // when that was noticed to be another
}

// rpcSign is what changes when something has happened to a torrent.
type rpcSign struct {
	help             bool
	state, said      string
	have, up, down   int64
	peers, fragments int
}

// note takes up a list of all torrents: numbers are given to the new, and withdrawn from those that are not in it.
func (n *rpcIDs) note(torrents []rpcTorrent, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known, n.gone = make(map[swarm.InfoHash]*rpcID), make(map[int]time.Time)
	}
	for i := range torrents {
		t := &torrents[i]
		id := n.known[t.hash]
		if id == nil {
			n.last++
			id = &rpcID{number: n.last}
			n.known[t.hash] = id
		}
		if sign := t.sign(); id.now != sign || id.changed.IsZero() {
			id.now, id.changed = sign, now
		}
		id.seen = true
		t.id, t.changed = id.number, id.changed
	}
	for hash, id := range n.known {
		if !id.seen {
			n.gone[id.number] = now
			delete(n.known, hash)
		}
		id.seen = false
	}
	for number, when := range n.gone {
		if now.Sub(when) > rpcRecently {
			delete(n.gone, number)
		}
	}
}

// removed returns the numbers of what was removed lately.
func (n *rpcIDs) removed() []int {
	n.mu.Lock()
	defer n.mu.Unlock()
	numbers := make([]int, 0, len(n.gone))
	for number := range n.gone {
		numbers = append(numbers, number)
	}
	return numbers
}

// rpcSelection is what a call is about: its argument ids.
type rpcSelection struct {
	all, recently bool
	numbers       map[int]bool
	hashes        map[swarm.InfoHash]bool
}

// UnmarshalJSON reads a number, an info-hash, "recently-active", or a list of them.
func (s *rpcSelection) UnmarshalJSON(text []byte) error {
	*s = rpcSelection{numbers: make(map[int]bool), hashes: make(map[swarm.InfoHash]bool)}
	var list []json.RawMessage
	if text = bytes.TrimSpace(text); len(text) > 0 && text[0] != '[' {
		if bytes.Equal(text, []byte("null")) {
			s.all = true
			return nil
		}
		list = []json.RawMessage{text}
	} else if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	for _, item := range list {
		if err := s.add(item); err != nil {
			return err
		}
	}
	return nil
}

func (s *rpcSelection) add(item json.RawMessage) error {
	var number int
	if json.Unmarshal(item, &number) == nil {
		s.numbers[number] = true
		return nil
	}
	var text string
	if err := json.Unmarshal(item, &text); err != nil {
		return badRequest("ids are numbers or info-hashes, not %.60q", item)
	}
	if text == "recently-active" {
		s.recently = true
		return nil
	}
	h, err := swarm.ParseInfoHash(text)
	if err != nil {
		return badRequest("ids are numbers or info-hashes, not %.60q", text)
	}
	s.hashes[h] = true
	return nil
}

// has reports whether a torrent is meant.
func (s rpcSelection) has(t rpcTorrent, now time.Time) bool {
	return s.all || s.numbers[t.id] || s.hashes[t.hash] || s.recently && now.Sub(t.changed) <= rpcRecently
}
