package peerwire

import (
	"bytes"
	"fmt"
	"io"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/metainfo"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// The handshake of BEP 3: protocol name, reserved bits, info-hash, peer ID.
const (
	helloHash   = len(pp.Protocol) + 8
	helloID     = helloHash + metainfo.HashSize
	helloLength = helloID + 20
)

// ourBits are the extensions that we announce in the reserved bits.
var ourBits = pp.NewPeerExtensionBytes(pp.ExtensionBitDht, pp.ExtensionBitFast, pp.ExtensionBitLtep)

// hello is what the other side's handshake said.
type hello struct {
	bits pp.PeerExtensionBits
	hash swarm.InfoHash
	id   [20]byte
}

// appendHello appends our handshake.
func appendHello(b []byte, hash swarm.InfoHash, id [20]byte) []byte {
	b = append(b, pp.Protocol...)
	b = append(b, ourBits[:]...)
	b = append(b, hash[:]...)
	return append(b, id[:]...)
}

// greet opens a connection that we dialled, encrypted unless provide is 0.
func (s *stream) greet(hash swarm.InfoHash, id [20]byte, provide uint32) (hello, error) {
	ours := appendHello(make([]byte, 0, helloLength), hash, id)
	var err error
	if provide != 0 {
		err = s.initiateMSE(hash, provide, ours)
	} else {
		err = s.write(ours)
	}
	if err != nil {
		return hello{}, err
	}
	theirs, err := s.readHello()
	if err != nil {
		return hello{}, err
	}
	if theirs.hash != hash {
		return hello{}, ErrSwarm
	}
	if theirs.id, err = s.readPeerID(); err != nil {
		return hello{}, err
	}
	if theirs.id == id {
		return hello{}, ErrSelf
	}
	return theirs, nil
}

// answer opens a connection that the peer dialled, finding out by itself whether it is encrypted.
func (s *stream) answer(router Router, id [20]byte, choose func(uint32) uint32) (hello, error) {
	encrypted, err := s.startsEncrypted()
	if err != nil {
		return hello{}, err
	}
	var secret swarm.InfoHash
	if encrypted {
		if secret, err = s.receiveMSE(router.InfoHashes(), choose); err != nil {
			return hello{}, err
		}
	}
	theirs, err := s.readHello()
	if err != nil {
		return hello{}, err
	}
	if encrypted && theirs.hash != secret || !router.Knows(theirs.hash) {
		return hello{}, ErrSwarm
	}
	// Some trackers test a port with a handshake that ends here, so we answer before the peer ID has come.
	if err := s.write(appendHello(make([]byte, 0, helloLength), theirs.hash, id)); err != nil {
		return hello{}, fmt.Errorf("send handshake: %w", err)
	}
	if theirs.id, err = s.readPeerID(); err != nil {
		return hello{}, err
	}
	if theirs.id == id {
		return hello{}, ErrSelf
	}
	return theirs, nil
}

// startsEncrypted looks at the first bytes of an incoming connection: whatever is not the start of a plaintext
// handshake must be a public key. It does not wait for more bytes than it needs to tell.
func (s *stream) startsEncrypted() (bool, error) {
	for n := range len(pp.Protocol) {
		b, err := s.in.Peek(n + 1)
		if err != nil {
			return false, fmt.Errorf("read handshake: %w", err)
		}
		if b[n] != pp.Protocol[n] {
			return true, nil
		}
	}
	return false, nil
}

// readHello reads a handshake up to the info-hash.
func (s *stream) readHello() (h hello, err error) {
	var b [helloID]byte
	if _, err := io.ReadFull(s, b[:]); err != nil {
		return hello{}, fmt.Errorf("read handshake: %w", err)
	}
	if !bytes.HasPrefix(b[:], []byte(pp.Protocol)) {
		return hello{}, protocolError("not a BitTorrent handshake")
	}
	copy(h.bits[:], b[len(pp.Protocol):])
	copy(h.hash[:], b[helloHash:])
	return h, nil
}

// readPeerID reads the rest of a handshake.
func (s *stream) readPeerID() (id [20]byte, err error) {
	if _, err := io.ReadFull(s, id[:]); err != nil {
		return id, fmt.Errorf("read handshake: %w", err)
	}
	return id, nil
}
