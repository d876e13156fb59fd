package feeds

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"ebb/agent/swarm"
)

const (
	hex1 = "0123456789abcdef0123456789abcdef01234567"
	hex2 = "89abcdef0123456789abcdef0123456789abcdef"
)

// read reads a document, and returns its items in a short form: the hash or the file, the name, length, seeds, leechers.
func read(t *testing.T, text string) []string {
	t.Helper()
	var got []string
	if _, err := Read(strings.NewReader(text), func(i Item) { got = append(got, short(i)) }); err != nil {
		t.Errorf("%v in %.60q", err, text)
	}
	return got
}

func short(i Item) string {
	what := i.Torrent
	if !i.Hash.IsZero() {
		what = i.Hash.String()[:4]
	}
	return fmt.Sprintf("%s %s %d %d/%d", what, i.Name, i.Length, i.Seeds, i.Leechers)
}

const opening = `<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>The channel</title><link>https://example.org/</link>`

func TestReadKnowsEveryDialect(t *testing.T) {
	magnet := "magnet:?xt=urn:btih:" + hex1 + "&amp;dn=Old+Maps&amp;tr=udp%3A%2F%2Ftracker.example%3A80"
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"RSS, an enclosure": {
			opening + `<item><title>Old Maps</title><link>https://example.org/1</link><enclosure url="https://example.org/maps.torrent" length="12345" type="application/x-bittorrent"/></item></channel></rss>`,
			[]string{"https://example.org/maps.torrent Old Maps 0 -1/-1"},
		},
		"RSS, an enclosure without an ending": {
			opening + `<item><title>Old Maps</title><enclosure url="https://example.org/get/17" type="application/x-bittorrent"/></item></channel></rss>`,
			[]string{"https://example.org/get/17 Old Maps 0 -1/-1"},
		},
		"a magnet as link": {
			opening + `<item><title>Old Maps</title><link>` + magnet + `</link></item></channel></rss>`, []string{"0123 Old Maps 0 -1/-1"},
		},
		"a magnet as guid": {opening + `<item><guid isPermaLink="false">` + magnet + `</guid></item></channel></rss>`, []string{"0123 Old Maps 0 -1/-1"}},
		"a magnet in the text": {
			opening + `<item><title>T</title><description><![CDATA[<a href="` + magnet + `">get</a>]]></description></item></channel></rss>`,
			[]string{"0123 T 0 -1/-1"},
		},
		"ezRSS, flat": {
			opening + `<item><title>T</title><torrent:infoHash>` + strings.ToUpper(hex1) + `</torrent:infoHash><torrent:contentLength>1000</torrent:contentLength>` +
				`<torrent:seeds>3</torrent:seeds><torrent:peers>9</torrent:peers></item></channel></rss>`,
			[]string{"0123 T 1000 3/6"},
		},
		"ezRSS, nested": {
			opening + `<item><title>T</title><torrent xmlns="http://xmlns.ezrss.it/0.1/"><fileName>x</fileName><infoHash>` + hex1 + `</infoHash>` +
				`<contentLength>77</contentLength><magnetURI><![CDATA[magnet:?xt=urn:btih:` + hex1 + `]]></magnetURI></torrent></item></channel></rss>`,
			[]string{"0123 T 77 -1/-1"},
		},
		"Torznab": {
			opening + `<item><title>T</title><size>2000</size><torznab:attr name="seeders" value="2"/><torznab:attr name="peers" value="5"/>` +
				`<torznab:attr name="infohash" value="` + hex1 + `"/><torznab:attr name="magneturl" value="magnet:?xt=urn:btih:` + hex1 + `"/></item></channel></rss>`,
			[]string{"0123 T 2000 2/3"},
		},
		"nyaa": {
			opening + `<item><title>T</title><nyaa:seeders>4</nyaa:seeders><nyaa:leechers>1</nyaa:leechers><nyaa:infoHash>` + hex1 +
				`</nyaa:infoHash><nyaa:size>1.5 GiB</nyaa:size></item></channel></rss>`,
			[]string{"0123 T 1610612736 4/1"},
		},
		"Academic Torrents, XML": {
			opening + `<item><title>T</title><category>Dataset</category><link>http://academictorrents.com/details/` + hex1 + `</link><infohash>` + hex1 +
				`</infohash><guid>http://academictorrents.com/details/` + hex1 + `</guid><size>5553</size></item></channel></rss>`,
			[]string{"0123 T 5553 -1/-1"},
		},
		"Atom": {
			`<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title><entry><author><name>Somebody</name></author><title>T</title>` +
				`<link rel="alternate" href="https://example.org/1"/><link rel="enclosure" type="application/x-bittorrent" href="https://example.org/a.torrent"/></entry></feed>`,
			[]string{"https://example.org/a.torrent T 0 -1/-1"},
		},
		"RSS 1.0": {
			`<rdf:RDF><channel rdf:about="x"/><item rdf:about="y"><title>T</title><link>` + magnet + `</link></item></rdf:RDF>`,
			[]string{"0123 T 0 -1/-1"},
		},
		"HTML entities, open tags, bad ampersands": {
			opening + `<item><title>A &amp; B &eacute; & C</title><br><link>magnet:?xt=urn:btih:` + hex1 + `&dn=x</link></item></channel>`,
			[]string{"0123 A & B é & C 0 -1/-1"},
		},
		"items between bad ones": {
			opening + `<item/><item><title>nothing</title></item><item><link>magnet:?xt=urn:btih:zz</link></item><item><infohash>` + hex1 + `</infohash></item></channel></rss>`,
			[]string{"0123  0 -1/-1"},
		},
		"an empty feed": {opening + `</channel></rss>`, nil},
		"Academic Torrents, CSV": {
			"TYPE,NAME,INFOHASH,SIZEBYTES,MIRRORS,DOWNLOADERS,TIMESCOMPLETED,DATEADDED,DATEMODIFIED\n" +
				"Dataset,\"Maps, \"\"old\"\" ones\"," + hex1 + ",1234,2,1,99,1385161231,1385161231\nPaper,Second," + hex2 + ",9,0,3,1,,\n",
			[]string{`0123 Maps, "old" ones 1234 2/1`, "89ab Second 9 0/3"},
		},
		"CSV with semicolons, bad lines": {
			"name;info_hash;size\nOne;" + hex1 + ";1 KB\n\"broken;;;\nTwo;" + hex2 + ";2\n", []string{"0123 One 1000 -1/-1"},
		},
		"JSON, a list": {
			`[{"info_hash":"` + hex1 + `","title":"T","size_bytes":12,"seeders":3,"leechers":"4"},{"name":"no hash"},17,null]`,
			[]string{"0123 T 12 3/4"},
		},
		"JSON, a list within": {
			`{"status":"ok","page":{"count":1},"data":{"movie_count":1,"movies":[{"title":"T","torrents":[{"hash":"` + hex1 + `","size_bytes":9,"seeds":1,"peers":0}]}]}}`,
			[]string{"0123 T 9 1/-1"},
		},
		"JSON, by hash":    {`{"` + hex1 + `":{"name":"T","size":5}}`, []string{"0123 T 5 -1/-1"}},
		"JSON, one object": {`{"name":"T","infohash":"` + hex1 + `","length":5}`, []string{"0123 T 5 -1/-1"}},
		"JSON, links":      {`["magnet:?xt=urn:btih:` + hex1 + `&dn=T","` + hex2 + `"]`, []string{"0123 T 0 -1/-1", "89ab  0 -1/-1"}},
		"JSON, lines":      {`{"hash":"` + hex1 + `","name":"A"}` + "\n" + `{"hash":"` + hex2 + `","name":"B"}`, []string{"0123 A 0 -1/-1", "89ab B 0 -1/-1"}},
		"lines": {
			"# what we care about\r\n\r\nmagnet:?xt=urn:btih:" + hex1 + "&dn=Old%20Maps\r\n" + hex2 + " Second list\nnonsense\nhttps://example.org/a.torrent\n",
			[]string{"0123 Old Maps 0 -1/-1", "89ab Second list 0 -1/-1", "https://example.org/a.torrent  0 -1/-1"},
		},
		"base 32":       {"magnet:?xt=urn:btih:" + strings.Repeat("A", 31) + "B\n", []string{"0000  0 -1/-1"}},
		"a mark before": {"\xef\xbb\xbf" + hex1 + "\n", []string{"0123  0 -1/-1"}},
		"an old encoding": {
			`<?xml version="1.0" encoding="windows-1251"?><rss><channel><item><title>` + "\xd1\xf2\xe0" + `</title><infohash>` + hex1 + `</infohash></item></channel></rss>`,
			[]string{"0123 ??? 0 -1/-1"},
		},
		"a private one":  {`[{"infohash":"` + hex1 + `","private":true}]`, nil},
		"a pass key":     {`[{"magnet":"magnet:?xt=urn:btih:` + hex1 + `&tr=https%3A%2F%2Ft.example%2Fannounce%3Fpasskey%3Dabcdef0123456789"}]`, nil},
		"a key in a URL": {opening + `<item><enclosure url="https://example.org/rss/0123456789abcdef0123/a.torrent" type="application/x-bittorrent"/></item></channel></rss>`, nil},
	} {
		if got := read(t, test.text); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
	units := utf16.Encode([]rune("\ufeff" + hex1 + " Übersicht 𝄞\n"))
	for name, order := range map[string][2]int{"little": {0, 1}, "big": {1, 0}} {
		var b []byte
		for _, u := range units {
			pair := [2]byte{byte(u), byte(u >> 8)}
			b = append(b, pair[order[0]], pair[order[1]])
		}
		if got := read(t, string(b)); !slices.Equal(got, []string{"0123 Übersicht 𝄞 0 -1/-1"}) {
			t.Errorf("UTF-16, %s-endian: %q", name, got)
		}
	}
}

func TestReadSaysWhatADocumentIsNot(t *testing.T) {
	for text, words := range map[string]string{
		"":                             "empty",
		"<!DOCTYPE html><html></html>": "web page",
		"<svg></svg>":                  "no feed",
		"<rss><channel><item>" + strings.Repeat("<a>", 100): "too deep",
		strings.Repeat(`{"a":`, 100):                        "too deep",
		"[1":                                                "unexpected EOF",
		`<rss a="` + strings.Repeat("x", 1<<20):             "longer than 256 KiB",
		`["` + strings.Repeat("x", 1<<20):                   "longer than 256 KiB",
		strings.Repeat("x", 1<<20):                          "longer than 256 KiB",
		"name,hash\n\"" + strings.Repeat("x", 1<<20):        "longer than 256 KiB",
	} {
		if _, err := Read(strings.NewReader(text), func(Item) {}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%.40q: %v, want to be told %q", text, err, words)
		}
	}
}

// endless repeats a text, and counts what was read of it.
type endless struct {
	text string
	read int
}

func (e *endless) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		n += copy(b[n:], e.text[(e.read+n)%len(e.text):])
	}
	e.read += n
	return n, nil
}

func TestALongDocumentIsReadToItsBoundInLittleMemory(t *testing.T) {
	for name, parts := range map[string][2]string{
		"XML":   {opening, `<item><title>T</title><infohash>` + hex1 + `</infohash><description>` + strings.Repeat("words ", 50) + `</description></item>`},
		"JSON":  {"[0", `,{"infohash":"` + hex1 + `","description":"` + strings.Repeat("words ", 50) + `"}`},
		"CSV":   {"name,infohash\n", "T," + hex1 + "\n"},
		"lines": {"", hex1 + " T\n"},
	} {
		items, most := 0, uint64(0)
		source := &endless{text: parts[1]}
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		_, err := Read(io.MultiReader(strings.NewReader(parts[0]), source), func(Item) {
			if items++; items%20000 == 0 {
				runtime.GC()
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc-min(before.HeapAlloc, now.HeapAlloc))
			}
		})
		if !errors.Is(err, ErrTooLong) || source.read > maxDocument+1<<20 || items < 50000 {
			t.Errorf("%s: %d items of %d bytes, %v", name, items, source.read, err)
		}
		if most > 2<<20 {
			t.Errorf("%s: %d bytes of memory", name, most)
		}
	}
}

func TestNeedyKeepsThoseInNeed(t *testing.T) {
	var n needy
	number := func(i int) swarm.InfoHash { return swarm.InfoHash{byte(i), byte(i >> 8), 1} }
	for i := range 1000 {
		n.add(Item{Hash: number(i), Seeds: 1 + i*7919%1000, Leechers: 5})
	}
	n.add(Item{Hash: number(1000), Seeds: 1, Leechers: 5})
	n.add(Item{Hash: number(1001), Seeds: 0, Leechers: 0}) // nobody is there
	n.add(Item{Hash: number(1002), Seeds: -1, Leechers: -1})
	n.add(Item{Hash: number(0), Seeds: 1, Leechers: 9}) // named already
	got := n.sorted()
	if len(got) != maxOffered || len(n.known) != maxOffered || !n.left {
		t.Fatalf("%d are kept, %d known", len(got), len(n.known))
	}
	if got[0].Seeds != 1 || got[1].Seeds != 1 || got[2].Hash != number(1002) {
		t.Errorf("the neediest are %v", got[:3])
	}
	for i, item := range got[3:] {
		if item.Seeds != i+2 {
			t.Errorf("number %d has %d seeds", i+3, item.Seeds)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{
		opening + `<item><title>T</title><link>magnet:?xt=urn:btih:` + hex1 + `</link><torznab:attr name="size" value="5"/></item>`,
		`{"data":[{"hash":"` + hex1 + `","size":"1 GiB","list":[{"magnet":"x"}]}]}`, "NAME,INFOHASH\nx," + hex1 + "\n", hex1 + " name\n",
		"\xff\xfe<\x00r\x00s\x00s\x00", "<feed><entry><link href='a.torrent' type='application/x-bittorrent'/></entry>",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = Read(bytes.NewReader(text), func(i Item) {
			if !i.usable() || i.Length < 0 || i.Length > maxLength || i.Seeds < -1 || i.Seeds > maxCount || i.Leechers < -1 || i.Leechers > maxCount {
				t.Errorf("%+v", i)
			}
		})
	})
}
