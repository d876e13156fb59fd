package peersource

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/swarm"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	peer_store "github.com/anacrolix/dht/v2/peer-store"
	"github.com/anacrolix/torrent/bencode"
	"go.uber.org/goleak"
)

func TestDHTOnLoopbackFindsWhoAnnounced(t *testing.T) {
	var nodes []*runningDHT
	for i := range 12 {
		conn, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.%d:0", i+1))
		if err != nil {
			t.Fatal(err)
		}
		cfg := DHTConfig{Guard: lab}
		if i > 0 {
			cfg.Bootstrap = []string{nodes[0].Addr().String()}
		}
		node := runDHT(NewDHT(conn, cfg))
		defer node.stop(t)
		nodes = append(nodes, node)
	}
	for _, node := range nodes {
		until(t, "every node knows another", func() bool { return node.Nodes() > 0 })
	}
	until(t, "node 10 finds all three", func() bool {
		// While nodes still find each other, an announce can go where later look-ups do not come by.
		for _, i := range []int{3, 5, 8} {
			if _, err := find(nodes[i], hash(7), uint16(1000+i)); err != nil {
				return false
			}
		}
		got, _ := find(nodes[10], hash(7), 0)
		return slices.Equal(got, addrs("127.0.0.4:1003", "127.0.0.6:1005", "127.0.0.9:1008"))
	})
	until(t, "nobody is found for another hash", func() bool {
		got, err := find(nodes[11], hash(8), 0)
		return err == nil && got == nil
	})
}

func TestDHTFindsWhoAnnounced(t *testing.T) {
	w := newDHTWorld(t, 4)
	if _, err := find(w.nodes[1], hash(9), 1001); err != nil {
		t.Fatal(err)
	}
	wantFound(t, w.nodes[3], hash(9), addrs("10.0.0.2:1001")...)
}

func TestLookupAloneTellsNobody(t *testing.T) {
	w := newDHTWorld(t, 4)
	wantFound(t, w.nodes[1], hash(9))
	wantFound(t, w.nodes[2], hash(9))
}

func TestLookupNeedsARunningDHTWithNodes(t *testing.T) {
	w := newDHTWorld(t, 0)
	idle := NewDHT(w.listen(bootNode), DHTConfig{Guard: lab})
	if err := idle.Lookup(context.Background(), hash(1), 0, nil); !errors.Is(err, ErrDHTStopped) {
		t.Errorf("before Run: error %v", err)
	}
	node := runDHT(idle)
	until(t, "Run has begun", func() bool {
		return !errors.Is(node.Lookup(context.Background(), hash(1), 0, nil), ErrDHTStopped)
	})
	if err := node.Lookup(context.Background(), hash(1), 0, nil); !errors.Is(err, ErrNoNodes) {
		t.Errorf("without nodes: error %v", err)
	}
	node.stop(t)
	if err := node.Lookup(context.Background(), hash(1), 0, nil); !errors.Is(err, ErrDHTStopped) {
		t.Errorf("after Run: error %v", err)
	}
	if node.Nodes() != 0 {
		t.Errorf("after Run: %d nodes", node.Nodes())
	}
}

func TestLookupWithSilentNodesSaysSo(t *testing.T) {
	w := newDHTWorld(t, 4)
	w.setCut(true)
	if _, err := find(w.nodes[1], hash(1), 5); !errors.Is(err, ErrNoNodes) {
		t.Errorf("error %v", err)
	}
}

func TestLookupEndsWithItsContext(t *testing.T) {
	w := newDHTWorld(t, 4)
	w.setCut(true)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := w.nodes[1].Lookup(ctx, hash(1), 5, func([]netip.AddrPort) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestRunEndsLookupsUnderWay(t *testing.T) {
	w := newDHTWorld(t, 4)
	w.setCut(true)
	before := w.sent()
	failed := make(chan error, 1)
	go func() {
		_, err := find(w.nodes[1], hash(1), 5)
		failed <- err
	}()
	until(t, "the look-up has asked", func() bool { return w.sent() > before })
	w.nodes[1].stop(t)
	if err := <-failed; !errors.Is(err, ErrDHTStopped) {
		t.Errorf("error %v", err)
	}
}

func TestRunLeavesNoGoroutineWheneverItEnds(t *testing.T) {
	for _, alone := range []bool{true, false} {
		w := newDHTWorld(t, 3)
		w.setCut(alone)
		for _, packets := range []int{0, 1, 3, 10} { // sent before the end
			before := w.sent()
			node := w.add("10.0.1.1:6881", DHTConfig{Bootstrap: []string{bootNode, "10.0.0.2:6881"}, Guard: lab})
			until(t, "the node has sent enough", func() bool { return w.sent() >= before+packets || alone && packets > 1 })
			node.stop(t)
		}
		for _, node := range w.nodes {
			node.stop(t)
		}
		goleak.VerifyNone(t)
	}
}

func TestRunWaitsForTheLibrarysMaintainer(t *testing.T) {
	w := newDHTWorld(t, 0)
	guide := w.listen(bootNode)
	defer guide.Close()
	silent := netip.MustParseAddrPort("10.0.0.66:66")
	go fakeNode(guide, krpc.ID(hash(1)), func(krpc.Msg) (r krpc.Return) {
		r.Nodes = append(r.Nodes, krpc.NodeInfo{ID: krpc.ID(hash(2)), Addr: krpc.NodeAddr{IP: silent.Addr().AsSlice(), Port: 66}})
		return r
	})
	node := w.add("10.0.1.1:6881", DHTConfig{Bootstrap: []string{bootNode}, Guard: lab})
	// The second time it is the maintainer who asks; it then waits for 2 s, whatever happens.
	until(t, "the silent node has been asked twice", func() bool { return w.sentTo(silent) >= 2 })
	node.stop(t)
	guide.Close()
	goleak.VerifyNone(t)
}

func TestRunReportsASocketThatWasClosed(t *testing.T) {
	w := newDHTWorld(t, 2)
	conn := w.listen("10.0.1.1:6881")
	node := runDHT(NewDHT(conn, DHTConfig{Guard: lab, Bootstrap: []string{bootNode}}))
	until(t, "the node knows another", func() bool { return node.Nodes() > 0 })
	conn.Close()
	select {
	case err := <-node.ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	case <-patient(t).Done():
		t.Error("Run does not notice")
	}
}

func TestBootstrapThatHangsDelaysNothing(t *testing.T) {
	w := newDHTWorld(t, 2)
	d := NewDHT(w.listen("10.0.1.1:6881"), DHTConfig{Bootstrap: []string{"boot.example.org:6881"}, Guard: lab})
	d.resolve = func(ctx context.Context, _ string) ([]netip.Addr, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	d.AddNode(netip.MustParseAddrPort(bootNode)) // before Run
	node := runDHT(d)
	w.nodes = append(w.nodes, node)
	until(t, "the node that AddNode gave has answered", func() bool { return node.Nodes() > 0 })
}

func TestNamesOfBootstrapHostsAreResolved(t *testing.T) {
	w := newDHTWorld(t, 1)
	d := NewDHT(w.listen("10.0.1.1:6881"), DHTConfig{
		Bootstrap: []string{"no port", "boot.example.org:0", "gone.example.org:6881", "boot.example.org:6881"},
		Guard:     lab,
	})
	d.resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != "boot.example.org" {
			return nil, errNoName
		}
		return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
	}
	node := runDHT(d)
	w.nodes = append(w.nodes, node)
	until(t, "the bootstrap host has answered", func() bool { return node.Nodes() > 0 })
}

func TestBootstrapHostsAreRetriedWithBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		d := NewDHT(nil, DHTConfig{Guard: lab})
		type visit struct {
			at       time.Duration
			askHosts bool
		}
		var mu sync.Mutex // guards visits and good
		var visits []visit
		good := 0
		contact := func(askHosts bool) int {
			mu.Lock()
			defer mu.Unlock()
			visits = append(visits, visit{time.Since(began) / time.Second, askHosts})
			return good
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			d.bootstrap(ctx, contact)
		}()
		check := func(what string, wait time.Duration, want ...visit) {
			t.Helper()
			<-time.After(wait)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(visits, want) {
				t.Errorf("%s: visits (s, hosts asked) %v, want %v", what, visits, want)
			}
			visits = nil
		}
		check("without nodes", 1800*time.Second, visit{0, true}, visit{5, true}, visit{15, true}, visit{35, true},
			visit{75, true}, visit{155, true}, visit{315, true}, visit{635, true}, visit{1235, true})
		d.AddNode(netip.MustParseAddrPort("10.0.0.1:1"))
		check("a contact that fails", 100*time.Second, visit{1800, false}, visit{1835, true})
		nodes := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			good = n
		}
		nodes(1)
		d.AddNode(netip.MustParseAddrPort("10.0.0.1:1"))
		check("a contact that answers", 150*time.Second, visit{1900, false}, visit{1960, true}, visit{2020, true})
		nodes(0)
		check("all nodes gone silent", 50*time.Second, visit{2080, true}, visit{2085, true}, visit{2095, true})
		cancel()
		<-ended
	})
}

func TestNodesAreRestoredWithoutBootstrapHosts(t *testing.T) {
	state := filepath.Join(t.TempDir(), "nodes")
	w := newDHTWorld(t, 3)
	first := w.add("10.0.1.1:6881", DHTConfig{Bootstrap: []string{bootNode}, Guard: lab, StatePath: state})
	until(t, "the node knows another", func() bool { return first.Nodes() > 0 })
	first.stop(t)
	fi, err := os.Stat(state)
	if err != nil || fi.Mode().Perm() != 0o600 || fi.Size()%nodeRecord != 0 || fi.Size() == 0 {
		t.Fatalf("state file: %v, error %v", fi, err)
	}
	second := w.add("10.0.1.1:6881", DHTConfig{Guard: lab, StatePath: state})
	until(t, "a restored node answers", func() bool { return second.Nodes() > 0 })
}

func TestHostilePacketsDoNotHarmTheNode(t *testing.T) {
	w := newDHTWorld(t, 1)
	stranger := w.listen("10.6.6.6:666")
	defer stranger.Close()
	target := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(bootNode))
	for _, packet := range []string{
		"d2:ip1:x1:t2:aa1:y1:qe",
		"d1:q13:announce_peer1:t2:aa1:y1:qe",
		"d1:rd2:id" + id20 + "6:valuesl0:ee1:t2:aa1:y1:re",
		"d1:ad2:id" + id20 + "e1:q400:" + strings.Repeat("q", 400) + "1:t2:aa1:y1:qe",
		strings.Repeat("l", 60_000) + strings.Repeat("e", 5000),
		"",
		"d1:ad2:id" + id20 + "e1:q4:ping1:t2:ok1:y1:qe", // which a node in good health answers
	} {
		stranger.WriteTo([]byte(packet), target)
	}
	ctx := patient(t)
	for {
		select {
		case packet := <-stranger.inbox:
			var m krpc.Msg
			if err := bencode.Unmarshal(packet.payload, &m); err != nil {
				t.Fatalf("packet %q: %v", packet.payload, err)
			}
			if m.Y == "q" || m.Y == "e" && m.E != nil && m.E.Code == faultMethod {
				continue // the stranger is a node now, and is asked
			}
			if m.Y != "r" || m.T != "ok" {
				t.Errorf("answer %q, want one to the ping alone", packet.payload)
			}
			return
		case <-ctx.Done():
			t.Fatal("no reply to a ping after the hostile packets")
		}
	}
}

// fakeNode is a node whose replies a test writes itself. It ends with its socket.
func fakeNode(c *memConn, id krpc.ID, reply func(query krpc.Msg) krpc.Return) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		var query krpc.Msg
		if err := bencode.Unmarshal(buf[:n], &query); err != nil || query.Y != "q" {
			continue
		}
		r := reply(query)
		r.ID = id
		if b, err := bencode.Marshal(krpc.Msg{T: query.T, Y: "r", R: &r}); err == nil {
			c.WriteTo(b, from)
		}
	}
}

func TestLookupTellsAtMost200DistinctAllowedPeers(t *testing.T) {
	w := newDHTWorld(t, 0)
	node := w.add("10.0.0.9:6881", DHTConfig{Guard: lab})
	for i := range 4 {
		liar := w.listen(fmt.Sprintf("10.6.6.%d:666", i))
		defer liar.Close()
		go fakeNode(liar, krpc.ID(hash(byte(i+1))), func(krpc.Msg) (r krpc.Return) {
			token := "t"
			r.Token = &token
			peer := func(a, b, c, d byte, port int) {
				r.Values = append(r.Values, krpc.NodeAddr{IP: []byte{a, b, c, d}, Port: port})
			}
			peer(8, 8, 8, 8, 0)
			peer(224, 0, 0, 1, 1)
			for p := range 100 {
				peer(8, 8, byte(i), 8, 1+p)
				peer(8, 8, 8, 8, 1+p)
			}
			return r
		})
		node.AddNode(liar.addr)
	}
	until(t, "all four have answered", func() bool { return node.Nodes() == 4 })
	found, err := find(node, hash(1), 0)
	if err != nil || len(found) != maxPeers {
		t.Errorf("%d peers, error %v; want %d", len(found), err, maxPeers)
	}
	for i, peer := range found {
		if i > 0 && peer == found[i-1] || peer.Port() == 0 || peer.Addr().IsMulticast() {
			t.Errorf("told %v", peer)
		}
	}
}

func TestStrictNodeSendsNothingIntoPrivateNetworks(t *testing.T) {
	w := newDHTWorld(t, 0)
	liar := w.listen("8.8.8.8:6881")
	defer liar.Close()
	id := krpc.ID(hash(3))
	dht.SecureNodeId(&id, net.IPv4(8, 8, 8, 8))
	victims := addrs("192.168.1.1:80", "10.0.0.1:6881", "127.0.0.1:6881", "224.0.0.1:6881")
	go fakeNode(liar, id, func(krpc.Msg) (r krpc.Return) {
		token := "t"
		r.Token = &token
		for i, v := range victims {
			addr := krpc.NodeAddr{IP: v.Addr().AsSlice(), Port: int(v.Port())}
			r.Nodes = append(r.Nodes, krpc.NodeInfo{ID: krpc.ID(hash(byte(i + 1))), Addr: addr})
			r.Values = append(r.Values, addr)
		}
		return r
	})
	node := w.add("9.9.9.9:6881", DHTConfig{Bootstrap: []string{"8.8.8.8:6881", "192.168.1.1:80"}})
	node.AddNode(victims[1])
	until(t, "the public node has answered", func() bool { return node.Nodes() == 1 })
	wantFound(t, node, hash(1))
	for _, v := range victims {
		if n := w.sentTo(v); n != 0 {
			t.Errorf("%d packets were sent to %s", n, v)
		}
	}
}

func TestStoredPeersAreBoundedAndExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storedPeers{guard: Guard{}}
		add := func(h swarm.InfoHash, addr string, port int) {
			s.AddPeer(peer_store.InfoHash(h), krpc.NodeAddr{IP: net.ParseIP(addr), Port: port})
		}
		add(hash(1), "192.168.1.1", 80)
		add(hash(1), "8.8.8.8", 0)
		add(hash(1), "8.8.8.8", 70000)
		s.AddPeer(peer_store.InfoHash(hash(1)), krpc.NodeAddr{Port: 5})
		if got := s.GetPeers(peer_store.InfoHash(hash(1))); len(got) != 0 {
			t.Errorf("kept %v", got)
		}
		for range 2 {
			for port := range 2 * maxStoredPerHash {
				add(hash(1), "8.8.8.8", port+1)
			}
		}
		if got := len(s.GetPeers(peer_store.InfoHash(hash(1)))); got != maxStoredPerHash {
			t.Errorf("%d peers of one swarm, want %d", got, maxStoredPerHash)
		}
		for i := range 2 * maxStoredPeers {
			add(swarm.HashInfo([]byte(fmt.Sprint(i))), "8.8.8.8", 1)
		}
		if s.count != maxStoredPeers {
			t.Errorf("%d peers in all, want %d", s.count, maxStoredPeers)
		}
		<-time.After(storedPeerTTL + time.Minute)
		if got := s.GetPeers(peer_store.InfoHash(hash(1))); len(got) != 0 || s.count != 0 || len(s.byHash) != 0 {
			t.Errorf("after half an hour: %d peers of the swarm, %d in all", len(got), s.count)
		}
	})
}

func TestNodesFileIsBoundedAndCheckedWhenRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes")
	var nodes []krpc.NodeInfo
	for i := range 300 {
		nodes = append(nodes, krpc.NodeInfo{ID: krpc.ID(hash(byte(i))), Addr: krpc.NodeAddr{IP: net.IPv4(8, 8, byte(i>>8), byte(i)), Port: 1000 + i}})
	}
	nodes[1].Addr.IP = net.IPv4(10, 0, 0, 1)
	nodes[2].Addr.IP = net.ParseIP("2a00:1450:4001::200e")
	nodes[3].Addr.IP = nil
	nodes[4].Addr.Port = 70000
	if err := saveNodes(path, nodes); err != nil {
		t.Fatal(err)
	}
	got, err := loadNodes(path, Guard{})
	if err != nil || len(got) != maxSavedNodes-1 { // without the private one
		t.Fatalf("%d nodes, error %v", len(got), err)
	}
	if got[0].ID != nodes[0].ID || !got[0].Addr.Equal(nodes[0].Addr) || !got[1].Addr.Equal(nodes[2].Addr) {
		t.Errorf("nodes came back as %v", got[:2])
	}
	if left, _ := filepath.Glob(path + "?*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}

	for name, content := range map[string]int{"cut": nodeRecord + 1, "too long": (maxSavedNodes + 1) * nodeRecord} {
		if err := os.WriteFile(path, make([]byte, content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := loadNodes(path, Guard{}); err == nil {
			t.Errorf("%s: read as %v", name, got)
		}
	}
	if got, err := loadNodes(path+"none", Guard{}); err != nil || got != nil {
		t.Errorf("no file: %v, error %v", got, err)
	}
	if err := saveNodes(filepath.Join(path, "x"), nodes); err == nil {
		t.Error("saved into a file as if it were a directory")
	}
}
