package fragstore

import (
	"path/filepath"
	"strings"
	"testing"

	"ebb/agent/swarm"

	"pgregory.net/rapid"
)

func TestOnlyOurOwnNamesAreOurs(t *testing.T) {
	hash := hashOf("a").String()
	for _, name := range []string{"", "+1", "-1", "01", " 1", "1 ", "1.part", "0x1", "4294967296", "..", "1/2"} {
		if _, ok := parseIndex(name); ok {
			t.Errorf("%q passes as a piece index", name)
		}
	}
	for _, name := range []string{"", hash[1:], hash + "0", strings.ToUpper(hash), "g" + hash[1:], "../" + hash[3:]} {
		if _, ok := parseHash(name); ok {
			t.Errorf("%q passes as an info-hash", name)
		}
	}
	for _, name := range []string{"", "0", "000", "AB", "..", "in"} {
		if isPrefix(name) {
			t.Errorf("%q passes as a prefix", name)
		}
	}
	for _, name := range []string{hash, hash + "-", "-1", hash + "-01", hash + "-1-1", hash + "_1"} {
		if _, ok := parseIncoming(name); ok {
			t.Errorf("%q passes as an incoming fragment", name)
		}
	}
}

func TestNamesRoundTripAndStayInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := Key{swarm.InfoHash(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "hash")), rapid.Uint32().Draw(t, "index")}
		parts := strings.Split(fragmentPath(k), "/")
		if len(parts) != 3 || !filepath.IsLocal(fragmentPath(k)) || !filepath.IsLocal(incomingPath(k)) {
			t.Fatalf("path is %s, or %s", fragmentPath(k), incomingPath(k))
		}
		h, hashOK := parseHash(parts[1])
		index, indexOK := parseIndex(parts[2])
		if !isPrefix(parts[0]) || !hashOK || !indexOK || (Key{h, index}) != k {
			t.Fatalf("%s was read as %v", fragmentPath(k), Key{h, index})
		}
		if got, ok := parseIncoming(filepath.Base(incomingPath(k))); !ok || got != k {
			t.Fatalf("%s was read as %v", incomingPath(k), got)
		}
	})
}
