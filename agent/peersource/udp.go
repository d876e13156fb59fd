package peersource

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"sync"

	"github.com/anacrolix/torrent/tracker/shared"
	"github.com/anacrolix/torrent/tracker/udp"
	"github.com/anacrolix/torrent/types/infohash"
)

// announceUDP announces as BEP 15 and BEP 41 say, with a socket of its own: a fresh source port and transaction per
// announce is what makes answers hard to forge.
func (t *Trackers) announceUDP(ctx context.Context, u *url.URL, req AnnounceRequest) (AnnounceResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, udpTimeout)
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	socket, err := t.guard.DialContext(ctx, "udp", u.Host)
	if err != nil {
		return AnnounceResponse{}, err
	}
	conn := &trackerConn{Conn: socket, fail: fail, closed: make(chan struct{}), ended: make(chan struct{})}
	network := "udp6"
	if remote, err := netip.ParseAddrPort(socket.RemoteAddr().String()); err == nil && remote.Addr().Unmap().Is4() {
		network = "udp4"
	}
	client, err := udp.NewConnClient(udp.NewConnClientOpts{
		Network: network, // also tells the client which form the peers have
		Host:    socket.RemoteAddr().String(),
		Logger:  slog.New(slog.DiscardHandler), // its news is that strangers send nonsense
		ListenPacket: func(string, string) (net.PacketConn, error) {
			return conn, nil
		},
	})
	if err != nil {
		socket.Close()
		return AnnounceResponse{}, err
	}
	defer func() {
		client.Close()
		<-conn.ended
	}()
	numWant := int32(wantPeers)
	if req.Event == EventStopped {
		numWant = 0
	}
	header, nodes, err := client.Announce(ctx, udp.AnnounceRequest{
		InfoHash:   infohash.T(req.Hash),
		PeerId:     req.PeerID,
		Downloaded: max(req.Downloaded, 0),
		Left:       req.Left,
		Uploaded:   max(req.Uploaded, 0),
		Event:      udpEvents[req.Event],
		Key:        int32(req.Key),
		NumWant:    numWant,
		Port:       req.Port,
	}, udp.Options{RequestUri: requestURI(u)})
	if err != nil {
		if no := (udp.ErrorResponse{}); errors.As(err, &no) {
			return AnnounceResponse{}, refusal(no.Message)
		}
		return AnnounceResponse{}, err
	}
	var peers []netip.AddrPort
	for _, n := range nodes.NodeAddrs() { // a datagram holds at most 338
		peers = appendPeer(peers, n.IP, n.Port)
	}
	return AnnounceResponse{
		Interval: seconds(header.Interval),
		Seeders:  int(max(header.Seeders, -1)),
		Leechers: int(max(header.Leechers, -1)),
		Peers:    usable(t.guard, peers),
	}, nil
}

// udpEvents are BEP 15's numbers, which are the library's.
var udpEvents = map[Event]udp.AnnounceEvent{
	EventNone:      shared.None,
	EventCompleted: shared.Completed,
	EventStarted:   shared.Started,
	EventStopped:   shared.Stopped,
}

// requestURI is the URL data option of BEP 41: the path and query, if there is any.
func requestURI(u *url.URL) string {
	if uri := u.RequestURI(); uri != "/" {
		return uri
	}
	return ""
}

// trackerConn lets the library's client, made for unconnected sockets, use a connected one: the kernel then drops what
// others than the tracker send, and says at once when the port is closed. It also keeps the library's reader from
// touching what its Close writes: a read fails only after Close.
type trackerConn struct {
	net.Conn
	fail      context.CancelCauseFunc // ends the announce
	closeOnce sync.Once
	closed    chan struct{}
	ended     chan struct{} // closed when the reader has got its error
}

func (c *trackerConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := c.Read(p)
	if err == nil {
		return n, c.RemoteAddr(), nil
	}
	c.fail(err)
	<-c.closed
	close(c.ended)
	return 0, nil, err
}

func (c *trackerConn) WriteTo(p []byte, _ net.Addr) (int, error) { return c.Write(p) }

func (c *trackerConn) Close() (err error) {
	c.closeOnce.Do(func() {
		close(c.closed)
		err = c.Conn.Close()
	})
	return err
}
