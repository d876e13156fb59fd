package peersource

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anacrolix/torrent/tracker/udp"
)

// udpStub is a UDP tracker whose answers to announces a test writes itself. Its answer to connect is honest.
type udpStub struct {
	net.PacketConn
	mu        sync.Mutex // guards what follows
	announces [][]byte   // requests, from the action on
	asker     net.Addr   // who sent the last one
	answer    func(transaction []byte, asker net.Addr) []byte
	connected func() // if not nil, told of every connect
}

// newUDPStub runs a tracker that answers an announce with what answer gives, if that is not nil.
func newUDPStub(t *testing.T, answer func(transaction []byte, asker net.Addr) []byte) *udpStub {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stub := &udpStub{PacketConn: conn, answer: answer}
	var done sync.WaitGroup
	t.Cleanup(func() { conn.Close(); done.Wait() })
	done.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if n < 16 {
				continue
			}
			action, transaction := binary.BigEndian.Uint32(buf[8:]), buf[12:16]
			reply := append(binary.BigEndian.AppendUint32(nil, 0), transaction...)
			reply = append(reply, "connect!"...)
			stub.mu.Lock()
			if action == uint32(udp.ActionAnnounce) {
				stub.announces, stub.asker = append(stub.announces, bytes.Clone(buf[8:n])), from
				reply = stub.answer(transaction, from)
			} else if stub.connected != nil {
				stub.connected()
			}
			stub.mu.Unlock()
			if reply != nil {
				conn.WriteTo(reply, from)
			}
		}
	})
	return stub
}

func (s *udpStub) url() string { return "udp://" + s.LocalAddr().String() }

// answered builds an answer: action, transaction, and words of 32 bits, and more.
func answered(action udp.Action, transaction []byte, more []byte, words ...uint32) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(action)), transaction...)
	for _, w := range words {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return append(b, more...)
}

func TestUDPAnnounceSaysWhatBEP15And41Ask(t *testing.T) {
	stub := newUDPStub(t, func(tx []byte, _ net.Addr) []byte { return answered(udp.ActionAnnounce, tx, nil, 60, 0, 0) })
	req := AnnounceRequest{
		Hash: hash('h'), PeerID: [20]byte([]byte("-EB0100-abcdefghijkl")), Port: 51515, Event: EventCompleted,
		Uploaded: 1, Downloaded: 2, Left: 3, Key: 0xbeef,
	}
	if _, err := NewTrackers(lab, "ebb/test").Announce(patient(t), stub.url()+"/announce?k=v", req); err != nil {
		t.Fatal(err)
	}
	want := new(bytes.Buffer)
	want.WriteString("hhhhhhhhhhhhhhhhhhhh-EB0100-abcdefghijkl")
	for _, field := range []any{uint64(2), uint64(3), uint64(1), uint32(1), uint32(0), uint32(0xbeef), uint32(50), uint16(51515)} {
		binary.Write(want, binary.BigEndian, field)
	}
	want.WriteString("\x02\x0d/announce?k=v")
	stub.mu.Lock()
	defer stub.mu.Unlock()
	if got := stub.announces[0][8:]; !bytes.Equal(got, want.Bytes()) {
		t.Errorf("announce\n%q, want\n%q", got, want.Bytes())
	}
}

func TestUDPErrorIsARefusal(t *testing.T) {
	stub := newUDPStub(t, func(tx []byte, _ net.Addr) []byte { return answered(udp.ActionError, tx, []byte("go\x00away\n")) })
	_, err := NewTrackers(lab, "ebb/test").Announce(patient(t), stub.url(), AnnounceRequest{Port: 1})
	var no *Refusal
	if !errors.As(err, &no) || no.Reason != "go away" {
		t.Errorf("error %v", err)
	}
}

func TestHostileUDPAnswersAreErrors(t *testing.T) {
	for name, answer := range map[string]func(tx []byte, _ net.Addr) []byte{
		"cut short":    func(tx []byte, _ net.Addr) []byte { return answered(udp.ActionAnnounce, tx, nil, 60) },
		"wrong action": func(tx []byte, _ net.Addr) []byte { return answered(udp.ActionScrape, tx, nil, 60, 0, 0) },
		"a long reason": func(tx []byte, _ net.Addr) []byte {
			return answered(udp.ActionError, tx, bytes.Repeat([]byte("x"), 1900))
		},
	} {
		stub := newUDPStub(t, answer)
		resp, err := NewTrackers(lab, "ebb/test").Announce(patient(t), stub.url(), AnnounceRequest{Port: 1})
		if err == nil || errors.Is(err, context.DeadlineExceeded) || len(err.Error()) > 400 {
			t.Errorf("%s: response %+v, error %v", name, resp, err)
		}
	}
}

func TestUDPAnswerWithNegativeNumbersIsUnknown(t *testing.T) {
	stub := newUDPStub(t, func(tx []byte, _ net.Addr) []byte {
		return answered(udp.ActionAnnounce, tx, nil, 0xffffffff, 0x80000000, 0x80000000)
	})
	resp, err := NewTrackers(lab, "ebb/test").Announce(patient(t), stub.url(), AnnounceRequest{Port: 1})
	if err != nil || resp.Interval != 0 || resp.Seeds != -1 || resp.Leechers != -1 {
		t.Errorf("response %+v, error %v", resp, err)
	}
}

func TestUDPAnswersFromStrangersAreNotHeard(t *testing.T) {
	stranger, err := net.ListenPacket("udp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	stub := newUDPStub(t, func(tx []byte, asker net.Addr) []byte {
		lie := answered(udp.ActionAnnounce, tx, []byte("\x7f\x00\x00\x09\x00\x09"), 60, 0, 0)
		if _, err := stranger.WriteTo(lie, asker); err != nil {
			t.Error(err)
		}
		return answered(udp.ActionAnnounce, tx, []byte("\x7f\x00\x00\x08\x00\x08"), 60, 0, 0)
	})
	resp, err := NewTrackers(lab, "ebb/test").Announce(patient(t), stub.url(), AnnounceRequest{Port: 1})
	if err != nil || len(resp.Peers) != 1 || resp.Peers[0] != addrs("127.0.0.8:8")[0] {
		t.Errorf("peers %v, error %v", resp.Peers, err)
	}
}

func TestUDPTrackerThatIsGoneIsNoticedAtOnce(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "udp://" + conn.LocalAddr().String()
	conn.Close()
	began := time.Now()
	_, err = NewTrackers(lab, "ebb/test").Announce(patient(t), url, AnnounceRequest{Port: 1})
	if err == nil || !strings.Contains(err.Error(), "refused") || time.Since(began) > patience/2 {
		t.Errorf("after %v: error %v", time.Since(began), err)
	}
}

func TestUDPAnnounceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(patient(t))
	stub := newUDPStub(t, func([]byte, net.Addr) []byte { cancel(); return nil })
	if _, err := NewTrackers(lab, "ebb/test").Announce(ctx, stub.url(), AnnounceRequest{Port: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestUDPTrackerThatAnswersManyTimesHoldsNobodyUp(t *testing.T) {
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	t.Cleanup(func() { server.Close(); done.Wait() })
	done.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			reply := bytes.Clone(buf[8:16]) // action and transaction
			if n == 16 {
				reply = append(reply, "connect!"...)
			} else {
				reply = append(reply, make([]byte, 12)...)
			}
			for range 50 {
				server.WriteTo(reply, from)
			}
		}
	})
	trackers := NewTrackers(lab, "ebb/test")
	url := "udp://" + server.LocalAddr().String()
	ended := make(chan error, maxWorkers)
	for range maxWorkers {
		go func() {
			_, err := trackers.Announce(patient(t), url, AnnounceRequest{Port: 1})
			ended <- err
		}()
	}
	for range maxWorkers {
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience + time.Second):
			t.Fatal("an announce does not end")
		}
	}
}

func TestUDPTrackerThatFloodsIsGivenUp(t *testing.T) {
	stub := newUDPStub(t, func([]byte, net.Addr) []byte { return nil })
	strays := make([]byte, 20)
	go func() {
		for {
			stub.mu.Lock()
			asked := len(stub.announces) > 0
			asker := stub.asker
			stub.mu.Unlock()
			if asked {
				for range 4 * maxStrays {
					stub.WriteTo(strays, asker)
				}
				return
			}
			if _, err := stub.WriteTo(nil, stub.LocalAddr()); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := NewTrackers(lab, "ebb/test").Announce(patient(t), stub.url(), AnnounceRequest{Port: 1})
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestUDPConnectionIDIsUsedAgainAndReplacedWhenRefused(t *testing.T) {
	connects, forgetful := 0, false
	stub := newUDPStub(t, nil)
	stub.connected = func() { connects++ }
	stub.answer = func(tx []byte, _ net.Addr) []byte {
		if forgetful {
			forgetful = false
			return answered(udp.ActionError, tx, []byte("unknown connection"))
		}
		return answered(udp.ActionAnnounce, tx, nil, 60, 0, 0)
	}
	trackers := NewTrackers(lab, "ebb/test")
	for i, want := range []int{1, 1, 2} {
		stub.mu.Lock()
		forgetful = i == 2
		stub.mu.Unlock()
		if _, err := trackers.Announce(patient(t), stub.url(), AnnounceRequest{Port: 1}); err != nil {
			t.Fatal(err)
		}
		stub.mu.Lock()
		if connects != want {
			t.Errorf("after announce %d: %d connects, want %d", i+1, connects, want)
		}
		stub.mu.Unlock()
	}
}

func TestUDPTrackerWithADeadAddressIsAskedAtTheNext(t *testing.T) {
	udpPatience = []time.Duration{200 * time.Millisecond, time.Second, 2 * time.Second}
	defer func() { udpPatience = []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} }()
	stub := newUDPStub(t, func(tx []byte, _ net.Addr) []byte {
		return answered(udp.ActionAnnounce, tx, []byte("\x7f\x00\x00\x08\x00\x08rest"), 60, 0, 0)
	})
	port := stub.LocalAddr().(*net.UDPAddr).Port
	silent, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.3:%d", port))
	if err != nil {
		t.Skip("the port is in use:", err)
	}
	defer silent.Close()
	guard := lab
	for _, names := range [][]string{{"127.0.0.2", "127.0.0.1"}, {"127.0.0.3", "127.0.0.2", "127.0.0.1"}} { // closed; silent
		guard.Resolver = nameServerOfAll(t, names...)
		resp, err := NewTrackers(guard, "ebb/test").Announce(patient(t), fmt.Sprintf("udp://tracker.example.org:%d", port), AnnounceRequest{Port: 1})
		if err != nil || len(resp.Peers) != 1 || resp.Peers[0] != addrs("127.0.0.8:8")[0] {
			t.Errorf("%v: response %+v, error %v", names, resp, err)
		}
	}
}

func FuzzUDPAnswer(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x3c\x00\x00\x00\x01\x00\x00\x00\x02\x08\x08\x08\x08\x01\x02"), false)
	f.Add(bytes.Repeat([]byte{0xff}, 12+36), true)
	f.Fuzz(func(t *testing.T, answer []byte, six bool) {
		tracker := netip.MustParseAddr("127.0.0.1")
		if six {
			tracker = netip.IPv6Loopback()
		}
		resp, err := parseUDP(Guard{}, answer, tracker)
		if err == nil && (resp.Interval < 0 || resp.Seeds < -1 || resp.Leechers < -1 || len(resp.Peers) > maxPeers) {
			t.Errorf("response %+v", resp)
		}
	})
}
