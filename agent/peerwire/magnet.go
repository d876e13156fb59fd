package peerwire

import (
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

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
	// mostCodings is how often a link may have been encoded: by who made it, by the page that shows it, and by the
	// program that passes it on.
	mostCodings = 3
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

// ParseMagnet reads a magnet link with an info-hash of BitTorrent v1, in hexadecimal or base 32, as such links are
// found: copied out of the source of a page, with a name that nobody encoded, or encoded once too often. Of what can be
// meant in one way only, that is taken. Errors wrap ErrMagnet and say what is wrong.
func ParseMagnet(link string) (Magnet, error) {
	if len(link) > maxMagnet {
		return Magnet{}, fmt.Errorf("%w: it is longer than %d bytes", ErrMagnet, maxMagnet)
	}
	text, ok := magnetParameters(link)
	if !ok {
		return Magnet{}, fmt.Errorf("%w: it does not start with magnet:?", ErrMagnet)
	}
	var m Magnet
	var topics []string
	named := false
	for _, p := range splitParameters(text) {
		switch p.key {
		case "xt":
			topics = append(topics, urlValue(p.value))
		case "dn":
			if !named {
				m.Name = displayName([]byte(strings.ToValidUTF8(unescape(strings.ReplaceAll(p.value, "+", " ")), "")), maxMagnetName)
				named = true
			}
		case "tr":
			m.Trackers = addTracker(m.Trackers, urlValue(p.value))
		case "x.pe":
			m.addPeer(urlValue(p.value))
		}
	}
	var err error
	m.Hash, err = magnetHash(topics)
	if err != nil {
		return Magnet{}, err
	}
	return m, nil
}

// addPeer takes a literal address. What is none is a host name, most likely; trackers and the DHT know more peers.
func (m *Magnet) addPeer(text string) {
	addr, err := netip.ParseAddrPort(text)
	if err != nil || len(m.Peers) == maxMagnetPeers {
		return
	}
	if addr = netip.AddrPortFrom(addr.Addr().Unmap().WithZone(""), addr.Port()); dialable(addr) {
		m.Peers = append(m.Peers, addr)
	}
}

// String writes the link anew, in the one way that every program reads.
func (m Magnet) String() string {
	var link strings.Builder
	link.WriteString("magnet:?xt=urn:btih:" + m.Hash.String())
	if m.Name != "" {
		link.WriteString("&dn=" + url.QueryEscape(m.Name))
	}
	for _, tracker := range m.Trackers {
		link.WriteString("&tr=" + url.QueryEscape(tracker))
	}
	for _, peer := range m.Peers {
		link.WriteString("&x.pe=" + url.QueryEscape(peer.String()))
	}
	return link.String()
}

var lineBreaks = strings.NewReplacer("\r", "", "\n", "", "\t", "")

// magnetParameters returns what follows magnet:? in a link; ok is false if it does not begin so. Line breaks and tabs
// in it count for nothing, as in every URL (WHATWG URL §4.4): mail programs wrap long links.
func magnetParameters(link string) (text string, ok bool) {
	link = strings.TrimSpace(lineBreaks.Replace(link))
	if hasPrefixFold(link, "magnet%3A") { // the value of another link
		link = unescape(link)
	}
	if !hasPrefixFold(link, "magnet:") {
		return "", false
	}
	link = link[len("magnet:"):]
	for range mostCodings {
		plain := unescapeHTML(link)
		if plain == link {
			break
		}
		link = plain
	}
	return strings.TrimLeft(link, "/?&"), true // programs that take it for a path write magnet://?
}

// unescapeHTML turns &amp; and the like into the characters that they stand for. Without a semicolon nothing is one:
// '&copy=' and '&lt=' are parameters.
func unescapeHTML(text string) string {
	var out strings.Builder
	for {
		begin := strings.IndexByte(text, '&')
		if begin < 0 {
			out.WriteString(text)
			return out.String()
		}
		out.WriteString(text[:begin])
		text = text[begin:]
		const longest = len("&thetasym;")
		length := strings.IndexByte(text[:min(len(text), longest)], ';') + 1
		if length > 0 {
			if plain := html.UnescapeString(text[:length]); utf8.RuneCountInString(plain) == 1 {
				out.WriteString(plain)
				text = text[length:]
				continue
			}
		}
		out.WriteByte('&')
		text = text[1:]
	}
}

// parameter is one of a link's. The key is in lower case, without what numbers it; the value is as it stands there.
type parameter struct{ key, value string }

// splitParameters cuts a link's parameters apart. An '&' begins a new one only if a key follows it; otherwise it is
// part of a name, as are ';' and '#'.
func splitParameters(text string) (list []parameter) {
	for part := range strings.SplitSeq(text, "&") {
		key, value, found := strings.Cut(part, "=")
		switch {
		case found && isKey(key):
			list = append(list, parameter{baseKey(key), value})
		case len(list) > 0 && part != "":
			list[len(list)-1].value += "&" + part
		}
	}
	return list
}

// isKey reports whether text can be the key of a parameter: xt, x.pe, tr.1, tr[].
func isKey(text string) bool {
	const longest = 32 // of any key in use it is 7
	return text != "" && len(text) <= longest && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-[]") == ""
}

// baseKey is the key without what numbers it: tr of tr.1 and tr[2].
func baseKey(key string) string {
	key = strings.ToLower(key)
	if base, _, found := strings.Cut(key, "["); found {
		return base
	}
	if end := strings.LastIndexByte(key, '.'); end > 0 && strings.Trim(key[end+1:], "0123456789") == "" {
		return key[:end]
	}
	return key
}

// urlValue decodes a value in which a '+' means itself: a URL, an URN or an address. It may have been encoded more than
// once; none of them holds a '%' before its ':' then.
func urlValue(value string) string {
	for range mostCodings {
		before, _, _ := strings.Cut(value, ":")
		if !strings.Contains(before, "%") {
			break
		}
		value = unescape(value)
	}
	return strings.TrimSpace(value)
}

// unescape decodes %XX, and leaves every other '%' as it is.
func unescape(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if raw, err := hex.DecodeString(text[i+1 : i+3]); err == nil {
				out = append(out, raw[0])
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return string(out)
}

// hasPrefixFold is strings.HasPrefix for an ASCII prefix in any case.
func hasPrefixFold(text, prefix string) bool {
	return len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix)
}

// magnetHash finds the info-hash among the exact topics of a link.
func magnetHash(topics []string) (swarm.InfoHash, error) {
	err := fmt.Errorf("%w: it has no BitTorrent info-hash (xt=urn:btih:…)", ErrMagnet)
	for _, topic := range topics {
		// URNs are case-insensitive up to the hash, and so are both encodings.
		topic = strings.ToUpper(topic)
		text, ok := strings.CutPrefix(topic, "URN:BTIH:")
		if !ok {
			if strings.HasPrefix(topic, "URN:BTMH:") {
				err = fmt.Errorf("%w: it is for BitTorrent v2 only (xt=urn:btmh:…)", ErrMagnet)
			}
			continue
		}
		h, ok := ParseBareHash(text)
		if ok {
			return h, nil
		}
		err = fmt.Errorf("%w: the info-hash %.80q is neither 40 hexadecimal nor 32 base 32 digits", ErrMagnet, text)
	}
	return swarm.InfoHash{}, err
}

// ParseBareHash reads an info-hash of BitTorrent v1 that stands alone: 40 hexadecimal or 32 base 32 digits, in any case.
func ParseBareHash(text string) (h swarm.InfoHash, ok bool) {
	var raw []byte
	var err error
	switch len(text) {
	case hex.EncodedLen(metainfo.HashSize):
		raw, err = hex.DecodeString(text)
	case base32.StdEncoding.EncodedLen(metainfo.HashSize):
		raw, err = base32.StdEncoding.DecodeString(strings.ToUpper(text))
	}
	if err != nil || len(raw) != metainfo.HashSize {
		return swarm.InfoHash{}, false
	}
	return swarm.InfoHash(raw), true
}
