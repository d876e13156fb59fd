package discovery

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

func listsOf(entries ...Entry) *Lists {
	return NewLists(nil, func() []Entry { return entries }, strict)
}

// must parses a message that is there.
func must(t *testing.T, payload []byte) Message {
	t.Helper()
	m, err := Parse(payload, strict)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var (
	aRequest = Message{Type: TypeRequest, Want: 200}.Marshal()
	aList    = Message{Type: TypeList, Entries: []Entry{listed(7)}}.Marshal()
	aRefusal = Message{Type: TypeRefuse, Reason: "no"}.Marshal()
)

func TestTwoAgentsExchangeLists(t *testing.T) {
	x, y := listsOf(listed(1), listed(2)), listsOf(listed(3))
	request, ok := y.ask(agentAt("192.0.2.1:1"), start)
	if !ok {
		t.Fatal("not asked")
	}
	reply, heard, err := x.handle(agentAt("192.0.2.2:1"), request, start)
	if err != nil || heard != nil {
		t.Fatalf("heard %v, err %v", heard, err)
	}
	reply, heard, err = y.handle(agentAt("192.0.2.1:1"), reply, start)
	if err != nil || reply != nil || len(heard) != 2 || heard[0].Hash != hash(1) || heard[1].Hash != hash(2) {
		t.Errorf("reply %q, heard %+v, err %v", reply, heard, err)
	}
}

func TestPeerIsAskedOnceInTenMinutes(t *testing.T) {
	l := listsOf()
	x := agentAt("192.0.2.1:1")
	elsewhere := x // met again, in another swarm and on another port
	elsewhere.ViaHash, elsewhere.Addr = hash(9), netip.MustParseAddrPort("192.0.2.1:7")
	for _, c := range []struct {
		who  string
		peer swarm.Introducer
		at   time.Duration
		want bool
	}{
		{"the peer", x, 0, true},
		{"at once", x, 0, false},
		{"elsewhere", elsewhere, time.Minute, false},
		{"another peer there", agentAt("192.0.2.1:2"), time.Minute, true},
		{"too soon", x, 10 * time.Minute, false}, // its clock may have started later
		{"later", elsewhere, askInterval, true},
		{"and again too soon", x, askInterval + time.Minute, false},
	} {
		request, ok := l.ask(c.peer, start.Add(c.at))
		if ok != c.want || ok != (request != nil) {
			t.Errorf("%s: asked %v", c.who, ok)
		}
		if ok && must(t, request).Want != MaxEntries {
			t.Errorf("%s: wants %d", c.who, must(t, request).Want)
		}
	}
}

func TestPeerIsAnsweredOnceInTenMinutes(t *testing.T) {
	l, x := listsOf(listed(1)), agentAt("192.0.2.1:1")
	for _, c := range []struct {
		at   time.Duration
		want MessageType
	}{
		{0, TypeList},
		{time.Second, TypeRefuse},
		{10*time.Minute - time.Second, TypeRefuse},
		{10 * time.Minute, TypeList},
		{11 * time.Minute, TypeRefuse},
	} {
		reply, _, err := l.handle(x, aRequest, start.Add(c.at))
		if err != nil {
			t.Fatalf("after %v: %v", c.at, err)
		}
		if m := must(t, reply); m.Type != c.want || (m.Type == TypeRefuse) == (m.Reason == "") {
			t.Errorf("after %v: %+v", c.at, m)
		}
	}
}

func TestPeerThatKeepsAskingIsDropped(t *testing.T) {
	l, x := listsOf(listed(1)), agentAt("192.0.2.1:1")
	for i := range maxMessages {
		if _, _, err := l.handle(x, aRequest, start.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatalf("message %d: %v", i+1, err)
		}
	}
	if _, _, err := l.handle(x, aRequest, start.Add(time.Minute)); !errors.Is(err, ErrMisbehaved) {
		t.Errorf("after %d messages: %v", maxMessages+1, err)
	}
	if _, _, err := l.handle(x, aRequest, start.Add(answerInterval)); err != nil {
		t.Errorf("ten minutes later: %v", err)
	}
}

func TestNewPeerIDsDoNotGetOneHostMoreLists(t *testing.T) {
	for name, addrs := range map[string]func(int) string{
		"IPv4":       func(i int) string { return fmt.Sprintf("192.0.2.1:%d", i+1) },
		"IPv6 of 64": func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i+1) },
	} {
		l, answers := listsOf(listed(1)), 0
		for i := range 100 {
			reply, _, err := l.handle(agentAt(addrs(i)), aRequest, start)
			if err != nil {
				t.Fatal(err)
			}
			if must(t, reply).Type == TypeList {
				answers++
			}
		}
		if answers != maxAnswers {
			t.Errorf("%s: %d answers, want %d", name, answers, maxAnswers)
		}
		if reply, _, err := l.handle(agentAt("203.0.113.1:1"), aRequest, start); err != nil || must(t, reply).Type != TypeList {
			t.Errorf("%s: another host is not served: %v", name, err)
		}
	}
}

func TestUnaskedAnswersAreMisbehaviour(t *testing.T) {
	x := agentAt("192.0.2.1:1")
	for name, answer := range map[string][]byte{"list": aList, "refusal": aRefusal} {
		l := listsOf()
		if _, heard, err := l.handle(x, answer, start); !errors.Is(err, ErrMisbehaved) || heard != nil {
			t.Errorf("unasked %s: heard %v, err %v", name, heard, err)
		}
		l = listsOf()
		l.ask(x, start)
		if _, _, err := l.handle(agentAt("192.0.2.9:1"), answer, start); !errors.Is(err, ErrMisbehaved) {
			t.Errorf("%s from another peer than the one asked: %v", name, err)
		}
		if _, _, err := l.handle(x, answer, start); err != nil {
			t.Errorf("%s that was asked for: %v", name, err)
		}
		if _, _, err := l.handle(x, answer, start); !errors.Is(err, ErrMisbehaved) {
			t.Errorf("second %s: %v", name, err)
		}
	}
}

func TestMalformedMessageIsMisbehaviour(t *testing.T) {
	l, x := listsOf(), agentAt("192.0.2.1:1")
	l.ask(x, start)
	for _, raw := range []string{"", "rubbish", "d1:si5e1:ti1ee", strings.Repeat("l", 100_000)} {
		if reply, heard, err := l.handle(x, []byte(raw), start); !errors.Is(err, ErrMisbehaved) || reply != nil || heard != nil {
			t.Errorf("%.20q: reply %q, heard %v, err %v", raw, reply, heard, err)
		}
	}
}

func TestAnswerNamesWhatIsListedAndNothingElse(t *testing.T) {
	met := agentAt("192.0.2.1:1")
	shared := listed(1) // the swarm that both are in is no news
	met.ViaHash = shared.Hash
	home := listed(2) // a tracker at home is nobody's business
	home.Trackers = append([]string{"http://192.168.1.5/announce"}, home.Trackers...)
	home.Name = "bad\nname"
	odd := listed(3) // nobody would take it
	odd.PieceLength = 1 << 30
	reply, _, err := listsOf(shared, home, odd, listed(4)).handle(met, aRequest, start)
	if err != nil {
		t.Fatal(err)
	}
	m := must(t, reply)
	if len(m.Entries) != 2 || m.Dropped != 0 || m.Entries[0].Hash != hash(2) || m.Entries[1].Hash != hash(4) {
		t.Fatalf("listed %+v, %d impossible", m.Entries, m.Dropped)
	}
	if strings.Contains(string(reply), "192.168.1.5") || m.Entries[0].Name != "bad name" || len(m.Entries[0].Trackers) != 1 {
		t.Errorf("listed %+v", m.Entries[0])
	}
}

func TestAnswerIsNoLongerThanWanted(t *testing.T) {
	var all []Entry
	for i := range 300 {
		all = append(all, listed(i))
	}
	for want, n := range map[int]int{1: 1, 50: 50, 200: 200, 1000: 200} {
		reply, _, err := listsOf(all...).handle(agentAt("192.0.2.1:1"), fmt.Appendf(nil, "d1:ni%de1:ti0ee", want), start)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(must(t, reply).Entries); got != n || len(reply) > MaxMessage {
			t.Errorf("wanted %d, got %d in %d bytes", want, got, len(reply))
		}
	}
}

func TestMemoryOfDealingsIsBounded(t *testing.T) {
	for name, of := range map[string]struct {
		addr  func(i int) string
		peers int // of these, remembered
	}{
		"peer IDs of one address": {func(int) string { return "192.0.2.7:1" }, maxHostPeers},
		"addresses of one /64":    {func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i+1) }, maxHostPeers},
		"many /64s":               {func(i int) string { return fmt.Sprintf("[2001:db8:%x:%x::1]:1", i/256, i%256) }, maxDealings},
		"many addresses":          {func(i int) string { return fmt.Sprintf("10.%d.%d.1:1", i/256, i%256) }, maxDealings},
	} {
		l := listsOf(listed(1))
		early := agentAt("203.0.113.1:1") // is still to answer
		if _, ok := l.ask(early, start); !ok {
			t.Fatal("not asked")
		}
		for i := range 4 * maxDealings {
			p := agentAt(of.addr(i))
			copy(p.PeerID[:], fmt.Sprint("number ", i))
			now := start.Add(time.Duration(i) * time.Millisecond)
			l.ask(p, now)
			if _, _, err := l.handle(p, aRefusal, now); err != nil {
				t.Fatal(name, err)
			}
			if _, _, err := l.handle(p, aRequest, now); err != nil {
				t.Fatal(name, err)
			}
		}
		if len(l.known.peers) > of.peers+1 || len(l.known.hosts) > 2*maxDealings || len(l.replied) > maxDealings {
			t.Errorf("%s: %d peers, %d hosts and %d replies are remembered", name, len(l.known.peers), len(l.known.hosts), len(l.replied))
		}
		now := start.Add(time.Minute)
		if _, _, err := l.handle(early, aList, now); err != nil {
			t.Errorf("%s: the list that another was asked for is not taken: %v", name, err)
		}
		late := agentAt("203.0.113.2:1")
		if _, ok := l.ask(late, now); !ok {
			t.Errorf("%s: nobody else is asked", name)
		}
		if _, _, err := l.handle(late, aList, now); err != nil || !l.freshAt(late.Addr, now) {
			t.Errorf("%s: nobody else's list is taken: %v", name, err)
		}
		if reply, _, err := l.handle(late, aRequest, now); err != nil || must(t, reply).Type != TypeList {
			t.Errorf("%s: nobody else is answered: %v", name, err)
		}
		if _, ok := l.ask(late, now); ok {
			t.Errorf("%s: a peer is asked twice", name)
		}
	}
}

func TestListsOfOneHostFillItsShareOnly(t *testing.T) {
	c := newTable(t, allAuto)
	c.limits.claims = 100
	l := NewLists(c, func() []Entry { return nil }, strict)
	for i := range 20 {
		guest := agentAt("192.0.2.9:6881") // all are at one address
		copy(guest.PeerID[:], fmt.Sprint("number ", i))
		m := Message{Type: TypeList}
		for n := range 10 {
			m.Entries = append(m.Entries, listed(1000*i+n))
		}
		if _, ok := l.Ask(guest); !ok {
			t.Fatalf("guest %d is not asked", i)
		}
		if _, err := l.Handle(guest, m.Marshal()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.List()); n != 25 {
		t.Errorf("one host has %d of 100 places", n)
	}
}

func TestListsAreNotAskedForWhereTheOwnerWantsNone(t *testing.T) {
	l := NewLists(newTable(t, prefs.Sources{Peers: prefs.ModeOff, Neighbours: prefs.ModeAsk}), func() []Entry { return nil }, strict)
	neighbour := agentAt("192.0.2.1:1")
	neighbour.Kind = swarm.KindNeighbour
	if _, ok := l.Ask(agentAt("192.0.2.2:1")); ok {
		t.Error("a peer was asked")
	}
	if _, ok := l.Ask(neighbour); !ok {
		t.Error("a neighbour was not asked")
	}
}

func TestPeerWhoseListCameIsFreshForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLists(newTable(t, allAuto), func() []Entry { return nil }, strict)
		x := agentAt("192.0.2.1:1")
		l.Ask(x)
		if l.Fresh(x.Addr) {
			t.Error("fresh before it answered")
		}
		if _, err := l.Handle(x, aRefusal); err != nil || !l.Fresh(x.Addr) || l.Fresh(agentAt("192.0.2.1:2").Addr) {
			t.Errorf("not fresh after it answered, or another is: %v", err)
		}
		<-time.After(answerInterval)
		if l.Fresh(x.Addr) {
			t.Error("fresh for ever")
		}
	})
}
