package discovery

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/anacrolix/torrent/bencode"

	"ebb/agent/peersource"
	"ebb/agent/swarm"
)

// strict is the check that the agent uses for the trackers of strangers.
var strict = peersource.Guard{}.CheckURL

// hash makes an info-hash that is easy to tell from others.
func hash(n int) swarm.InfoHash { return swarm.HashInfo(fmt.Append(nil, "swarm ", n)) }

// listed is an entry for a swarm that the lister is in.
func listed(n int) Entry {
	return Entry{
		Hash: hash(n), Name: fmt.Sprintf("swarm %d", n),
		Length: 48 << 20, PieceLength: 1 << 20, Pieces: 48, Fragments: 40,
		Copies: 2, Seeds: 1, Leechers: 3, TTL: MaxTTL,
		Trackers: []string{"http://tracker.example.org/announce"},
		Tags:     []string{"films"},
	}
}

// dict is a bencoded dictionary in the making.
type dict map[string]any

// rawEntry is a good entry, with some fields changed; nil removes one.
func rawEntry(change dict) dict {
	e := dict{
		"h": string(bytes.Repeat([]byte{7}, 20)), "n": "a film", "l": 48 << 20, "pl": 1 << 20, "np": 48, "f": 40,
		"c": 2, "sd": 1, "lc": 3, "ttl": 4, "tr": []string{"udp://tracker.example.org:6969"}, "tg": []string{"films"},
	}
	maps.Copy(e, change)
	maps.DeleteFunc(e, func(_ string, v any) bool { return v == nil })
	return e
}

func rawList(entries ...any) []byte {
	return bencode.MustMarshal(dict{"t": 1, "s": entries})
}

func TestMessagesSurviveTheWire(t *testing.T) {
	unknown := listed(2)
	unknown.Copies, unknown.Seeds, unknown.Leechers, unknown.Trackers, unknown.Tags = swarm.Unknown, swarm.Unknown, swarm.Unknown, nil, nil
	none := listed(3)
	none.Copies, none.Seeds, none.Leechers, none.Fragments, none.TTL = 0, 0, 0, 0, 0
	for _, m := range []Message{
		{Type: TypeRequest, Want: 17},
		{Type: TypeList},
		{Type: TypeList, Entries: []Entry{listed(1), unknown, none}},
		{Type: TypeRefuse, Reason: "come back later"},
	} {
		got, err := Parse(m.Marshal(), strict)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("sent %+v, got %+v", m, got)
		}
	}
}

func TestMessagesHaveTheDocumentedForm(t *testing.T) {
	e := listed(1)
	e.Hash = swarm.InfoHash([]byte("ABCDEFGHIJKLMNOPQRST"))
	e.Trackers, e.Tags = []string{"http://t.example/a"}, []string{"x"}
	for _, c := range []struct {
		m    Message
		want string
	}{
		{Message{Type: TypeRequest, Want: 200}, "d1:ni200e1:ti0ee"},
		{Message{Type: TypeRefuse, Reason: "no"}, "d1:e2:no1:ti2ee"},
		{Message{Type: TypeList}, "d1:sle1:ti1ee"},
		{
			Message{Type: TypeList, Entries: []Entry{e}},
			"d1:sld1:ci2e1:fi40e1:h20:ABCDEFGHIJKLMNOPQRST1:li50331648e2:lci3e1:n7:swarm 12:npi48e2:pli1048576e" +
				"2:sdi1e2:tgl1:xe2:trl18:http://t.example/ae3:ttli4eee1:ti1ee",
		},
	} {
		if got := string(c.m.Marshal()); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestListIsCutToItsLimits(t *testing.T) {
	var many, long Message
	many.Type, long.Type = TypeList, TypeList
	for i := range MaxEntries + 50 {
		e := listed(i)
		many.Entries = append(many.Entries, e)
		e.Name = strings.Repeat("n", 600)
		long.Entries = append(long.Entries, e)
	}
	for name, m := range map[string]Message{"many": many, "long": long} {
		raw := m.Marshal()
		got, err := Parse(raw, strict)
		if err != nil || len(raw) > MaxMessage || len(got.Entries) > MaxEntries || got.Dropped > 0 {
			t.Fatalf("%s: %d bytes, %d entries, %d dropped, err %v", name, len(raw), len(got.Entries), got.Dropped, err)
		}
		if len(got.Entries) < 70 || got.Entries[0].Hash != hash(0) {
			t.Errorf("%s: kept %d entries; the first ones should stay", name, len(got.Entries))
		}
	}
}

func TestParseRefusesWholeMessages(t *testing.T) {
	tooMany := make([]any, MaxEntries+1)
	for i := range tooMany {
		tooMany[i] = dict{}
	}
	for name, c := range map[string]struct {
		raw  []byte
		want string // in the error
	}{
		"nothing":                {nil, "malformed"},
		"not bencoding":          {[]byte("hello"), "malformed"},
		"cut short":              {[]byte("d1:ti1e1:sld1:h20:abc"), "malformed"},
		"something after it":     {[]byte("d1:ni1e1:ti0eed1:ti0ee"), "after the value"},
		"string beyond the end":  {[]byte("d1:ti0e1:x99999999:e"), "longer than the data"},
		"string of 2^63 bytes":   {[]byte("d1:x9223372036854775808:e"), "malformed"},
		"negative string length": {[]byte("d1:x-1:e"), "malformed"},
		"a list":                 {[]byte("l1:ti0ee"), ""},
		"an integer":             {[]byte("i1e"), ""},
		"no type":                {[]byte("d1:ni5ee"), "t: missing"},
		"type of a wrong type":   {[]byte("d1:t1:0e"), ""},
		"unknown type":           {[]byte("d1:ti3ee"), "unknown type 3"},
		"negative type":          {[]byte("d1:ti-1ee"), "unknown type -1"},
		"type of 2^64":           {[]byte("d1:ti18446744073709551616ee"), ""},
		"wants nothing":          {[]byte("d1:ni0e1:ti0ee"), "n: 0"},
		"wants less":             {[]byte("d1:ni-5e1:ti0ee"), "n: -5"},
		"wants a string":         {[]byte("d1:n2:101:ti0ee"), ""},
		"wants it not said":      {[]byte("d1:ti0ee"), "n: 0"},
		"entries not a list":     {[]byte("d1:si5e1:ti1ee"), ""},
		"entries in a string":    {[]byte("d1:s4:abcd1:ti1ee"), ""},
		"entries in a dict":      {[]byte("d1:sd1:hi1ee1:ti1ee"), ""},
		"reason not a string":    {[]byte("d1:ei5e1:ti2ee"), ""},
		"201 entries":            {rawList(tooMany...), "201 entries"},
	} {
		m, err := Parse(c.raw, strict)
		if err == nil {
			t.Errorf("%s: parsed as %+v", name, m)
			continue
		}
		if !strings.HasPrefix(err.Error(), "list message: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %q does not say %q", name, err, c.want)
		}
		if !reflect.DeepEqual(m, Message{}) {
			t.Errorf("%s: something is left of a refused message: %+v", name, m)
		}
	}
}

func TestParseRefusesNestingOf100000(t *testing.T) {
	const deep = 100_000
	// As deep as fits a message, and as deep as the issue asks.
	for _, n := range []int{maxDepth + 1, MaxMessage/2 - 20, deep} {
		for name, raw := range map[string]string{
			"lists":         "d1:s" + strings.Repeat("l", n) + strings.Repeat("e", n) + "1:ti1ee",
			"dictionaries":  "d1:s" + strings.Repeat("d0:", n/2) + strings.Repeat("e", n/2) + "1:ti1ee",
			"unknown key":   "d1:ti1e1:x" + strings.Repeat("l", n) + strings.Repeat("e", n) + "e",
			"never closed":  "d1:s" + strings.Repeat("l", n),
			"only openings": strings.Repeat("l", n),
		} {
			if _, err := Parse([]byte(raw), strict); err == nil {
				t.Errorf("%s, %d deep: accepted", name, n)
			}
		}
	}
}

func TestParseRefusesAMillionEntries(t *testing.T) {
	for name, raw := range map[string][]byte{
		"whole":              []byte("d1:sl" + strings.Repeat("de", 1_000_000) + "e1:ti1ee"),
		"as many as fit":     []byte("d1:sl" + strings.Repeat("de", 30_000) + "e1:ti1ee"),
		"empty strings":      []byte("d1:sl" + strings.Repeat("0:", 30_000) + "e1:ti1ee"),
		"a million integers": []byte("d1:sl" + strings.Repeat("i0e", 1_000_000) + "e1:ti1ee"),
	} {
		if _, err := Parse(raw, strict); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseRefusesMoreThan64KiB(t *testing.T) {
	pad := func(total int) []byte {
		head, tail := "d1:sle1:ti1e1:z", "e"
		n := total - len(head) - len(tail) - len("00000:")
		return fmt.Appendf(nil, "%s%05d:%s%s", head, n, strings.Repeat("z", n), tail)
	}
	if _, err := Parse(pad(MaxMessage), strict); err != nil {
		t.Errorf("a message of 64 KiB: %v", err)
	}
	if _, err := Parse(pad(MaxMessage+1), strict); err == nil || !strings.Contains(err.Error(), "65537 bytes") {
		t.Errorf("a message of 64 KiB and a byte: %v", err)
	}
}

func TestParseDropsImpossibleEntriesAndKeepsTheOthers(t *testing.T) {
	long := string(bytes.Repeat([]byte{7}, 21))
	for name, c := range map[string]struct {
		entry any
		want  string // in DropReason
	}{
		"not a dictionary":              {"entry", ""},
		"a number":                      {5, ""},
		"an empty dictionary":           {dict{}, "h: 0 bytes"},
		"no hash":                       {rawEntry(dict{"h": nil}), "h: 0 bytes"},
		"hash of 19 bytes":              {rawEntry(dict{"h": long[:19]}), "h: 19 bytes, not 20"},
		"hash of 21 bytes":              {rawEntry(dict{"h": long}), "h: 21 bytes, not 20"},
		"hash in hex":                   {rawEntry(dict{"h": strings.Repeat("07", 20)}), "h: 40 bytes, not 20"},
		"hash of zeros":                 {rawEntry(dict{"h": string(make([]byte, 20))}), "h: all zero"},
		"hash a number":                 {rawEntry(dict{"h": 5}), `"h"`},
		"hash a dictionary":             {rawEntry(dict{"h": dict{"h": 1}}), ""},
		"name a number":                 {rawEntry(dict{"n": 5}), `"n"`},
		"length a string":               {rawEntry(dict{"l": "50331648"}), `"l"`},
		"length a list":                 {rawEntry(dict{"l": []int{1, 2}}), `"l"`},
		"no length":                     {rawEntry(dict{"l": nil}), "l: 0"},
		"length 0":                      {rawEntry(dict{"l": 0}), "l: 0"},
		"length negative":               {rawEntry(dict{"l": -1}), "l: -1"},
		"length above 2^50":             {rawEntry(dict{"l": int64(1)<<50 + 1, "pl": 64 << 20, "np": 1 << 20}), "l: 1125899906842625"},
		"length 2^63":                   {rawEntry(dict{"l": uint64(1) << 63}), ""},
		"no piece length":               {rawEntry(dict{"pl": nil}), "pl: 0"},
		"piece length below 16 KiB":     {rawEntry(dict{"l": 1, "np": 1, "pl": 16<<10 - 1}), "pl: 16383"},
		"piece length above 64 MiB":     {rawEntry(dict{"np": 1, "pl": 64<<20 + 1}), "pl: 67108865"},
		"piece length negative":         {rawEntry(dict{"pl": -(1 << 20)}), "pl: -1048576"},
		"no pieces":                     {rawEntry(dict{"np": nil, "f": 0}), "np: 0"},
		"pieces negative":               {rawEntry(dict{"np": -48, "f": 0}), "np: -48"},
		"one piece too few":             {rawEntry(dict{"np": 47}), "make 48 pieces, not 47"},
		"one piece too many":            {rawEntry(dict{"np": 49}), "make 48 pieces, not 49"},
		"a byte more than pieces":       {rawEntry(dict{"l": 48<<20 + 1}), "make 49 pieces, not 48"},
		"2^32 pieces and 48":            {rawEntry(dict{"np": int64(1)<<32 + 48}), "np: "},
		"over a million pieces":         {rawEntry(dict{"l": int64(1) << 40, "pl": 512 << 10, "np": 2 << 20}), "np: 2097152"},
		"more fragments than pieces":    {rawEntry(dict{"f": 49}), "f: 49"},
		"fragments negative":            {rawEntry(dict{"f": -1}), "f: -1"},
		"copies -1":                     {rawEntry(dict{"c": -1}), "c: -2"},
		"seeds negative":                {rawEntry(dict{"sd": -100}), "sd: "},
		"leechers absurd":               {rawEntry(dict{"lc": int64(1) << 40}), "lc: "},
		"copies a list":                 {rawEntry(dict{"c": []string{"a", "b"}}), `"c"`},
		"ttl 5":                         {rawEntry(dict{"ttl": 5}), "ttl: 5 is not in 0 to 4"},
		"ttl of 2^32":                   {rawEntry(dict{"ttl": int64(1) << 32}), "ttl: "},
		"ttl negative":                  {rawEntry(dict{"ttl": -1}), "ttl: -1"},
		"trackers not strings":          {rawEntry(dict{"tr": []int{1, 2}}), `"tr"`},
		"trackers a dictionary":         {rawEntry(dict{"tr": dict{"a": "b"}}), `"tr"`},
		"tags not strings":              {rawEntry(dict{"tg": []dict{{}}}), `"tg"`},
		"listed twice":                  {rawEntry(dict{"h": strings.Repeat("G", 20)}), "listed twice"},
		"a number of a thousand digits": {bencode.Bytes("d1:li" + strings.Repeat("9", 19) + "ee"), ""},
	} {
		good := func(letter string) dict { return rawEntry(dict{"h": strings.Repeat(letter, 20)}) }
		m, err := Parse(rawList(good("G"), c.entry, good("H")), strict)
		if err != nil {
			t.Errorf("%s: the whole message was refused: %v", name, err)
			continue
		}
		if len(m.Entries) != 2 || m.Dropped != 1 {
			t.Errorf("%s: %d entries kept, %d dropped", name, len(m.Entries), m.Dropped)
			continue
		}
		if !strings.Contains(m.DropReason.Error(), c.want) {
			t.Errorf("%s: reason %q does not say %q", name, m.DropReason, c.want)
		}
	}
}

func TestParseTakesTheExtremesThatArePossible(t *testing.T) {
	for name, change := range map[string]dict{
		"one byte":          {"l": 1, "np": 1, "f": 0, "pl": 16 << 10},
		"largest pieces":    {"l": 64<<20 + 1, "np": 2, "f": 2, "pl": 64 << 20},
		"most pieces":       {"l": int64(1) << 46, "np": 1 << 20, "pl": 64 << 20, "f": 0},
		"nothing but needs": {"n": nil, "f": nil, "c": nil, "sd": nil, "lc": nil, "ttl": nil, "tr": nil, "tg": nil},
		"unknown keys":      {"zz": dict{"later": []int{1, 2}}, "a": 1},
	} {
		m, err := Parse(rawList(rawEntry(change)), strict)
		if err != nil || len(m.Entries) != 1 {
			t.Errorf("%s: err %v, dropped because %v", name, err, m.DropReason)
		}
	}
}

func TestParseCleansNamesForDisplay(t *testing.T) {
	m, err := Parse(rawList(
		rawEntry(dict{"h": strings.Repeat("A", 20), "n": "evil\x00\x1b]0;title\x07\n\u202egpj.exe", "tg": []string{"a\u202eb", "\x00", strings.Repeat("t", 100)}}),
		rawEntry(dict{"h": strings.Repeat("B", 20), "n": strings.Repeat("n", 10<<10)}),
		rawEntry(dict{"h": strings.Repeat("C", 20), "n": "../../../../etc/passwd"}),
	), strict)
	if err != nil || len(m.Entries) != 3 {
		t.Fatalf("err %v, %d entries, dropped because %v", err, len(m.Entries), m.DropReason)
	}
	if got, want := m.Entries[0].Name, "evil]0;title gpj.exe"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
	if got := m.Entries[0].Tags; len(got) != 2 || got[0] != "ab" || utf8.RuneCountInString(got[1]) != maxTagRunes {
		t.Errorf("tags %q", got)
	}
	if n := utf8.RuneCountInString(m.Entries[1].Name); n != 200 {
		t.Errorf("a name of 10 KB was cut to %d runes, want 200", n)
	}
}

func TestParseLeavesOutTrackersThatMayNotBeContacted(t *testing.T) {
	good := []string{"http://tracker.example.org/announce", "https://tracker.example.org:443/a?b=c", "udp://tracker.example.org:6969"}
	bad := []string{
		"http://127.0.0.1/announce", "http://127.1.2.3:8080/announce", "udp://[::1]:6969", "http://localhost/announce", "http://printer.local/a",
		"http://192.168.1.1/reboot", "http://10.0.0.1/a", "udp://172.16.0.1:80", "http://[fd00::1]/a", "http://100.64.0.1/a",
		"http://169.254.169.254/latest/meta-data", "udp://[fe80::1]:6969", "http://224.0.0.1/a", "http://0.0.0.0/a", "http://[::ffff:127.0.0.1]/a",
		"ftp://tracker.example.org/a", "file:///etc/passwd", "wss://tracker.example.org", "javascript:alert(1)", "", "tracker.example.org",
		"http://tracker.example.org:0/a", "http://tracker.example.org/\r\nHost: x", "http://tracker.example.org/\u202e", "http://tracker.example.org/" + strings.Repeat("x", 300),
	}
	m, err := Parse(rawList(rawEntry(dict{"tr": append(append(bad, good...), good...)})), strict)
	if err != nil || len(m.Entries) != 1 {
		t.Fatalf("err %v, dropped because %v", err, m.DropReason)
	}
	if got := m.Entries[0].Trackers; !reflect.DeepEqual(got, good) {
		t.Errorf("kept %q, want %q", got, good)
	}
}

func TestParseKeepsAFewTrackersOnly(t *testing.T) {
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("http://t%d.example.org/a", i))
	}
	m, err := Parse(rawList(rawEntry(dict{"tr": many})), strict)
	if err != nil || len(m.Entries) != 1 {
		t.Fatalf("err %v, dropped because %v", err, m.DropReason)
	}
	if got := m.Entries[0].Trackers; !reflect.DeepEqual(got, many[:maxTrackers]) {
		t.Errorf("kept %d trackers", len(got))
	}
}

func TestParseClampsWhatARequestWants(t *testing.T) {
	m, err := Parse([]byte("d1:ni1000000000000e1:ti0ee"), strict)
	if err != nil || m.Want != MaxEntries {
		t.Errorf("wants %d, err %v", m.Want, err)
	}
}

func TestPassedOnEntriesLoseAHop(t *testing.T) {
	e := listed(1)
	for want := MaxTTL - 1; want >= 0; want-- {
		passed, ok := e.PassedOn()
		if !ok || passed.TTL != want || passed.Fragments != 0 || passed.Direct() {
			t.Fatalf("from ttl %d: %+v, %v", e.TTL, passed, ok)
		}
		e = passed
	}
	if _, ok := e.PassedOn(); ok {
		t.Error("an entry with no hops left was passed on")
	}
}

// FuzzParse checks that whatever parses is within its limits, and that our own encoding of it parses to the same.
func FuzzParse(f *testing.F) {
	f.Add(Message{Type: TypeRequest, Want: 200}.Marshal())
	f.Add(Message{Type: TypeRefuse, Reason: "no"}.Marshal())
	f.Add(Message{Type: TypeList, Entries: []Entry{listed(1), listed(2)}}.Marshal())
	f.Add(rawList(rawEntry(nil), rawEntry(dict{"h": "short"}), 5, "x", []int{1}))
	f.Add([]byte("d1:sld1:hl20:ABCDEFGHIJKLMNOPQRSTe1:li1e2:npi1e2:pli16384eee1:ti1ee"))
	f.Add([]byte("d1:ti1e1:slllleeee"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw, strict)
		if err != nil {
			if errors.Unwrap(err) == nil {
				t.Fatalf("error without a cause: %v", err)
			}
			return
		}
		if len(raw) > MaxMessage || len(m.Entries) > MaxEntries || m.Want > MaxEntries {
			t.Fatalf("beyond the limits: %d bytes, %d entries, %d wanted", len(raw), len(m.Entries), m.Want)
		}
		for _, e := range m.Entries {
			if err := e.check(); err != nil {
				t.Fatalf("impossible entry: %v", err)
			}
			if n := utf8.RuneCountInString(e.Name); n > maxNameRunes || e.cost() > 8<<10 {
				t.Fatalf("entry with a name of %d runes costs %d bytes", n, e.cost())
			}
		}
		m.Dropped, m.DropReason = 0, nil
		again, err := Parse(m.Marshal(), strict)
		if err != nil || len(again.Entries) > len(m.Entries) {
			t.Fatalf("our own encoding: %v", err)
		}
		if again.Entries = append(again.Entries, m.Entries[len(again.Entries):]...); !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v became %+v", m, again)
		}
	})
}
