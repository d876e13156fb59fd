package peersource

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"ebb/agent/swarm"
)

// Whoever is due waits for a worker. Trackers are named by strangers, and an answer can take 35 s: who names hundreds of
// slow ones must not keep others waiting. So hosts take turns, however many announces each has; and the classes below
// leave each other workers.

// class says how soon an announce gets a worker.
type class uint8

const (
	classOwner  class = iota // of the owner's torrents
	classProven              // at hosts that answered soon last time
	classNew                 // at hosts that have not been asked yet
	classSlow                // at hosts that took their time, or did not answer
	classes
)

// workers is how many announces and look-ups of all classes may run for one of a class to begin.
var workers = [classes]int{20, 16, 12, 8}

const (
	maxWorkers = 20 // announces and look-ups running at once
	// perHost is how many of them may be at one host, or in the DHT: it is polite. The owner's may be ownersPerHost.
	perHost, ownersPerHost = 4, 6
	// slowAnswer is what makes a host slow. Far ones over a bad line take a second or two.
	slowAnswer = 5 * time.Second
)

// turns is who waits, and for what.
type turns struct {
	hosts   map[string]*host
	running int
	// ring are the hosts that could be asked if there were a worker, in the order of their turns. Each is there at most
	// once per queue, and only while it may be asked and has somebody in the queue.
	ring [classes][]*host
}

// host is where trackers are, or the DHT.
type host struct {
	name    string
	sources int // that are at it
	running int
	manner  class // classNew, classProven or classSlow
	owners  queue
	others  queue
}

// queue are the entries that are due, the first in front.
type queue struct {
	entries []*entry
	inRing  bool
}

func newTurns() turns { return turns{hosts: make(map[string]*host)} }

// host finds a host, for one more source.
func (t *turns) host(name string) *host {
	h := t.hosts[name]
	if h == nil {
		h = &host{name: name, manner: classNew}
		if name == SourceDHT {
			h.manner = classProven // its look-ups take long by nature
		}
		t.hosts[name] = h
	}
	h.sources++
	return h
}

// leave forgets a host with its last source.
func (t *turns) leave(h *host) {
	if h.sources--; h.sources == 0 {
		delete(t.hosts, h.name)
	}
}

// queue lets an entry wait for its turn.
func (t *turns) queue(e *entry) {
	h := e.at.host
	q := &h.others
	if e.of.torrent.Owner {
		q = &h.owners
	}
	q.entries = append(q.entries, e)
	t.line(h)
}

// line puts a host that may be asked into the rings in which it is not.
func (t *turns) line(h *host) {
	put := func(q *queue, c class, most int) {
		if len(q.entries) > 0 && !q.inRing && h.running < most {
			q.inRing = true
			t.ring[c] = append(t.ring[c], h)
		}
	}
	put(&h.owners, classOwner, ownersPerHost)
	put(&h.others, h.manner, perHost)
}

// next takes the entry whose turn it is, if there is a worker for it. It is to be given back with ended.
func (t *turns) next() *entry {
	for c := range classes {
		for len(t.ring[c]) > 0 && t.running < workers[c] {
			h := t.ring[c][0]
			t.ring[c] = t.ring[c][1:]
			q, most := &h.others, perHost
			if c == classOwner {
				q, most = &h.owners, ownersPerHost
			}
			q.inRing = false
			if h.running >= most {
				continue // until one of its own ends
			}
			e := q.entries[0]
			q.entries = q.entries[1:]
			h.running++
			t.running++
			t.line(h)
			return e
		}
	}
	return nil
}

// ended takes an entry back that next has handed out; took is how long the host took, below 0 if that says nothing.
func (t *turns) ended(e *entry, took time.Duration) {
	h := e.at.host
	h.running--
	t.running--
	manner := classProven
	if took >= slowAnswer {
		manner = classSlow
	}
	if took >= 0 && manner != h.manner && h.name != SourceDHT {
		if h.others.inRing { // of the class that it was in
			ring := &t.ring[h.manner]
			*ring = slices.DeleteFunc(*ring, func(other *host) bool { return other == h })
			h.others.inRing = false
		}
		h.manner = manner
	}
	t.line(h)
}

// hostOf is what counts as one host: an IPv4 address, a /64, or what a name ends in (a.example.org and b.example.org
// cost who names them nothing).
func hostOf(source string) string {
	if source == SourceDHT {
		return source
	}
	u, err := url.Parse(source)
	if err != nil {
		return ""
	}
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if addr, err := netip.ParseAddr(name); err == nil {
		return swarm.Host(addr).String()
	}
	labels := strings.Split(name, ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}
