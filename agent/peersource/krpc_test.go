package peersource

import (
	"fmt"
	"strings"
	"testing"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/anacrolix/torrent/bencode"
	"pgregory.net/rapid"
)

const (
	id20  = "20:abcdefghij0123456789"
	node  = "abcdefghij0123456789\x08\x08\x08\x08\x1a\xe1"
	node6 = "abcdefghij0123456789aaaaaaaaaaaaaaaa\x1a\xe1"
)

func TestQueriesOfOtherKindsAreKnownToBeQueries(t *testing.T) {
	for _, message := range []string{
		"d1:ad2:id" + id20 + "e1:q4:pong1:t2:aa1:y1:qe",
		"d1:ad2:id" + id20 + "5:token1:t1:v1:xe1:q3:put1:t2:aa1:y1:qe", // BEP 44
		"d1:q17:sample_infohashes1:t2:aa1:y1:qe",                       // BEP 51
	} {
		if got := checkKRPC([]byte(message)); got != krpcOther {
			t.Errorf("%q: kind %d", message, got)
		}
	}
}

// messages are what other programs send, in BEP 5's words and theirs.
var messages = map[string]messageKind{
	"d1:ad2:id" + id20 + "e1:q4:ping1:t2:aa1:y1:qe":                                                                                 krpcQuery,
	"d1:ad2:id" + id20 + "6:target" + id20 + "4:wantl2:n42:n6ee1:q9:find_node1:t2:aa1:v4:LT\x01\x021:y1:qe":                         krpcQuery,
	"d1:ad2:id" + id20 + "9:info_hash" + id20 + "6:noseedi0e6:scrapei1ee1:q9:get_peers2:roi1e1:t2:aa1:y1:qe":                        krpcQuery,
	"d1:ad2:id" + id20 + "12:implied_porti1e9:info_hash" + id20 + "4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe": krpcQuery,
	"d2:ip6:\x01\x02\x03\x04\x1a\xe11:rd2:id" + id20 + "e1:t2:aa1:y1:re":                                                            krpcReply,
	"d1:rd2:id" + id20 + "5:nodes52:" + node + node + "6:nodes638:" + node6 + "e1:t2:aa1:y1:re":                                     krpcReply,
	"d1:rd2:id" + id20 + "5:token8:aoeusnth6:valuesl6:axje.u18:aaaaaaaaaaaaaaaa\x1a\xe1ee1:t2:aa1:y1:re":                            krpcReply,
	"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee":                                                                           krpcReply,
}

func TestScreenPassesTheMessagesOfBEP5(t *testing.T) {
	for message, want := range messages {
		if got := checkKRPC([]byte(message)); got != want {
			t.Errorf("%q: kind %d, want %d", message, got, want)
		}
	}
}

func TestScreenDropsEverythingElse(t *testing.T) {
	deep := strings.Repeat("l", 100_000) + strings.Repeat("e", 100_000)
	for name, packet := range map[string]string{
		"nothing":                       "",
		"noise":                         "\x00\x01\x02",
		"a list":                        "le",
		"cut short":                     "d1:ad2:id" + id20 + "e1:q4:ping1:t2:aa1:y1:q",
		"more behind":                   "d1:ad2:id" + id20 + "e1:q4:ping1:t2:aa1:y1:qe!",
		"10^5 deep":                     "d1:x" + deep + "1:t2:aa1:y1:ee",
		"six deep":                      "d1:ad2:id" + id20 + "1:xlllleeeee1:q4:ping1:t2:aa1:y1:qe",
		"too long":                      "d1:ad2:id" + id20 + "e1:q4:ping1:t2:aa1:v2000:" + strings.Repeat("v", 2000) + "1:y1:qe",
		"no transaction":                "d1:ad2:id" + id20 + "e1:q4:ping1:y1:qe",
		"a long transaction":            "d1:ad2:id" + id20 + "e1:q4:ping1:t33:" + strings.Repeat("t", 33) + "1:y1:qe",
		"no kind":                       "d1:ad2:id" + id20 + "e1:q4:ping1:t2:aae",
		"an unknown kind":               "d1:ad2:id" + id20 + "e1:q4:ping1:t2:aa1:y1:xe",
		"a query without arguments":     "d1:q13:announce_peer1:t2:aa1:y1:qe",
		"a query without ID":            "d1:ade1:q4:ping1:t2:aa1:y1:qe",
		"a short ID":                    "d1:ad2:id3:abce1:q4:ping1:t2:aa1:y1:qe",
		"an address of one byte":        "d1:ad2:id" + id20 + "e2:ip1:x1:q4:ping1:t2:aa1:y1:qe",
		"a peer of no bytes":            "d1:rd2:id" + id20 + "6:valuesl0:ee1:t2:aa1:y1:re",
		"values that are a string":      "d1:rd2:id" + id20 + "6:values6:axje.ue1:t2:aa1:y1:re",
		"half a node":                   "d1:rd2:id" + id20 + "5:nodes13:abcdefghij012e1:t2:aa1:y1:re",
		"a response without ID":         "d1:rd5:nodes0:e1:t2:aa1:y1:re",
		"a response without dictionary": "d1:t2:aa1:y1:re",
		"an error without words":        "d1:t2:aa1:y1:ee",
		"a port beyond 65535":           "d1:ad2:id" + id20 + "4:porti65536ee1:q4:ping1:t2:aa1:y1:qe",
		"a negative port":               "d1:ad2:id" + id20 + "4:porti-1ee1:q4:ping1:t2:aa1:y1:qe",
		"a huge token":                  "d1:rd2:id" + id20 + "5:token100:" + strings.Repeat("t", 100) + "e1:t2:aa1:y1:re",
		"a leading zero":                "d1:ad2:id" + id20 + "4:porti01ee1:q4:ping1:t2:aa1:y1:qe",
		"a negative length":             "d1:ad2:id-1:e1:q4:ping1:t2:aa1:y1:qe",
		"a number of 10^3 digits":       "d1:xi" + strings.Repeat("9", 1000) + "e1:ad2:id" + id20 + "e1:q4:ping1:t2:aa1:y1:qe",
	} {
		if got := checkKRPC([]byte(packet)); got != notKRPC {
			t.Errorf("%s: passed, as kind %d", name, got)
		}
	}
}

// FuzzScreen: whatever passes, the library can decode, without panic and without an error that it would print.
func FuzzScreen(f *testing.F) {
	for message := range messages {
		f.Add([]byte(message))
	}
	f.Add([]byte("d1:eli201ee1:t2:aa1:y1:ee"))
	f.Add([]byte("d1:e0:2:roi1e1:t2:aa1:y1:ee"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		kind := checkKRPC(packet)
		if kind == notKRPC || kind == krpcOther {
			return
		}
		var m krpc.Msg
		if err := bencode.Unmarshal(packet, &m); err != nil {
			t.Fatalf("passed %q, but: %v", packet, err)
		}
		if m.Y != "e" && m.SenderID() == nil {
			t.Errorf("passed %q without a sender", packet)
		}
		if kind == krpcQuery && m.A == nil {
			t.Errorf("passed %q without arguments", packet)
		}
	})
}

// TestWhateverPassesTheScreenTheLibraryDecodes is FuzzScreen with messages made of the right keys and the wrong values.
func TestWhateverPassesTheScreenTheLibraryDecodes(t *testing.T) {
	passed := 0
	rapid.Check(t, func(t *rapid.T) {
		packet := genDict(t, "top", 2)
		if kind := checkKRPC([]byte(packet)); kind == notKRPC || kind == krpcOther {
			return
		}
		passed++
		var m krpc.Msg
		if err := bencode.Unmarshal([]byte(packet), &m); err != nil {
			t.Fatalf("passed %q, but: %v", packet, err)
		}
		if m.Y != "e" && m.SenderID() == nil {
			t.Fatalf("passed %q without a sender", packet)
		}
	})
	if passed == 0 {
		t.Error("nothing passed: the test tests nothing")
	}
}

var (
	topKeys = []string{"t", "y", "q", "a", "r", "e", "ip", "ro", "v", "x"}
	subKeys = []string{"id", "info_hash", "target", "token", "port", "implied_port", "want", "noseed", "scrape", "v", "seq",
		"cas", "k", "salt", "sig", "nodes", "nodes6", "values", "BFsd", "BFpe", "interval", "num", "samples", "x"}
	lengths = []int{0, 1, 2, 5, 6, 18, 20, 26, 38, 52, 76}
)

// genDict draws a dictionary whose fields are right more often than not.
func genDict(t *rapid.T, name string, depth int) string {
	var b strings.Builder
	b.WriteByte('d')
	keys := topKeys
	if name == "sub" {
		keys = subKeys
		b.WriteString("2:id" + id20)
	} else {
		b.WriteString("1:t2:aa1:y1:" + rapid.SampledFrom([]string{"q", "r", "e"}).Draw(t, "y"))
		b.WriteString("1:q4:ping1:ad2:id" + id20 + "e1:rd2:id" + id20 + "e1:eli1e1:xe")
	}
	for range rapid.IntRange(0, 3).Draw(t, "fields") {
		key := rapid.SampledFrom(keys).Draw(t, "key")
		fmt.Fprintf(&b, "%d:%s", len(key), key)
		if name == "top" && (key == "a" || key == "r") && rapid.Bool().Draw(t, "dict") {
			b.WriteString(genDict(t, "sub", depth-1))
			continue
		}
		b.WriteString(genValue(t, depth))
	}
	b.WriteByte('e')
	return b.String()
}

func genValue(t *rapid.T, depth int) string {
	kinds := []string{"string", "string", "int"}
	if depth > 0 {
		kinds = append(kinds, "list", "dict")
	}
	switch rapid.SampledFrom(kinds).Draw(t, "kind") {
	case "int":
		return fmt.Sprintf("i%de", rapid.SampledFrom([]int64{-1, 0, 1, 2, 65535, 65536, 1 << 40, -1 << 63}).Draw(t, "int"))
	case "list":
		return "l" + strings.Join(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return genValue(t, depth-1)
		}), 0, 3).Draw(t, "list"), "") + "e"
	case "dict":
		return genDict(t, "sub", depth-1)
	}
	n := rapid.SampledFrom(lengths).Draw(t, "length")
	return fmt.Sprintf("%d:%s", n, strings.Repeat("s", n))
}
