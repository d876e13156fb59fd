package peerwire

import (
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/metainfo"
)

const (
	// maxMagnet is the longest magnet link, bytes: room for MaxTrackers long URLs.
	maxMagnet = 64 << 10
	// maxMagnetPeers is how many peers of a magnet link are kept.
	maxMagnetPeers = 50
	// maxMagnetName is how much of a display name is kept: the longest file name on most file systems, bytes.
	maxMagnetName = 255
)

// ErrMagnet is wrapped by every error about a magnet link.
var ErrMagnet = errors.New("bad magnet link")

// Magnet is a checked magnet link (BEP 9).
type Magnet struct {
	Hash swarm.InfoHash
	// Name is for display until the torrent's own is known; cleaned, or "".
	Name string
	// Trackers are without duplicates, at most MaxTrackers. Where they lead is not checked.
	Trackers []string
	// Peers are the literal addresses among its x.pe parameters.
	Peers []netip.AddrPort
}

// ParseMagnet reads a magnet link with an info-hash of BitTorrent v1, in hexadecimal or base 32. Errors wrap ErrMagnet
// and say what is wrong.
func ParseMagnet(uri string) (Magnet, error) {
	if len(uri) > maxMagnet {
		return Magnet{}, fmt.Errorf("%w: it is longer than %d bytes", ErrMagnet, maxMagnet)
	}
	u, err := url.Parse(strings.TrimSpace(uri))
	if err != nil || u.Scheme != "magnet" {
		return Magnet{}, fmt.Errorf("%w: it does not start with magnet:?", ErrMagnet)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Magnet{}, fmt.Errorf("%w: %w", ErrMagnet, err)
	}
	var m Magnet
	if m.Hash, err = magnetHash(query["xt"]); err != nil {
		return Magnet{}, err
	}
	m.Name = displayName([]byte(query.Get("dn")), maxMagnetName)
	for _, tracker := range query["tr"] {
		m.Trackers = addTracker(m.Trackers, tracker)
	}
	for _, peer := range query["x.pe"] {
		addr, err := netip.ParseAddrPort(peer)
		if err != nil || len(m.Peers) == maxMagnetPeers {
			continue // a host name, most likely; trackers and the DHT know more peers
		}
		if addr = netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port()); dialable(addr) {
			m.Peers = append(m.Peers, addr)
		}
	}
	return m, nil
}

// magnetHash finds the info-hash among the exact topics of a link.
func magnetHash(topics []string) (swarm.InfoHash, error) {
	v2 := false
	for _, topic := range topics {
		// URNs are case-insensitive up to the hash, and so are both encodings.
		topic = strings.ToUpper(topic)
		if strings.HasPrefix(topic, "URN:BTMH:") {
			v2 = true
		}
		text, ok := strings.CutPrefix(topic, "URN:BTIH:")
		if !ok {
			continue
		}
		var raw []byte
		var err error
		switch len(text) {
		case hex.EncodedLen(metainfo.HashSize):
			raw, err = hex.DecodeString(text)
		case base32.StdEncoding.EncodedLen(metainfo.HashSize):
			raw, err = base32.StdEncoding.DecodeString(text)
		}
		if err != nil || len(raw) != metainfo.HashSize {
			return swarm.InfoHash{}, fmt.Errorf("%w: the info-hash %.80q is neither 40 hexadecimal nor 32 base 32 digits", ErrMagnet, text)
		}
		return swarm.InfoHash(raw), nil
	}
	if v2 {
		return swarm.InfoHash{}, fmt.Errorf("%w: it is for BitTorrent v2 only (xt=urn:btmh:…)", ErrMagnet)
	}
	return swarm.InfoHash{}, fmt.Errorf("%w: it has no BitTorrent info-hash (xt=urn:btih:…)", ErrMagnet)
}
