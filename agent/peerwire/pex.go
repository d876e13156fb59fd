package peerwire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/anacrolix/torrent/bencode"
)

// maxPEX is how many added, and how many dropped, peers of one ut_pex message are used; BEP 11 lets a peer send no more
// than this after its first message.
const maxPEX = 50

// ParsePEX reads the payload of a ut_pex message (BEP 11): the peers that the sender has connected to and disconnected
// from since its last message, at most 50 of each. Addresses that nobody can listen on are left out; whether an address
// may be dialled is not decided here.
func ParsePEX(payload []byte) (added, dropped []netip.AddrPort, err error) {
	v, err := parseBencode(payload, messageNesting)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: ut_pex: %w", ErrProtocol, err)
	}
	var f [4]value
	if err := v.pick(f[:], "added", "added6", "dropped", "dropped6"); err != nil {
		return nil, nil, fmt.Errorf("%w: ut_pex: %w", ErrProtocol, err)
	}
	for i, group := range []struct {
		list *[]netip.AddrPort
		size int // bytes per address
	}{{&added, 4}, {&added, 16}, {&dropped, 4}, {&dropped, 16}} {
		if f[i] == nil {
			continue
		}
		compact, ok := f[i].text()
		if !ok || len(compact)%(group.size+2) != 0 {
			return nil, nil, protocolError("ut_pex: bad list of addresses")
		}
		*group.list = appendCompact(*group.list, compact, group.size)
	}
	return added, dropped, nil
}

// appendCompact appends the usable ones among compact addresses (BEP 23, BEP 7), each size bytes and a port, until list
// holds maxPEX.
func appendCompact(list []netip.AddrPort, compact []byte, size int) []netip.AddrPort {
	for ; len(compact) > 0 && len(list) < maxPEX; compact = compact[size+2:] {
		ip, _ := netip.AddrFromSlice(compact[:size])
		addr := netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(compact[size:]))
		if dialable(addr) && !slices.Contains(list, addr) {
			list = append(list, addr)
		}
	}
	return list
}

// dialable reports whether a TCP peer can be at addr at all.
func dialable(addr netip.AddrPort) bool {
	ip := addr.Addr()
	return ip.IsValid() && addr.Port() != 0 && !ip.IsUnspecified() && !ip.IsMulticast() &&
		ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// MarshalPEX returns the payload of a ut_pex message (BEP 11) with the first 50 added and the first 50 dropped peers.
func MarshalPEX(added, dropped []netip.AddrPort) []byte {
	var m struct {
		Added   []byte `bencode:"added"`
		Flags   []byte `bencode:"added.f"`
		Added6  []byte `bencode:"added6"`
		Flags6  []byte `bencode:"added6.f"`
		Dropped []byte `bencode:"dropped"`
		Drop6   []byte `bencode:"dropped6"`
	}
	m.Added, m.Added6 = compactAddresses(added)
	m.Dropped, m.Drop6 = compactAddresses(dropped)
	m.Flags = make([]byte, len(m.Added)/6) // one byte per address, nothing claimed
	m.Flags6 = make([]byte, len(m.Added6)/18)
	return bencode.MustMarshal(m)
}

// compactAddresses encodes the first maxPEX addresses by family.
func compactAddresses(list []netip.AddrPort) (v4, v6 []byte) {
	for _, addr := range list[:min(len(list), maxPEX)] {
		switch ip := addr.Addr().Unmap(); {
		case ip.Is4():
			v4 = binary.BigEndian.AppendUint16(append(v4, ip.AsSlice()...), addr.Port())
		case ip.Is6():
			v6 = binary.BigEndian.AppendUint16(append(v6, ip.AsSlice()...), addr.Port())
		}
	}
	return v4, v6
}

// PEXNews is what to tell a peer of addresses (BEP 11): those that are there now and it has not been told of, without
// its own, and those that it was told of and are gone.
func PEXNews(told, now map[netip.AddrPort]struct{}, own netip.AddrPort) (added, dropped []netip.AddrPort) {
	for a := range now {
		if _, known := told[a]; !known && a != own {
			added = append(added, a)
		}
	}
	for a := range told {
		if _, still := now[a]; !still {
			dropped = append(dropped, a)
		}
	}
	return added, dropped
}
