package peersource

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
	"golang.org/x/time/rate"
)

// began is a time at which a test's DHT begins.
var began = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

// answering is a responder that knows some nodes, all of which have answered.
func answering(nodes ...krpc.NodeInfo) *responder {
	r := newResponder(krpc.ID(hash(7)), func() []krpc.NodeInfo { return nodes }, &storedPeers{guard: lab})
	for _, n := range nodes {
		addr, _ := netip.AddrFromSlice(n.Addr.IP)
		at := netip.AddrPortFrom(addr.Unmap(), uint16(n.Addr.Port))
		r.sent(at, began)
		r.heard(at, began)
	}
	return r
}

// ask sends a query of given arguments, and reads the answer.
func ask(t testing.TB, r *responder, from, method, args string, now time.Time) krpc.Msg {
	t.Helper()
	packet := "d1:ad2:id" + id20 + args + "e1:q" + fmt.Sprint(len(method)) + ":" + method + "1:t2:aa1:y1:qe"
	if checkKRPC([]byte(packet)) == notKRPC {
		t.Fatalf("%q is no query", packet)
	}
	answer := r.answer([]byte(packet), netip.MustParseAddrPort(from), now)
	var m krpc.Msg
	if err := bencode.Unmarshal(answer, &m); err != nil {
		t.Fatalf("answer %q: %v", answer, err)
	}
	if checkKRPC(answer) != krpcReply || m.T != "aa" {
		t.Fatalf("answer %q", answer)
	}
	return m
}

// someNodes are as many nodes of random IDs at IPv4 addresses as at IPv6 ones.
func someNodes(n int) (nodes []krpc.NodeInfo) {
	random := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		var id krpc.ID
		for j := range id {
			id[j] = byte(random.IntN(256))
		}
		nodes = append(nodes,
			krpc.NodeInfo{ID: id, Addr: krpc.NodeAddr{IP: []byte{8, 8, byte(i >> 8), byte(i)}, Port: 6881}},
			krpc.NodeInfo{ID: id, Addr: krpc.NodeAddr{IP: append([]byte{0x2a, 15: 0}[:15:15], byte(i)), Port: 6881}})
	}
	return nodes
}

func TestFindNodeNamesTheNearestToTheTargetOfTheFamiliesWanted(t *testing.T) {
	nodes := someNodes(40)
	r := answering(nodes...)
	nearestTo := func(target krpc.ID, size int) (want []krpc.ID) {
		for _, n := range nodes {
			if len(n.Addr.IP) == size {
				want = append(want, n.ID)
			}
		}
		slices.SortFunc(want, func(a, b krpc.ID) int {
			for i := range a {
				a[i] ^= target[i]
				b[i] ^= target[i]
			}
			return bytes.Compare(a[:], b[:])
		})
		return want[:nearest]
	}
	ids := func(infos []krpc.NodeInfo, size int) (ids []krpc.ID) {
		for _, n := range infos {
			if len(n.Addr.IP) != size {
				t.Errorf("%v where addresses of %d bytes are wanted", n.Addr, size)
			}
			ids = append(ids, n.ID)
		}
		return ids
	}
	for i := range 20 {
		target := krpc.ID(hash(byte(13 * i)))
		arg := "6:target20:" + string(target[:])
		for _, c := range []struct {
			from, want string
			n4, n6     bool
		}{
			{"9.9.9.9:1", "", true, false},
			{"[2a00::9]:1", "", false, true},
			{"9.9.9.9:1", "4:wantl2:n6e", false, true},
			{"[2a00::9]:1", "4:wantl2:n4e", true, false},
			{"9.9.9.9:1", "4:wantl2:n42:n6e", true, true},
		} {
			now := began.Add(time.Duration(i) * 10 * time.Second)
			m := ask(t, r, c.from, "find_node", arg+c.want, now)
			var want4, want6 []krpc.ID
			if c.n4 {
				want4 = nearestTo(target, 4)
			}
			if c.n6 {
				want6 = nearestTo(target, 16)
			}
			if got := ids(m.R.Nodes, 4); !slices.Equal(got, want4) {
				t.Errorf("target %x from %s, want %q: nodes %x, want %x", target, c.from, c.want, got, want4)
			}
			if got := ids(m.R.Nodes6, 16); !slices.Equal(got, want6) {
				t.Errorf("target %x from %s, want %q: nodes6 %x, want %x", target, c.from, c.want, got, want6)
			}
		}
	}
}

func TestOnlyNodesThatAnsweredUsAreNamed(t *testing.T) {
	nodes := someNodes(3)
	r := newResponder(krpc.ID(hash(7)), func() []krpc.NodeInfo { return nodes }, &storedPeers{guard: lab})
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{8, 8, 0, byte(i)}), 6881)
	}
	r.sent(at(0), began)
	r.heard(at(0), began) // asked, and answered
	r.sent(at(1), began)  // silent
	r.heard(at(2), began) // never asked
	named := func(now time.Time) int {
		return len(ask(t, r, "9.9.9.9:1", "find_node", "6:target"+id20, now).R.Nodes)
	}
	if n := named(began); n != 1 {
		t.Errorf("%d nodes are named, want the one that answered", n)
	}
	if n := named(began.Add(answeredLife + time.Minute)); n != 0 {
		t.Errorf("%d nodes are named that have not answered lately", n)
	}
}

func TestPeersAreToldToThoseWhoShowedAToken(t *testing.T) {
	r := answering(someNodes(9)...)
	get := func(from string, now time.Time) krpc.Msg {
		return ask(t, r, from, "get_peers", "9:info_hash"+id20, now)
	}
	announce := func(from, token string, port int, now time.Time) krpc.Msg {
		return ask(t, r, from, "announce_peer", fmt.Sprintf("9:info_hash%s4:porti%de5:token%d:%s", id20, port, len(token), token), now)
	}
	first := get("9.9.9.9:1", began)
	if len(first.R.Values) != 0 || len(first.R.Nodes) != nearest || first.R.Token == nil {
		t.Fatalf("got %+v", first.R)
	}
	token := *first.R.Token
	if m := announce("9.9.9.8:1", token, 80, began); m.Y != "e" || m.E.Code != faultProtocol {
		t.Errorf("somebody else's token: %+v", m)
	}
	if m := announce("9.9.9.9:1", "", 80, began); m.Y != "e" || m.E.Code != faultProtocol {
		t.Errorf("no token: %+v", m)
	}
	if m := announce("9.9.9.9:1", token, 80, began.Add(tokenLife)); m.Y != "r" {
		t.Errorf("a token of the time before: %+v", m)
	}
	if m := announce("9.9.9.9:1", token, 80, began.Add(2*tokenLife)); m.Y != "e" {
		t.Errorf("an old token: %+v", m)
	}
	got := get("9.9.9.7:1", began.Add(time.Minute)).R.Values
	if len(got) != 1 || got[0].String() != "9.9.9.9:80" {
		t.Errorf("told %v", got)
	}
	if got := get("[2a00::9]:1", began.Add(time.Minute)).R.Values; len(got) != 0 {
		t.Errorf("an IPv6 node is told %v", got)
	}
}

func TestWhatIsNoQueryOfBEP5GetsItsError(t *testing.T) {
	r := answering()
	for method, want := range map[string]int{
		"vote": faultMethod, "sample_infohashes": faultMethod, "put": faultMethod,
		"find_node": faultProtocol, "get_peers": faultProtocol, "announce_peer": faultProtocol,
	} {
		if m := ask(t, r, "9.9.9.9:1", method, "", began); m.Y != "e" || m.E.Code != want {
			t.Errorf("%s: %+v, want error %d", method, m, want)
		}
	}
	if m := ask(t, r, "9.9.9.9:1", "ping", "", began); m.Y != "r" || m.R.ID != r.id || m.IP.String() != "9.9.9.9:1" {
		t.Errorf("ping: %+v", m)
	}
}

// Whoever asks in somebody else's name gains little: per question, and per second.
func TestAnswersAreBounded(t *testing.T) {
	r := answering(someNodes(40)...)
	for i := range maxStoredPerHash {
		r.peers.AddPeer([20]byte([]byte(id20)[3:]), krpc.NodeAddr{IP: []byte{9, 9, 9, 9}, Port: 1000 + i})
	}
	const args = "9:info_hash" + id20 + "4:wantl2:n42:n6e"
	query := []byte("d1:ad2:id" + id20 + args + "e1:q9:get_peers1:t1:x1:y1:qe")
	flood := func(from func(tick int) netip.AddrPort) (sent int) {
		for tick := range 1000 { // 100 questions a second, for ten seconds
			answer := r.answer(query, from(tick), began.Add(time.Duration(tick)*10*time.Millisecond))
			if len(answer) > 4*len(query) {
				t.Fatalf("%d bytes are answered with %d", len(query), len(answer))
			}
			if answer != nil {
				sent += len(answer) + packetHeader
			}
		}
		return sent
	}
	sent := flood(func(int) netip.AddrPort { return netip.MustParseAddrPort("9.9.9.9:1") })
	if most := shareBurst + 10*shareBytesPerSecond; sent > most || sent < most/2 {
		t.Errorf("%d bytes in ten seconds to one host, want at most %d", sent, most)
	}
	r.budget = rate.NewLimiter(answerBytesPerSecond, answerBurst)
	sent = flood(func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, byte(i >> 8), byte(i), 9}), 1)
	})
	if most := answerBurst + 10*answerBytesPerSecond; sent > most || sent < most/2 {
		t.Errorf("%d bytes in ten seconds to all, want at most %d", sent, most)
	}
}

// FuzzAnswer: whatever the screen calls a query has an answer that other nodes can read.
func FuzzAnswer(f *testing.F) {
	for message := range messages {
		f.Add([]byte(message))
	}
	f.Add([]byte("d1:q17:sample_infohashes1:t2:aa1:y1:qe"))
	nodes := someNodes(9)
	f.Fuzz(func(t *testing.T, packet []byte) {
		kind := checkKRPC(packet)
		if kind != krpcQuery && kind != krpcOther {
			return
		}
		r := answering(nodes...)
		for _, from := range []string{"9.9.9.9:1", "[2a00::9]:1"} {
			if answer := r.answer(packet, netip.MustParseAddrPort(from), began); checkKRPC(answer) != krpcReply {
				t.Errorf("%q is answered with %q", packet, answer)
			}
		}
	})
}

// Over the wire, with the library's table behind it.
func TestNodeAnswersWithTheNodesNearestToTheTarget(t *testing.T) {
	w := newDHTWorld(t, 0)
	node := w.add("10.0.0.9:6881", DHTConfig{Guard: lab})
	var known []krpc.ID
	for i := range 12 {
		other := w.listen(fmt.Sprintf("10.6.6.%d:666", i))
		defer other.Close()
		known = append(known, krpc.ID(hash(byte(20*i+5))))
		go fakeNode(other, known[i], func(krpc.Msg) krpc.Return { return krpc.Return{} })
		node.AddNode(other.addr)
		until(t, "it has answered", func() bool { return node.Nodes() == i+1 })
	}
	stranger := w.listen("10.7.7.7:777")
	defer stranger.Close()
	ctx := patient(t)
	for i, want := range known[:8] { // as many as one host may ask at once
		tag := string(rune('a' + i))
		stranger.WriteTo([]byte("d1:ad2:id"+id20+"6:target20:"+string(want[:])+"e1:q9:find_node1:t1:"+tag+"1:y1:qe"), node.conn.LocalAddr())
		for answered := false; !answered; {
			select {
			case packet := <-stranger.inbox:
				var m krpc.Msg
				if bencode.Unmarshal(packet.payload, &m) != nil || m.Y != "r" || m.T != tag {
					continue // the stranger is a node now, and is asked
				}
				answered = true
				if len(m.R.Nodes) != nearest || m.R.Nodes[0].ID != want {
					t.Errorf("asked for %x, and told %v", want, m.R.Nodes)
				}
			case <-ctx.Done():
				t.Fatal("no answer")
			}
		}
	}
}
