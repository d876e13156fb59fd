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
	"testing"
	"testing/synctest"
	"time"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
)

func TestDHTOnLoopbackFindsWhoAnnounced(t *testing.T) {
	var nodes []*runningDHT
	for i := range 12 {
		conn, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.%d:0", i+1))
		if err != nil {
			t.Fatal(err)
		}
		cfg := DHTConfig{AllowPrivate: true}
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
	wantFound(t, nodes[11], hash(8))
}

func TestDHTFindsWhoAnnounced(t *testing.T) {
	inDHTWorld(t, 4, func(w *dhtWorld) {
		if _, err := find(w.nodes[1], hash(9), 1001); err != nil {
			t.Fatal(err)
		}
		wantFound(t, w.nodes[3], hash(9), addrs("10.0.0.2:1001")...)
	})
}

func TestLookupAloneTellsNobody(t *testing.T) {
	inDHTWorld(t, 4, func(w *dhtWorld) {
		wantFound(t, w.nodes[1], hash(9))
		wantFound(t, w.nodes[2], hash(9))
	})
}

func TestLookupNeedsARunningDHTWithNodes(t *testing.T) {
	inDHTWorld(t, 0, func(w *dhtWorld) {
		idle := NewDHT(w.listen("10.9.9.9:1"), DHTConfig{AllowPrivate: true})
		if err := idle.Lookup(context.Background(), hash(1), 0, nil); !errors.Is(err, ErrDHTStopped) {
			t.Errorf("before Run: error %v", err)
		}
		node := runDHT(idle)
		synctest.Wait()
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
	})
}

func TestLookupWithSilentNodesSaysSo(t *testing.T) {
	inDHTWorld(t, 4, func(w *dhtWorld) {
		w.setCut(true)
		if _, err := find(w.nodes[1], hash(1), 5); !errors.Is(err, ErrNoNodes) {
			t.Errorf("error %v", err)
		}
	})
}

func TestLookupEndsWithItsContext(t *testing.T) {
	inDHTWorld(t, 4, func(w *dhtWorld) {
		w.setCut(true)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		began := time.Now()
		err := w.nodes[1].Lookup(ctx, hash(1), 5, func([]netip.AddrPort) {})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: error %v", time.Since(began), err)
		}
	})
}

func TestRunEndsWithLookupsUnderWay(t *testing.T) {
	inDHTWorld(t, 4, func(w *dhtWorld) {
		w.setCut(true)
		failed := make(chan error, 1)
		go func() {
			_, err := find(w.nodes[1], hash(1), 5)
			failed <- err
		}()
		w.pass(time.Second)
		w.nodes[1].stop(t)
		if err := <-failed; !errors.Is(err, ErrDHTStopped) {
			t.Errorf("error %v", err)
		}
		w.nodes = slices.Delete(w.nodes, 1, 2)
	})
}

// TestRunLeavesNoGoroutineWheneverItEnds: under the fake clock, a goroutine that is left is a deadlock, which synctest
// reports.
func TestRunLeavesNoGoroutineWheneverItEnds(t *testing.T) {
	for _, after := range []time.Duration{0, time.Millisecond, time.Second, 3 * time.Second, 61 * time.Second} {
		for _, alone := range []bool{true, false} {
			inDHTWorld(t, 4, func(w *dhtWorld) {
				w.setCut(alone)
				node := runDHT(NewDHT(w.listen("10.0.1.1:6881"), DHTConfig{
					Bootstrap: []string{bootNode, "10.0.0.2:6881"}, AllowPrivate: true,
				}))
				<-time.After(after)
				if took := node.stop(t); took > queryTimeout {
					t.Errorf("after %v, alone %v: Run took %v to end", after, alone, took)
				}
			})
		}
	}
}

func TestRunReportsASocketThatWasClosed(t *testing.T) {
	inDHTWorld(t, 0, func(w *dhtWorld) {
		conn := w.listen(bootNode)
		node := runDHT(NewDHT(conn, DHTConfig{AllowPrivate: true}))
		w.pass(time.Minute)
		conn.Close()
		if err := <-node.ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	})
}

func TestBootstrapHostsAreRetriedWithBackOff(t *testing.T) {
	inDHTWorld(t, 1, func(w *dhtWorld) {
		began := time.Now()
		var asked []time.Duration
		d := NewDHT(w.listen("10.0.1.1:6881"), DHTConfig{Bootstrap: []string{"boot.example.org:6881"}, AllowPrivate: true})
		d.resolve = func(_ context.Context, host string) ([]netip.Addr, error) {
			asked = append(asked, time.Since(began).Round(time.Second))
			if host != "boot.example.org" || len(asked) < 9 {
				return nil, errNoName
			}
			return []netip.Addr{netip.MustParseAddr("10.0.0.1")}, nil
		}
		node := runDHT(d)
		w.nodes = append(w.nodes, node)
		w.pass(time.Second)
		if node.Nodes() != 0 {
			t.Errorf("%d nodes from nowhere", node.Nodes())
		}
		w.pass(time.Hour)
		want := []time.Duration{0, 5, 15, 35, 75, 155, 315, 635, 1235}
		for i := range want {
			want[i] *= time.Second
		}
		if !slices.Equal(asked, want) {
			t.Errorf("the host was looked up at %v, want %v", asked, want)
		}
		if node.Nodes() == 0 {
			t.Error("no node was found in the end")
		}
	})
}

func TestBootstrapThatHangsDelaysNothing(t *testing.T) {
	inDHTWorld(t, 3, func(w *dhtWorld) {
		d := NewDHT(w.listen("10.0.1.1:6881"), DHTConfig{Bootstrap: []string{"boot.example.org:6881"}, AllowPrivate: true})
		d.resolve = func(ctx context.Context, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		d.AddNode(netip.MustParseAddrPort(bootNode)) // before Run
		node := runDHT(d)
		w.pass(time.Second)
		if node.Nodes() == 0 {
			t.Error("the node that AddNode gave was not asked")
		}
		if took := node.stop(t); took > queryTimeout {
			t.Errorf("Run took %v to end", took)
		}
	})
}

func TestAddNodeIsEnoughToJoin(t *testing.T) {
	inDHTWorld(t, 0, func(w *dhtWorld) {
		lonely := runDHT(NewDHT(w.listen("10.0.1.1:6881"), DHTConfig{AllowPrivate: true}))
		w.nodes = append(w.nodes, lonely)
		w.pass(time.Hour)
		if lonely.Nodes() != 0 {
			t.Fatalf("%d nodes from nowhere", lonely.Nodes())
		}
		for _, address := range []string{bootNode, "10.0.0.2:6881", "10.0.0.3:6881"} {
			w.add(address, "")
		}
		w.pass(10 * time.Second)
		lonely.AddNode(netip.MustParseAddrPort("10.0.0.3:6881"))
		w.pass(10 * time.Second)
		if lonely.Nodes() == 0 {
			t.Error("no node answers")
		}
	})
}

func TestNodesAreRestoredWithoutBootstrapHosts(t *testing.T) {
	state := filepath.Join(t.TempDir(), "nodes")
	inDHTWorld(t, 4, func(w *dhtWorld) {
		first := w.add("10.0.1.1:6881", state)
		w.pass(time.Minute)
		w.nodes = w.nodes[:4]
		first.stop(t)
		fi, err := os.Stat(state)
		if err != nil || fi.Mode().Perm() != 0o600 || fi.Size()%nodeRecord != 0 || fi.Size() < 3*nodeRecord {
			t.Fatalf("state file: %v, error %v", fi, err)
		}
		second := runDHT(NewDHT(w.listen("10.0.1.1:6881"), DHTConfig{AllowPrivate: true, StatePath: state}))
		w.nodes = append(w.nodes, second)
		w.pass(10 * time.Second)
		if second.Nodes() == 0 {
			t.Error("no node answers")
		}
	})
}

func TestDHTRecoversWhenTheLineComesBack(t *testing.T) {
	inDHTWorld(t, 4, func(w *dhtWorld) {
		if w.nodes[3].Nodes() == 0 {
			t.Fatal("no nodes to begin with")
		}
		w.setCut(true)
		w.pass(16 * time.Minute)
		if n := w.nodes[3].Nodes(); n != 0 {
			t.Errorf("%d good nodes after a quarter of an hour of silence", n)
		}
		w.setCut(false)
		w.pass(bootstrapRest + time.Minute)
		if w.nodes[3].Nodes() == 0 {
			t.Error("no node answers after the line came back")
		}
	})
}

func TestHostilePacketsDoNotHarmTheNode(t *testing.T) {
	inDHTWorld(t, 1, func(w *dhtWorld) {
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
		} {
			stranger.WriteTo([]byte(packet), target)
		}
		stranger.WriteTo([]byte("d1:ad2:id"+id20+"e1:q4:ping1:t2:aa1:y1:qe"), target)
		w.pass(time.Second)
		select {
		case reply := <-stranger.inbox:
			var m krpc.Msg
			if err := bencode.Unmarshal(reply.payload, &m); err != nil || m.Y != "r" {
				t.Errorf("reply %q", reply.payload)
			}
		default:
			t.Error("no reply to a ping after the hostile packets")
		}
		if n := len(stranger.inbox); n > 0 {
			t.Errorf("%d of the hostile packets were answered", n)
		}
	})
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
	inDHTWorld(t, 0, func(w *dhtWorld) {
		node := runDHT(NewDHT(w.listen("10.0.0.9:6881"), DHTConfig{AllowPrivate: true}))
		w.nodes = append(w.nodes, node)
		for i := range 4 {
			liar := w.listen(fmt.Sprintf("10.6.6.%d:666", i))
			defer liar.Close()
			go fakeNode(liar, krpc.ID(hash(byte(i+1))), func(query krpc.Msg) (r krpc.Return) {
				token := "t"
				r.Token = &token
				r.Values = append(r.Values,
					krpc.NodeAddr{IP: net.IPv4(8, 8, 8, 8).To4(), Port: 0},
					krpc.NodeAddr{IP: net.IPv4(224, 0, 0, 1).To4(), Port: 1})
				for p := range 100 {
					r.Values = append(r.Values, krpc.NodeAddr{IP: net.IPv4(8, 8, byte(i), 8).To4(), Port: 1 + p/2*(i+1)})
				}
				if i == 3 {
					r.Values = r.Values[:0]
					for p := range 150 {
						r.Values = append(r.Values, krpc.NodeAddr{IP: net.IPv4(9, 9, 9, 9).To4(), Port: 1 + p})
					}
				}
				return r
			})
			node.AddNode(liar.addr)
		}
		w.pass(10 * time.Second)
		found, err := find(node, hash(1), 0)
		if err != nil || len(found) != maxPeers {
			t.Errorf("%d peers, error %v; want %d", len(found), err, maxPeers)
		}
		for i, peer := range found {
			if i > 0 && peer == found[i-1] || peer.Port() == 0 || peer.Addr().IsMulticast() {
				t.Errorf("told %v", peer)
			}
		}
	})
}

func TestStrictNodeSendsNothingIntoPrivateNetworks(t *testing.T) {
	inDHTWorld(t, 0, func(w *dhtWorld) {
		liar := w.listen("8.8.8.8:6881")
		defer liar.Close()
		id := krpc.ID(hash(3))
		dht.SecureNodeId(&id, net.IPv4(8, 8, 8, 8))
		victims := addrs("192.168.1.1:80", "10.0.0.1:6881", "127.0.0.1:6881", "224.0.0.1:6881")
		go fakeNode(liar, id, func(krpc.Msg) (r krpc.Return) {
			token := "t"
			r.Token = &token
			for i, v := range victims {
				r.Nodes = append(r.Nodes, krpc.NodeInfo{ID: krpc.ID(hash(byte(i + 1))), Addr: krpc.NodeAddr{IP: v.Addr().AsSlice(), Port: int(v.Port())}})
				r.Values = append(r.Values, krpc.NodeAddr{IP: v.Addr().AsSlice(), Port: int(v.Port())})
			}
			return r
		})
		node := runDHT(NewDHT(w.listen("9.9.9.9:6881"), DHTConfig{Bootstrap: []string{"8.8.8.8:6881", "192.168.1.1:80"}}))
		w.nodes = append(w.nodes, node)
		node.AddNode(victims[1])
		w.pass(5 * time.Minute)
		if node.Nodes() != 1 {
			t.Errorf("%d nodes, want the one at a public address", node.Nodes())
		}
		wantFound(t, node, hash(1))
		for _, v := range victims {
			if n := w.sentTo(v); n != 0 {
				t.Errorf("%d packets were sent to %s", n, v)
			}
		}
		if w.sentTo(liar.addr) == 0 {
			t.Error("the public node was not asked")
		}
	})
}

func TestStoredPeersAreBoundedAndExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storedPeers{guard: Guard{}}
		add := func(h metainfo.Hash, addr string, port int) {
			s.AddPeer(h, krpc.NodeAddr{IP: net.ParseIP(addr), Port: port})
		}
		add(hash(1), "192.168.1.1", 80)
		add(hash(1), "8.8.8.8", 0)
		add(hash(1), "8.8.8.8", 70000)
		s.AddPeer(hash(1), krpc.NodeAddr{Port: 5})
		if got := s.GetPeers(hash(1)); len(got) != 0 {
			t.Errorf("kept %v", got)
		}
		for range 2 {
			for port := range 2 * maxStoredPerHash {
				add(hash(1), "8.8.8.8", port+1)
			}
		}
		if got := len(s.GetPeers(hash(1))); got != maxStoredPerHash {
			t.Errorf("%d peers of one swarm, want %d", got, maxStoredPerHash)
		}
		for i := range 2 * maxStoredPeers {
			add(metainfo.HashBytes([]byte(fmt.Sprint(i))), "8.8.8.8", 1)
		}
		if s.count != maxStoredPeers {
			t.Errorf("%d peers in all, want %d", s.count, maxStoredPeers)
		}
		<-time.After(storedPeerTTL + time.Minute)
		if got := s.GetPeers(hash(1)); len(got) != 0 || s.count != 0 || len(s.byHash) != 0 {
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
