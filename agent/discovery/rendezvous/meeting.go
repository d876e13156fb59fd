package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"ebb/agent/discovery"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// A meeting, in the order in which it goes on each side:
//
//  1. exchange sends our extension handshake;
//  2. on the peer's, Lists.Ask says whether to ask for its list;
//  3. Lists.Handle answers the peer's request, and takes in its answer to ours;
//  4. when both are done, whoever dialled closes the connection.
//
// HandleConn is the way in for those who dial us. The background engine speaks ebb_list on its own connections, with
// the same Lists.

const (
	// exchangeTimeout bounds a whole meeting.
	exchangeTimeout = 30 * time.Second
	// greetTimeout is how long a peer may take for its extension handshake. It is shorter, because most who never send
	// one are ordinary clients.
	greetTimeout = 10 * time.Second
	// patience is how long a peer may take to ask us, once we have its answer, or to close a connection that it
	// dialled, once both are served.
	patience = 5 * time.Second
	// linger is how long a connection that we dialled stays open after both are served, for our last message to be on
	// its way.
	linger = time.Second
)

var errNotAgent = errors.New("peer does not speak ebb_list")

// HandleConn exchanges lists on a connection that a peer opened to us under the info-hash of a foreground swarm, and
// returns when that is done. The caller closes the connection.
func (r *Rendezvous) HandleConn(ctx context.Context, c discovery.Conn, h swarm.InfoHash) {
	host := swarm.Host(c.RemoteAddr().Addr())
	via, ok := r.welcome(host, h)
	if !ok {
		return
	}
	if err := r.exchange(ctx, c, via, netip.AddrPort{}); err != nil {
		r.cfg.Log.Debug("visit ended", "address", c.RemoteAddr(), "swarm", via.Name, "err", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.guests, host)
	r.guests = slices.Delete(r.guests, i, i+1)
}

// welcome makes a place for a guest from a host, if there is one in the swarm.
func (r *Rendezvous) welcome(host netip.Prefix, h swarm.InfoHash) (via Foreground, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	via, ours := r.swarms[h]
	same := 0
	for _, guest := range r.guests {
		if guest == host {
			same++
		}
	}
	if !ours || len(r.guests) >= maxGuests || same >= maxGuestsHost {
		return Foreground{}, false
	}
	r.guests = append(r.guests, host)
	return via, true
}

// talk is one exchange of lists.
type talk struct {
	conn     discovery.Conn
	peer     swarm.Introducer
	greeted  bool // the peer's extension handshake has come
	awaiting bool // our request is not answered yet
	answered bool // the peer's request is
}

// exchange holds one meeting, in a swarm that both are in. dialled is the address of a peer that we dialled. The
// connection is still open, or not, when it returns.
func (r *Rendezvous) exchange(ctx context.Context, c discovery.Conn, via Foreground, dialled netip.AddrPort) error {
	if !c.Extended() {
		return errNotAgent
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	end := time.AfterFunc(greetTimeout, func() { c.Close() })
	defer end.Stop()

	t := &talk{conn: c, peer: swarm.Introducer{Kind: swarm.KindPeer, PeerID: c.PeerID(), Addr: dialled, ViaHash: via.Hash, ViaName: via.Name}}
	if c.Fast() { // which must know at once what we have (BEP 6): on this port, of this swarm, nothing
		if err := c.Send(peerwire.Message{Type: peerwire.HaveNone}); err != nil {
			return err
		}
	}
	if err := c.SendExtensionHandshake(peerwire.Extensions{
		M:    map[string]uint8{peerwire.ExtensionList: 0},
		Port: r.cfg.Port,
	}); err != nil {
		return err
	}
	for {
		m, err := c.Read()
		switch {
		case err != nil && t.greeted && !t.awaiting:
			return nil // we have what we came for
		case err != nil:
			return err
		}
		m.Recycle()
		if err := r.react(t, m); err != nil {
			return err
		}
		switch {
		case !t.greeted:
		case t.awaiting:
			end.Reset(exchangeTimeout)
		case t.answered && !c.Incoming():
			end.Reset(linger)
		default:
			end.Reset(patience)
		}
	}
}

// react acts on one message of a meeting. All but those of list passing are what ordinary peers say to each other, and
// of no interest here.
func (r *Rendezvous) react(t *talk, m peerwire.Message) error {
	switch {
	case m.Type == peerwire.ExtensionHandshake && !t.greeted:
		if m.Extensions.M[peerwire.ExtensionList] == 0 {
			return errNotAgent
		}
		t.greeted = true
		t.peer.Client = m.Extensions.V
		if !t.peer.Addr.IsValid() {
			t.peer.Addr = netip.AddrPortFrom(t.conn.RemoteAddr().Addr(), m.Extensions.Port)
		}
		request, ok := r.cfg.Lists.Ask(t.peer)
		if !ok {
			return nil
		}
		t.awaiting = true
		return t.conn.SendExtended(peerwire.ExtensionList, request)
	case m.Type == peerwire.Extended && m.Name == peerwire.ExtensionList:
		if !t.greeted {
			return fmt.Errorf("%w: a list message before the extension handshake", discovery.ErrMisbehaved)
		}
		reply, err := r.cfg.Lists.Handle(t.peer, m.Payload)
		if err != nil {
			return err
		}
		if reply == nil {
			t.awaiting = false
			return nil
		}
		t.answered = true
		return t.conn.SendExtended(peerwire.ExtensionList, reply)
	}
	return nil
}
