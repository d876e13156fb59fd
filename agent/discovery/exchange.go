package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// A meeting, in the order in which it goes on each side:
//
//  1. exchange sends our extension handshake;
//  2. on the peer's, Ask says whether to ask for its list;
//  3. Handle answers the peer's request, and takes in its answer to ours;
//  4. when both are done, whoever dialled closes the connection.
//
// HandleConn is the way in for those who dial us. The background engine speaks
// ebb_list on its own connections, and calls Ask and Handle itself.

const (
	// exchangeTimeout bounds a whole meeting.
	exchangeTimeout = 30 * time.Second
	// greetTimeout is how long a peer may take for its extension handshake. It
	// is shorter, because most who never send one are ordinary clients.
	greetTimeout = 10 * time.Second
	// patience is how long a peer may take to ask us, once we have its answer,
	// or to close a connection that it dialled, once both are served.
	patience = 5 * time.Second
	// linger is how long we keep a connection that we dialled after both are
	// served, for our last message to be on its way.
	linger = time.Second

	toldPerList = 5 // swarms of one list that the story names
)

// Conn is a handshaken peer connection; satisfied by *peerwire.Conn.
type Conn interface {
	PeerID() [20]byte
	RemoteAddr() netip.AddrPort
	Incoming() bool
	Fast() bool
	Extended() bool
	Read() (peerwire.Message, error)
	Send(peerwire.Message) error
	SendExtensionHandshake(peerwire.Extensions) error
	SendExtended(name string, payload []byte) error
	Close() error
}

var _ Conn = (*peerwire.Conn)(nil)

var errNotAgent = errors.New("peer does not speak ebb_list")

// HandleConn exchanges lists on a connection that a peer opened to us under
// the info-hash of a foreground swarm, and returns when that is done. The
// caller closes the connection.
func (r *Rendezvous) HandleConn(ctx context.Context, c Conn, h swarm.InfoHash) {
	host := hostOf(c.RemoteAddr().Addr())
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
	conn     Conn
	peer     swarm.Introducer
	greeted  bool // the peer's extension handshake has come
	awaiting bool // our request is not answered yet
	answered bool // the peer's request is
}

// exchange holds one meeting, in a swarm that both are in. dialled is the
// address of a peer that we dialled. The connection is still open, or not,
// when it returns.
func (r *Rendezvous) exchange(ctx context.Context, c Conn, via Foreground, dialled netip.AddrPort) error {
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
		m.Release()
		if err := r.take(t, m); err != nil {
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

// take reacts to one message of a meeting. All but those of list passing are
// what ordinary peers say to each other, and of no interest here.
func (r *Rendezvous) take(t *talk, m peerwire.Message) error {
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
		request, ok := r.Ask(t.peer)
		if !ok {
			return nil
		}
		t.awaiting = true
		return t.conn.SendExtended(peerwire.ExtensionList, request)
	case m.Type == peerwire.Extended && m.Name == peerwire.ExtensionList:
		if !t.greeted {
			return fmt.Errorf("%w: a list message before the extension handshake", ErrMisbehaved)
		}
		reply, err := r.Handle(t.peer, m.Payload)
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

// Ask returns the request to send to a peer that speaks ebb_list, or false if
// it is not to be asked now.
func (r *Rendezvous) Ask(p swarm.Introducer) (request []byte, ok bool) {
	if !r.cfg.Candidates.Wants(swarm.KindPeer) {
		return nil, false
	}
	return r.cfg.Lists.Ask(p, time.Now())
}

// Handle takes an ebb_list message from a peer, and returns the reply to send,
// or nil when it was an answer. What the peer lists becomes candidates. After an
// error, which wraps ErrMisbehaved, the peer is to be dropped.
func (r *Rendezvous) Handle(p swarm.Introducer, payload []byte) (reply []byte, err error) {
	now := time.Now()
	reply, heard, err := r.cfg.Lists.Handle(p, payload, now)
	if err != nil || reply != nil {
		return reply, err
	}
	in := hearsay(p)
	if dialable(in) {
		// Its list is fresh, whichever swarm it turns up in next.
		r.mu.Lock()
		r.leaveAlone(meeting{addr: in.Addr}, now.Add(redialInterval))
		r.mu.Unlock()
	}
	r.tellHeard(in, r.cfg.Candidates.Hear(in, heard, now))
	r.poke()
	return nil, nil
}

// tellHeard tells the owner of new candidates.
func (r *Rendezvous) tellHeard(in swarm.Introducer, added []Entry) {
	for i, e := range added {
		if i == toldPerList {
			swarm.Tell(r.cfg.Log, ToldHeard, in.ViaHash, fmt.Sprintf("%s listed %d more swarms that we are not in", in.String(), len(added)-i))
			return
		}
		verb := "is in"
		if !e.Direct() {
			verb = "has heard of"
		}
		swarm.Tell(r.cfg.Log, ToldHeard, e.Hash, fmt.Sprintf("%s %s a swarm we are not in: %s", in.String(), verb, e.shown()))
	}
}
