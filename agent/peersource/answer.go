package peersource

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// The answers of HTTP trackers (BEP 3, 7, 23, 31) are read in place, and as leniently as they are written out there:
// keys in any order, numbers as text or with a fraction, peers in all of their forms, whatever before and behind.

const (
	// maxAnswerDepth: a dictionary of lists of dictionaries, and as much again for keys that we do not know.
	maxAnswerDepth = 6
	// maxNumeral is the longest number read, in characters: 2⁶⁴ has 20.
	maxNumeral = 32
	// maxSilence is the longest that a tracker may tell us to stay away for, in minutes: a week.
	maxSilence = 7 * 24 * 60
)

var errAnswer = errors.New("the answer is not a bencoded dictionary, or too deep")

// parseHTTP decodes and checks a tracker's answer.
func parseHTTP(guard Guard, body []byte) (AnnounceResponse, error) {
	resp := AnnounceResponse{Seeds: -1, Leechers: -1}
	var reason string
	var retry int64
	var peers []netip.AddrPort
	var bad error
	body = bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), " \t\r\n")
	_, ok := eachLooseKey(body, maxAnswerDepth, func(key string, value []byte) bool {
		number := func(take func(int64)) {
			if n, ok := looseInt(value); ok {
				take(n)
			} else {
				bad = errors.New("decode the answer: " + key + " is not a number")
			}
		}
		switch key {
		case "failure reason":
			reason = looseText(value)
		case "warning message":
			resp.Warning = oneLine(looseText(value))
		case "retry in":
			retry, _ = looseInt(value)
			if looseText(value) == "never" {
				retry = maxSilence
			}
		case "interval":
			number(func(n int64) { resp.Interval = seconds(n) })
		case "min interval":
			number(func(n int64) { resp.MinInterval = seconds(n) })
		case "complete":
			number(func(n int64) { resp.Seeds = count(n) })
		case "incomplete":
			number(func(n int64) { resp.Leechers = count(n) })
		case "peers", "peers6":
			size := 6
			if key == "peers6" {
				size = 18
			}
			var ok bool
			if peers, ok = appendPeers(peers, value, size); !ok {
				bad = errors.New("decode the answer: " + key + " are not peers")
			}
		}
		return true
	})
	switch {
	case !ok:
		return AnnounceResponse{}, errAnswer
	case reason != "":
		no := refusal(reason)
		no.RetryIn = seconds(60 * min(max(retry, 0), maxSilence))
		return AnnounceResponse{}, no
	case bad != nil:
		return AnnounceResponse{}, bad
	}
	resp.Peers = usable(guard, peers)
	return resp, nil
}

// appendPeers reads peers in any of their forms: compact, of size bytes each; a list of such strings; a list of
// dictionaries. What is no peer in a list is passed over. It reports whether the value had one of these forms.
func appendPeers(peers []netip.AddrPort, value []byte, size int) ([]netip.AddrPort, bool) {
	if s, _, ok := looseString(value); ok {
		return appendCompact(peers, s, size), len(s) == 0 || len(s) >= size
	}
	if value[0] == 'd' { // a PHP array whose keys have gaps
		_, ok := eachLooseKey(value, maxAnswerDepth, func(_ string, peer []byte) bool {
			peers = appendPeer(peers, peer)
			return len(peers) < maxHeard
		})
		return peers, ok || len(peers) == maxHeard
	}
	if value[0] != 'l' {
		return peers, false
	}
	for rest := value[1:]; rest[0] != 'e' && len(peers) < maxHeard; {
		after, _ := cutLoose(rest, maxAnswerDepth) // it was cut before, and is well-formed
		peers = appendPeer(peers, rest[:len(rest)-len(after)])
		rest = after
	}
	return peers, true
}

// maxHeard bounds the peers read of one answer; of these the first maxPeers that are of use are kept.
const maxHeard = 4 * maxPeers

// appendPeer adds the peer of one item of a list, if it is one: a compact address, or a dictionary of ip and port.
func appendPeer(peers []netip.AddrPort, item []byte) []netip.AddrPort {
	if s, _, ok := looseString(item); ok {
		if len(s) == 6 || len(s) == 18 {
			return appendCompact(peers, s, len(s))
		}
		return peers
	}
	var addr netip.Addr
	var port int64
	eachLooseKey(item, maxAnswerDepth, func(key string, value []byte) bool {
		switch key {
		case "ip":
			if text := looseText(value); len(text) <= 50 { // names are not looked up: a stranger's word is not worth that
				addr, _ = netip.ParseAddr(strings.Trim(text, "[]"))
			}
		case "port":
			port, _ = looseInt(value)
		}
		return true
	})
	if !addr.IsValid() || port < 1 || port > math.MaxUint16 {
		return peers
	}
	return append(peers, netip.AddrPortFrom(addr.WithZone(""), uint16(port)))
}

// appendCompact adds peers of 6 or 18 bytes each (BEP 23, 7), at most maxHeard in all.
func appendCompact(peers []netip.AddrPort, b []byte, size int) []netip.AddrPort {
	for ; len(b) >= size && len(peers) < maxHeard; b = b[size:] {
		addr, _ := netip.AddrFromSlice(b[:size-2])
		peers = append(peers, netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[size-2:])))
	}
	return peers
}

// eachLooseKey is eachKey for dictionaries whose keys, at any depth, come in any order.
func eachLooseKey(b []byte, depth int, take func(key string, value []byte) bool) (rest []byte, ok bool) {
	if depth == 0 || len(b) == 0 || b[0] != 'd' {
		return nil, false
	}
	b = b[1:]
	for len(b) > 0 && b[0] != 'e' {
		key, value, ok := looseString(b)
		if !ok {
			return nil, false
		}
		rest, ok := cutLoose(value, depth-1)
		if !ok || !take(string(key), value[:len(value)-len(rest)]) {
			return nil, false
		}
		b = rest
	}
	if len(b) == 0 {
		return nil, false
	}
	return b[1:], true
}

// cutLoose cuts one value, at most depth levels deep, from the front of b.
func cutLoose(b []byte, depth int) (rest []byte, ok bool) {
	if len(b) == 0 {
		return nil, false
	}
	switch b[0] {
	case 'i':
		end := bytes.IndexByte(b[:min(len(b), maxNumeral+2)], 'e')
		if end < 2 {
			return nil, false
		}
		return b[end+1:], true
	case 'd':
		return eachLooseKey(b, depth, func(string, []byte) bool { return true })
	case 'l':
		if depth == 0 {
			return nil, false
		}
		b = b[1:]
		for len(b) > 0 && b[0] != 'e' {
			if b, ok = cutLoose(b, depth-1); !ok {
				return nil, false
			}
		}
		if len(b) == 0 {
			return nil, false
		}
		return b[1:], true
	}
	_, rest, ok = looseString(b)
	return rest, ok
}

// looseString cuts a string from the front of b; its length may have leading zeros.
func looseString(b []byte) (s, rest []byte, ok bool) {
	colon := bytes.IndexByte(b[:min(len(b), 8)], ':') // nothing read here is 10⁷ bytes long
	if colon < 1 {
		return nil, nil, false
	}
	n, err := strconv.ParseUint(string(b[:colon]), 10, 31)
	b = b[colon+1:]
	if err != nil || n > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:n:n], b[n:], true
}

// looseText is a value that is a string, and else "".
func looseText(value []byte) string {
	s, _, _ := looseString(value)
	return string(s)
}

// looseInt reads a number, or a text that is one: fractions are cut off, and what no int64 holds is the nearest that
// it does. An empty text, or none at all, is 0.
func looseInt(value []byte) (n int64, ok bool) {
	text := ""
	if value[0] == 'i' {
		text = string(value[1 : len(value)-1])
	} else if s, _, ok := looseString(value); ok && len(s) <= maxNumeral {
		text = string(bytes.TrimSpace(s))
	} else {
		return 0, false
	}
	if text == "" {
		return 0, true
	}
	whole, _, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64) // saturates
	if errors.Is(err, strconv.ErrRange) {
		return n, true
	}
	if err != nil {
		if f, bad := strconv.ParseFloat(text, 64); bad == nil && f == f {
			return int64(min(max(f, -1), math.MaxInt32)), true
		}
		return 0, false
	}
	return n, true
}
