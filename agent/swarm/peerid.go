package swarm

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// PeerID is a peer's 20-byte ID (BEP 3, BEP 20). The zero PeerID says that it is not known.
type PeerID [20]byte

// String returns the ID as 40 hexadecimal digits.
func (id PeerID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText implements encoding.TextMarshaler: as String.
func (id PeerID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. The empty text is the zero PeerID. After an error id is as it was.
func (id *PeerID) UnmarshalText(text []byte) error {
	var read PeerID
	if err := unmarshalHex(read[:], text); err != nil {
		return fmt.Errorf("peer ID: %w", err)
	}
	*id = read
	return nil
}

// unmarshalHex reads as many bytes as there are in to, or none.
func unmarshalHex(to, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	if len(text) != hex.EncodedLen(len(to)) {
		return fmt.Errorf("%d hexadecimal digits expected, not %d", hex.EncodedLen(len(to)), len(text))
	}
	_, err := hex.Decode(to, text)
	return err
}

// Client is what a peer ID tells of its program, for peers that do not name it: the name and version of BEP 20, such as
// "Transmission 3.0.0", or the digits that stand there, if they are printable, or all of it in hexadecimal. It is empty
// for the zero PeerID.
func (id PeerID) Client() string {
	if id == (PeerID{}) {
		return ""
	}
	const end = len("-TR3000-")
	if id[0] != '-' || id[end-1] != '-' || !printable(id[1:end-1]) {
		if n := len("M7-10-1-"); printable(id[:n]) {
			return string(id[:n])
		}
		return id.String()
	}
	name, known := clients[string(id[1:3])]
	if !known {
		return string(id[:end])
	}
	return name + " " + strings.Join(strings.Split(string(id[3:6]), ""), ".")
}

// clients are the programs that owners meet most, by their two letters.
var clients = map[string]string{
	"A2": "aria2", "AZ": "Vuze", "BC": "BitComet", "BI": "BiglyBT", "DE": "Deluge", "EB": "ebb", "FD": "Free Download Manager",
	"KT": "KTorrent", "LT": "libtorrent", "lt": "libTorrent (rTorrent)", "qB": "qBittorrent", "RN": "Rain", "TR": "Transmission",
	"TX": "Tixati", "UT": "µTorrent", "WW": "WebTorrent", "BT": "BitTorrent",
}

func printable(text []byte) bool {
	for _, c := range text {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
