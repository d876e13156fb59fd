package fragstore

import (
	"encoding/hex"
	"path"
	"strconv"
	"strings"

	"ebb/agent/swarm"
)

// incomingDir holds the fragments that are being received. Its name cannot be that of a directory of fragments.
const incomingDir = "incoming"

// Names below the fragments directory. They are made of digits only, so they cannot lead anywhere else.

func prefixDir(h swarm.InfoHash) string { return hex.EncodeToString(h[:1]) }

func swarmDir(h swarm.InfoHash) string { return path.Join(prefixDir(h), h.String()) }

func indexName(index uint32) string { return strconv.FormatUint(uint64(index), 10) }

func fragmentPath(k Key) string { return path.Join(swarmDir(k.Hash), indexName(k.Index)) }

func incomingPath(k Key) string {
	return path.Join(incomingDir, k.Hash.String()+"-"+indexName(k.Index))
}

// The parsers accept exactly what the functions above produce: " 7", "+7", "07" and upper-case digits are foreign.

func parseIndex(name string) (uint32, bool) {
	n, err := strconv.ParseUint(name, 10, 32)
	return uint32(n), err == nil && indexName(uint32(n)) == name
}

func parseHash(name string) (h swarm.InfoHash, ok bool) {
	if len(name) != 2*len(h) {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(name))
	return h, err == nil && h.String() == name
}

func isPrefix(name string) bool {
	b, err := hex.DecodeString(name)
	return err == nil && len(b) == 1 && hex.EncodeToString(b) == name
}

func parseIncoming(name string) (Key, bool) {
	hash, index, found := strings.Cut(name, "-")
	h, hashOK := parseHash(hash)
	i, indexOK := parseIndex(index)
	return Key{h, i}, found && hashOK && indexOK
}
