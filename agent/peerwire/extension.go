package peerwire

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"strings"

	"github.com/anacrolix/torrent/bencode"
	pp "github.com/anacrolix/torrent/peer_protocol"
)

// Names of the extensions (BEP 10) that ebb speaks.
const (
	ExtensionMetadata = pp.ExtensionNameMetadata    // BEP 9
	ExtensionPEX      = string(pp.ExtensionNamePex) // BEP 11
	ExtensionList     = "ebb_list"                  // list passing, see agent/discovery
	ExtensionDontHave = "lt_donthave"               // BEP 54
)

// ourExtensions gives each extension the number under which peers send it to us.
var ourExtensions = map[string]uint8{
	ExtensionMetadata: 1,
	ExtensionPEX:      2,
	ExtensionList:     3,
	ExtensionDontHave: 4,
}

// extensionNames is ourExtensions the other way round.
var extensionNames = func() map[uint8]string {
	names := make(map[uint8]string, len(ourExtensions))
	for name, number := range ourExtensions {
		names[number] = name
	}
	return names
}()

const (
	// maxExtensions is how many extensions of one peer are remembered; the busiest clients offer about ten.
	maxExtensions = 40
	// maxExtensionName is the longest name of one, bytes.
	maxExtensionName = 40
	// maxClientName is how much of a client's name is kept, bytes.
	maxClientName = 64
	// ourRequestQueue is how many requests a peer may have waiting here: as many as a Conn queues.
	ourRequestQueue = maxBlocks
)

// Extensions is what a peer says of itself in an extension handshake (BEP 10).
type Extensions struct {
	// M maps the names of extensions to the numbers that their owner wants them under; 0 switches one off.
	M map[string]uint8
	// V is the client's name and version, cleaned for display.
	V string
	// Reqq is how many requests the peer queues; 0 if it did not say.
	Reqq int
	// MetadataSize is the length of the info dictionary in bytes, 0 if the peer does not have it (BEP 9). It is
	// unchecked: see NewMetadataFetch.
	MetadataSize int64
	// Port is where the peer accepts connections (TCP), 0 if it did not say.
	Port uint16
	// UploadOnly says that the peer wants no pieces (BEP 21).
	UploadOnly bool
	// YourIP is the receiver's address as the sender sees it.
	YourIP netip.Addr
}

// parseExtensions reads the payload of an extension handshake. Fields that make no sense are left out, as clients
// differ a lot in what they put there; only what is not a dictionary at all is an error.
func parseExtensions(payload []byte) (*Extensions, error) {
	v, err := parseBencode(payload, messageNesting)
	if err != nil {
		return nil, fmt.Errorf("%w: extension handshake: %w", ErrProtocol, err)
	}
	var f [7]value
	if err := v.pick(f[:], "m", "v", "reqq", "metadata_size", "p", "upload_only", "yourip"); err != nil {
		return nil, fmt.Errorf("%w: extension handshake: %w", ErrProtocol, err)
	}
	e := &Extensions{M: make(map[string]uint8)}
	for key, item := range f[0].dict() {
		number, ok := item.integer()
		if ok && number >= 0 && number <= math.MaxUint8 && len(key) <= maxExtensionName && len(e.M) < maxExtensions {
			e.M[string(key)] = uint8(number)
		}
	}
	if name, ok := f[1].text(); ok {
		e.V = displayName(name, maxClientName)
	}
	if reqq, ok := f[2].integer(); ok && reqq > 0 {
		e.Reqq = int(min(reqq, math.MaxInt16))
	}
	if size, ok := f[3].integer(); ok && size > 0 {
		e.MetadataSize = size
	}
	if port, ok := f[4].integer(); ok && port > 0 && port <= math.MaxUint16 {
		e.Port = uint16(port)
	}
	if only, ok := f[5].integer(); ok {
		e.UploadOnly = only != 0
	}
	if raw, ok := f[6].text(); ok {
		if ip, ok := netip.AddrFromSlice(raw); ok {
			e.YourIP = ip.Unmap()
		}
	}
	return e, nil
}

// marshal returns the payload that says e.
func (e Extensions) marshal() ([]byte, error) {
	m := map[string]any{"m": e.M}
	if e.V != "" {
		m["v"] = e.V
	}
	if e.Reqq > 0 {
		m["reqq"] = e.Reqq
	}
	if e.MetadataSize > 0 {
		m["metadata_size"] = e.MetadataSize
	}
	if e.Port != 0 {
		m["p"] = e.Port
	}
	if e.UploadOnly {
		m["upload_only"] = 1
	}
	if e.YourIP.IsValid() {
		m["yourip"] = e.YourIP.AsSlice()
	}
	return bencode.Marshal(m)
}

// merge adds what a later handshake of the same peer says: BEP 10 lets it change single extensions and keep the others.
func (e *Extensions) merge(later *Extensions) {
	m := maps.Clone(e.M) // the old map may be in a caller's hands
	if m == nil {
		m = make(map[string]uint8, len(later.M))
	}
	for name, number := range later.M {
		if _, known := m[name]; known || len(m) < maxExtensions {
			m[name] = number
		}
	}
	e.M = m
	if later.V != "" {
		e.V = later.V
	}
	if later.Reqq != 0 {
		e.Reqq = later.Reqq
	}
	if later.MetadataSize != 0 {
		e.MetadataSize = later.MetadataSize
	}
	if later.Port != 0 {
		e.Port = later.Port
	}
	if later.YourIP.IsValid() {
		e.YourIP = later.YourIP
	}
	e.UploadOnly = later.UploadOnly
}

// displayName makes a name from outside printable, and cuts it after limit bytes.
func displayName(name []byte, limit int) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return -1 // controls, line breaks, and what reverses the text around it
		}
		return r
	}, strings.ToValidUTF8(string(name[:min(len(name), limit)]), ""))
	return strings.TrimSpace(clean)
}
