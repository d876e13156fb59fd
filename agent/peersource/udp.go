package peersource

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The announce over UDP (BEP 15, and BEP 41 for paths) is our own: the library's dispatcher waits for whoever asked to
// take each answer, so a tracker that answers twice stops it for good, whatever the context says. Here a goroutine
// reads the answers to its own question, and its deadlines are those of the socket.

const (
	// maxDatagram is how much of an answer is read, in bytes: 338 IPv4 peers.
	maxDatagram = 2048
	// maxStrays is how many datagrams that answer nothing are read before the tracker is given up.
	maxStrays = 64
	// maxTrackerAddrs is how many addresses of a name are tried for each family.
	maxTrackerAddrs = 4
	// connectionLife is how long a tracker's connection ID may be used.
	connectionLife = time.Minute
	// maxConnections bounds the connection IDs that are kept: 64 bytes each.
	maxConnections = 256

	udpProtocol = 0x41727101980
	udpHeader   = 8 // of an answer: action and transaction
)

// udpPatience is how long an answer is waited for before the next address is tried, and then all of them again. Of
// one address that is what BEP 15 asks for, but for a line that loses packets.
var udpPatience = []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second}

// Actions of BEP 15.
const (
	udpConnect  = 0
	udpAnnounce = 1
	udpError    = 3
)

// udpEvents are BEP 15's numbers.
var udpEvents = map[Event]uint32{EventNone: 0, EventCompleted: 1, EventStarted: 2, EventStopped: 3}

// announceUDP announces to the tracker's IPv4 addresses and to its IPv6 ones, side by side: each knows only peers of
// its own kind. In each family one address is enough.
func (t *Trackers) announceUDP(ctx context.Context, u *url.URL, req AnnounceRequest) (AnnounceResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, udpTimeout)
	defer cancel()
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return AnnounceResponse{}, fmt.Errorf("port of the tracker: %w", err)
	}
	found, err := t.guard.resolve(ctx, u.Hostname())
	if err != nil {
		return AnnounceResponse{}, err
	}
	var families [2][]netip.AddrPort
	for _, addr := range found {
		family := 0
		if addr.Is6() {
			family = 1
		}
		if len(families[family]) < maxTrackerAddrs {
			families[family] = append(families[family], netip.AddrPortFrom(addr, uint16(port)))
		}
	}
	body := udpAnnounceBody(u, req)
	var responses [2]AnnounceResponse
	var errs [2]error
	var both sync.WaitGroup
	for i, addrs := range families {
		if len(addrs) > 0 {
			both.Go(func() { responses[i], errs[i] = t.askOne(ctx, addrs, body) })
		}
	}
	both.Wait()
	var heard []AnnounceResponse
	for i := range families {
		if len(families[i]) > 0 && errs[i] == nil {
			heard = append(heard, responses[i])
		}
	}
	if len(heard) == 0 {
		return AnnounceResponse{}, worst(errs[0], errs[1])
	}
	return t.merge(heard), nil
}

// worst chooses what is told of two failures: what the tracker itself said, if it said anything.
func worst(a, b error) error {
	if a == nil || b != nil && isRefusal(b) && !isRefusal(a) {
		return b
	}
	return a
}

// merge makes one answer of those of both families.
func (t *Trackers) merge(heard []AnnounceResponse) AnnounceResponse {
	all := heard[0]
	for _, r := range heard[1:] {
		all.Interval = max(all.Interval, r.Interval)
		all.MinInterval = max(all.MinInterval, r.MinInterval)
		all.PauseRefused = all.PauseRefused || r.PauseRefused
		all.Warning = cmp.Or(all.Warning, r.Warning)
		all.Seeds, all.Leechers = max(all.Seeds, r.Seeds), max(all.Leechers, r.Leechers)
		all.Peers = append(all.Peers, r.Peers...)
	}
	all.Peers = usable(t.guard, all.Peers)
	return all
}

// askOne announces at one of the addresses: at the first that answers, those that have answered lately first.
func (t *Trackers) askOne(ctx context.Context, addrs []netip.AddrPort, body []byte) (resp AnnounceResponse, err error) {
	slices.SortStableFunc(addrs, func(a, b netip.AddrPort) int {
		return t.connections.last(b).Compare(t.connections.last(a))
	})
	err = errNoAddress
	for _, patience := range udpPatience {
		for i := 0; i < len(addrs) && ctx.Err() == nil; {
			resp, err = t.askUDP(ctx, addrs[i], patience, body)
			switch {
			case err == nil, isRefusal(err):
				return resp, err
			case isTimeout(err):
				i++ // it gets another chance
			default:
				addrs = slices.Delete(addrs, i, i+1)
			}
		}
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return AnnounceResponse{}, err
}

var errNoAddress = errors.New("no address to ask")

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// askUDP announces at one address. The socket is connected, so that the kernel drops what others send and says at once
// when the port is closed; it has a port of its own, kept only as long as the connection ID, which many trackers tie to
// it.
func (t *Trackers) askUDP(ctx context.Context, addr netip.AddrPort, patience time.Duration, body []byte) (AnnounceResponse, error) {
	if kept, ok := t.connections.pop(addr); ok {
		// If it fails, the tracker has forgotten us, or somebody else has the port: then all begins anew.
		if resp, err := t.announceAt(ctx, addr, patience, kept, body); err == nil {
			return resp, nil
		}
	}
	return t.announceAt(ctx, addr, patience, connection{}, body)
}

// announceAt announces over a connection, or a new one if it is the zero connection.
func (t *Trackers) announceAt(ctx context.Context, addr netip.AddrPort, patience time.Duration, c connection, body []byte) (AnnounceResponse, error) {
	conn, err := t.guard.dial(ctx, "udp", addr.String(), c.local)
	if err != nil {
		return AnnounceResponse{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if !c.local.IsValid() {
		answer, err := exchange(conn, patience, udpProtocol, udpConnect, nil)
		if err != nil {
			return AnnounceResponse{}, err
		}
		if len(answer) < 8 {
			return AnnounceResponse{}, errors.New("the answer is too short")
		}
		local, _ := netip.ParseAddrPort(conn.LocalAddr().String())
		c = connection{id: binary.BigEndian.Uint64(answer), local: local, since: time.Now()}
	}
	answer, err := exchange(conn, patience, c.id, udpAnnounce, body)
	if err != nil {
		return AnnounceResponse{}, err
	}
	t.connections.put(addr, c)
	return parseUDP(t.guard, answer, addr.Addr())
}

// exchange sends one request and returns what follows the header of its answer. Datagrams that belong to no question
// of ours are passed over.
func exchange(conn net.Conn, patience time.Duration, connection uint64, action uint32, body []byte) ([]byte, error) {
	var transaction [4]byte
	rand.Read(transaction[:]) // never fails
	packet := binary.BigEndian.AppendUint64(make([]byte, 0, 16+len(body)), connection)
	packet = binary.BigEndian.AppendUint32(packet, action)
	packet = append(packet, transaction[:]...)
	packet = append(packet, body...)
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	var room [maxDatagram]byte
	for range maxStrays {
		n, err := conn.Read(room[:])
		if err != nil {
			return nil, err
		}
		answer := room[:n]
		if n < udpHeader || [4]byte(answer[4:8]) != transaction {
			continue
		}
		switch got := binary.BigEndian.Uint32(answer); got {
		case action:
			return answer[udpHeader:], nil
		case udpError:
			return nil, refusal(string(answer[udpHeader:]))
		default:
			return nil, fmt.Errorf("the answer has action %d, want %d", got, action)
		}
	}
	return nil, errors.New("the tracker sends answers to questions that were not asked")
}

// udpAnnounceBody is an announce request from the info-hash on.
func udpAnnounceBody(u *url.URL, req AnnounceRequest) []byte {
	want := uint32(wantPeers)
	if req.Event == EventStopped {
		want = 0
	}
	b := append(make([]byte, 0, 128), req.Hash[:]...)
	b = append(b, req.PeerID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(max(req.Downloaded, 0)))
	b = binary.BigEndian.AppendUint64(b, uint64(req.Left))
	b = binary.BigEndian.AppendUint64(b, uint64(max(req.Uploaded, 0)))
	b = binary.BigEndian.AppendUint32(b, udpEvents[req.Event])
	b = binary.BigEndian.AppendUint32(b, 0) // our address: the one that the packet comes from
	b = binary.BigEndian.AppendUint32(b, req.Key)
	b = binary.BigEndian.AppendUint32(b, want)
	b = binary.BigEndian.AppendUint16(b, req.Port)
	uri := u.RequestURI()
	if uri == "/" {
		return b
	}
	for len(uri) > 0 { // URL data options of BEP 41, 255 bytes each
		part := uri[:min(len(uri), 255)]
		b = append(append(b, 2, byte(len(part))), part...)
		uri = uri[len(part):]
	}
	return b
}

// parseUDP reads an answer to an announce from its interval on. Peers have the form of the tracker's own address;
// bytes after the last whole one say nothing.
func parseUDP(guard Guard, b []byte, tracker netip.Addr) (AnnounceResponse, error) {
	if len(b) < 12 {
		return AnnounceResponse{}, errors.New("the answer is too short")
	}
	size := 6
	if tracker.Is6() {
		size = 18
	}
	interval := seconds(int64(int32(binary.BigEndian.Uint32(b))))
	return AnnounceResponse{
		Interval: interval, MinInterval: interval, // BEP 15: not before
		Leechers: count(int64(int32(binary.BigEndian.Uint32(b[4:])))),
		Seeds:    count(int64(int32(binary.BigEndian.Uint32(b[8:])))),
		Peers:    usable(guard, appendCompact(nil, b[12:], size)),
	}, nil
}

// connections are the IDs that trackers gave us lately.
type connections struct {
	mu sync.Mutex // guards what follows
	of map[netip.AddrPort]connection
}

type connection struct {
	id    uint64
	local netip.AddrPort // where the tracker has seen it
	since time.Time
}

// pop hands out the connection to an address, if there is one that may still be used. Nobody else gets it.
func (c *connections) pop(addr netip.AddrPort) (connection, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept, ok := c.of[addr]
	delete(c.of, addr)
	return kept, ok && time.Since(kept.since) < connectionLife
}

// last is when the address began a connection that is kept; the zero time if there is none.
func (c *connections) last(addr netip.AddrPort) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of[addr].since
}

// put keeps a connection that has just been seen to work, and of too many forgets the oldest.
func (c *connections) put(addr netip.AddrPort, kept connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = make(map[netip.AddrPort]connection)
	}
	if _, known := c.of[addr]; !known && len(c.of) >= maxConnections {
		oldest, since := addr, time.Now()
		for a, k := range c.of {
			if k.since.Before(since) {
				oldest, since = a, k.since
			}
		}
		delete(c.of, oldest)
	}
	c.of[addr] = kept
}
