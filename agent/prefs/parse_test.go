package prefs_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// complete has every key, none at its default.
const complete = `
[background]
storage          = "20GiB"
upload           = "5Mbit/s"
download         = "unlimited"
keep_free        = "2GiB"
hours            = ["22:00-07:00", "12:00-13:00"]
monthly_transfer = "500GiB"
write_budget     = "3GiB/day"
disk_sleep       = "ignore"
goal             = "preserve"

[foreground]
directory = "/srv/downloads"
upload    = "1MiB/s"
download  = "2MiB/s"

[sources]
peers          = "ask"
neighbours     = "off"
feeds          = "ask"
max_swarm_size = "100GiB"
deny           = ["0123456789ABCDEF0123456789abcdef01234567"]

[[feed]]
url = "https://example.org/a.xml"
name = "Archive"
policy = "ask"
max_size = "50GiB"
[[feed]]
url = "http://example.org:8080/b.xml"

[sharing]
list_background = false
list_foreground = false

[network]
peer_address           = "192.168.1.1:6881"
wan_interface          = "eth0"
line_up                = "40Mbit/s"
line_down              = "100Mbit/s"
dht                    = false
dht_bootstrap          = ["127.0.0.1:6881"]
allow_private_trackers = true

[web]
address       = ":8088"
allowed_hosts = ["nas.example.org"]
allow_public = true

[state]
directory = "/srv/ebb"
`

// with is the defaults, changed.
func with(change func(*prefs.Preferences)) prefs.Preferences {
	p := prefs.Default()
	change(&p)
	return p
}

func TestParseReadsEveryKey(t *testing.T) {
	p, err := prefs.Parse([]byte(complete))
	if err != nil {
		t.Fatal(err)
	}
	if p.Background.Storage.Bytes(0) != 20<<30 || p.Background.Upload.BytesPerSecond() != 625_000 || !p.Background.Download.Unlimited() ||
		p.Background.KeepFree != 2<<30 || len(p.Background.Hours) != 2 || p.Background.MonthlyTransfer != prefs.LimitTo(500<<30) ||
		p.Background.WriteBudget != prefs.LimitPerDay(3<<30) || p.Background.DiskSleep != prefs.DiskSleepIgnore || p.Background.Goal != swarm.GoalPreserve {
		t.Errorf("background: %+v", p.Background)
	}
	if p.Foreground != (prefs.Foreground{Directory: "/srv/downloads", Upload: prefs.FixedRate(1 << 20), Download: prefs.FixedRate(2 << 20)}) {
		t.Errorf("foreground: %+v", p.Foreground)
	}
	if p.Sources.Peers != prefs.ModeAsk || p.Sources.Neighbours != prefs.ModeOff || p.Sources.Feeds != prefs.ModeAsk ||
		p.Sources.MaxSwarmSize != prefs.LimitTo(100<<30) || p.Sources.Deny[0].String() != "0123456789abcdef0123456789abcdef01234567" {
		t.Errorf("sources: %+v", p.Sources)
	}
	if !reflect.DeepEqual(p.Feeds, []prefs.Feed{{URL: "https://example.org/a.xml", Name: "Archive", Policy: prefs.ModeAsk, MaxSize: prefs.LimitTo(50 << 30)}, {URL: "http://example.org:8080/b.xml"}}) {
		t.Errorf("feeds: %+v", p.Feeds)
	}
	if p.Sharing != (prefs.Sharing{}) {
		t.Errorf("sharing: %+v", p.Sharing)
	}
	if p.Network.PeerAddress != "192.168.1.1:6881" || p.Network.WANInterface != "eth0" || p.Network.LineUp.BytesPerSecond() != 5_000_000 ||
		p.Network.LineDown.BytesPerSecond() != 12_500_000 || p.Network.DHT || !p.Network.AllowPrivateTrackers ||
		!reflect.DeepEqual(p.Network.DHTBootstrap, []string{"127.0.0.1:6881"}) {
		t.Errorf("network: %+v", p.Network)
	}
	if p.Web.Address != ":8088" || !p.Web.AllowPublic || !reflect.DeepEqual(p.Web.AllowedHosts, []string{"nas.example.org"}) || p.State.Directory != "/srv/ebb" {
		t.Errorf("web and state: %+v %+v", p.Web, p.State)
	}
}

func TestParseOfNothingIsTheDefaultsWithTheBackgroundOff(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/home/someone/state")
	for _, empty := range []string{"", "\n# nothing\n", "[background]\n", "\xef\xbb\xbf[web]\n"} {
		p, err := prefs.Parse([]byte(empty))
		if err != nil || !p.Equal(prefs.Default()) {
			t.Errorf("%q: %v, %+v", empty, err, p)
		}
		if p.Background.Storage.IsSet() {
			t.Errorf("%q: storage is set", empty)
		}
	}
	p := prefs.Default()
	if p.Web.Address != "127.0.0.1:8088" || p.Network.PeerAddress != ":51515" || p.Background.KeepFree != 1<<30 ||
		p.Background.DiskSleep != prefs.DiskSleepRespect || p.Foreground.Directory != "" || p.Sources.Peers != prefs.ModeAuto {
		t.Errorf("unexpected defaults: %+v", p)
	}
}

func TestParseTellsStorageZeroFromStorageNotSet(t *testing.T) {
	for in, set := range map[string]bool{`"0"`: true, `0`: true, `"0%"`: true, `""`: false} {
		p, err := prefs.Parse([]byte("[background]\nstorage = " + in))
		if err != nil || p.Background.Storage.IsSet() != set || p.Background.Storage.Bytes(1<<40) != 0 {
			t.Errorf("storage = %s: set %v, %v", in, p.Background.Storage.IsSet(), err)
		}
	}
}

func TestParseTakesAnEmptyListForNoneAndNotForTheDefault(t *testing.T) {
	p, err := prefs.Parse([]byte("network.dht_bootstrap = []"))
	if err != nil || len(p.Network.DHTBootstrap) != 0 {
		t.Errorf("got %v, %v", p.Network.DHTBootstrap, err)
	}
}

func TestParseSaysWhatIsWrongAndWhatWouldBeRight(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		// Values.
		{"[background]\nstorage = \"20GX\"", `line 2: background.storage = "20GX": not a size; write it like "20GiB", "500MB" or "10%"`},
		{"[background]\nstorage = -5", `line 2: background.storage = -5: not a size; write it like "20GiB", "500MB" or "10%"`},
		{"[background]\nstorage = 1.5", `line 2: background.storage = 1.5: not a size; write it like "20GiB", "500MB" or "10%"`},
		{"[background]\nstorage = true", `line 2: background.storage = true: not a size; write it like "20GiB", "500MB" or "10%"`},
		{"[background]\nstorage = [\"1GiB\"]", `line 2: background.storage = […]: not a size; write it like "20GiB", "500MB" or "10%"`},
		{"[background]\nstorage = {a = 1}", `line 2: background.storage = {…}: not a size; write it like "20GiB", "500MB" or "10%"`},
		{"[background]\nstorage = \"101%\"", `line 2: background.storage = "101%": not a share of the disk; write it like "10%" or "2.5%", at most "100%"`},
		{"[background]\n\nupload = \"5Mb/s\"", `line 3: background.upload = "5Mb/s": not a rate; write it like "5Mbit/s", "4MiB/s", "auto", "unlimited", or "0" for off`},
		{"[background]\ndownload = \"1bit/s\"", `line 2: background.download = "1bit/s": less than one byte per second; write "0" for off`},
		{"[background]\nkeep_free = \"10%\"", `line 2: background.keep_free = "10%": not a size; write it like "1GiB" or "500MB"`},
		{"[background]\nhours = \"22:00-07:00\"", `line 2: background.hours = "22:00-07:00": not a list; write it in brackets, like ["…", "…"]`},
		{"[background]\nhours = [\"22:00-07:00\", \"25:00-07:00\"]", `line 2: background.hours = "25:00-07:00": not a window of the day; write it like "22:00-07:00"`},
		{"[background]\nhours = [22:00:00]", `line 2: background.hours = "0000-01-01T22:00:00Z": not a window of the day; write it like "22:00-07:00"`},
		{"[background]\nmonthly_transfer = 0", `line 2: background.monthly_transfer = "0": must be above 0; write "unlimited" for no limit`},
		{"[background]\nwrite_budget = \"2GiB\"", `line 2: background.write_budget = "2GiB": not an amount per day; write it like "2GiB/day" or "unlimited"`},
		{"[background]\nwrite_budget = \"0/day\"", `line 2: background.write_budget = "0/day": must be above 0; write "unlimited" for no limit`},
		{"[background]\ndisk_sleep = \"never\"", `line 2: background.disk_sleep = "never": no such choice; write "respect" or "ignore"`},
		{"[background]\ngoal = \"fame\"", `line 2: background.goal = "fame": no such choice; write "preserve", "accelerate" or "balanced"`},
		{"[foreground]\ndirectory = \"downloads\"", `line 2: foreground.directory = "downloads": not a directory; write its full path, like "/srv/downloads", or "" for downloads in the state directory`},
		{"[foreground]\nupload = \"0\"", `line 2: foreground.upload = "0": not a rate for the foreground; write it like "5Mbit/s" or "unlimited" (to send or fetch nothing, stop the torrent)`},
		{"[sources]\npeers = \"yes\"", `line 2: sources.peers = "yes": no such choice; write "off", "ask" or "auto"`},
		{"[sources]\nmax_swarm_size = \"0\"", `line 2: sources.max_swarm_size = "0": must be above 0; write "unlimited" for no limit`},
		{"[sources]\ndeny = [\"0123\"]", `line 2: sources.deny = "0123": not an info-hash; write its 40 hexadecimal digits in quotes`},
		{"[sources]\ndeny = [\"" + strings.Repeat("g", 40) + "\"]", `line 2: sources.deny = "` + strings.Repeat("g", 40) + `": not an info-hash; write its 40 hexadecimal digits in quotes`},
		{"[sharing]\nlist_foreground = \"no\"", `line 2: sharing.list_foreground = "no": not true or false; write one of them, without quotes`},
		{"[network]\npeer_address = \"51515\"", `line 2: network.peer_address = "51515": not an address; write it like ":51515", "192.168.1.1:51515" or "[::1]:51515", ports 0 to 65535`},
		{"[network]\npeer_address = 51515", `line 2: network.peer_address = 51515: not a text; write it in quotes`},
		{"[network]\nwan_interface = \"a/b\"", `line 2: network.wan_interface = "a/b": not a network interface; write its name, like "eth0" or "pppoe-wan", or "auto"`},
		{"[network]\nline_up = \"unlimited\"", `line 2: network.line_up = "unlimited": not the rate of a line; write what yours can carry, like "40Mbit/s", or "auto"`},
		{"[network]\ndht_bootstrap = [\":6881\"]", `line 2: network.dht_bootstrap = ":6881": not an address; write it like "router.example.org:6881" or "[2001:db8::1]:6881", ports 1 to 65535`},
		{"[web]\nallowed_hosts = [\"http://nas\"]", `line 2: web.allowed_hosts = "http://nas": not a host name; write it without http:// and port, like "nas.example.org"`},
		{"[state]\ndirectory = \"\"", `line 2: state.directory = "": not a directory; write its full path, like "/var/lib/ebb"`},
		{"[[feed]]\nurl = \"ftp://example.org\"", `line 2: feed.url = "ftp://example.org": not a feed's address; write it like "https://example.org/feed.xml"`},
		// Names.
		{"\n[background]\n\n\n\n\nstorrage = \"1GiB\"", `line 7: unknown key "background.storrage" (did you mean "storage"?)`},
		{"[background]\nSTORAGE = \"1GiB\"", `line 2: unknown key "background.STORAGE" (did you mean "storage"?)`},
		{"[background]\ndht = true", `line 2: unknown key "background.dht" (it belongs in [network])`},
		{"storage = \"1GiB\"", `line 1: unknown key "storage" (it belongs in [background])`},
		{"\n[backgruond]\nstorage = \"1GiB\"", `line 2: unknown key "backgruond" (did you mean "background"?)`},
		{"[web]\nfavourite_colour = 1", `line 2: unknown key "web.favourite_colour"`},
		{"[web.tls]\nkey = 1", `line 1: unknown key "web.tls"`},
		{"[[feed]]\nurl = \"http://a.example\"\nname = 1", `line 3: feed.name = 1: not a text; write it in quotes`},
		{"[[feed]]\nurl = \"http://a.example\"\nnaem = 1", `line 3: unknown key "feed.naem" (did you mean "name"?)`},
		{"url = \"http://a.example\"", `line 1: unknown key "url" (it belongs in a [[feed]])`},
		{"\n\"\\u0000\\n\" = 1", `line 2: unknown key "\u0000\u000a"`},
		// Shapes.
		{"background = \"20GiB\"", `line 1: background = "20GiB": a section; its keys go below a line [background]`},
		{"[[background]]\nstorage = \"20GiB\"", `line 1: background = {…}: a section; its keys go below a line [background]`},
		{"feed = \"https://example.org\"", `line 1: feed = "https://example.org": a list of tables; write each as [[feed]] with url = "https://…" below it`},
		{"feed = [1]", `line 1: feed = […]: a list of tables; write each as [[feed]] with url = "https://…" below it`},
		{"[[feed]]\nurl = \"http://a.example\"\n[[feed]]", `line 3: feed 2 has no url; write url = "https://…" below its [[feed]]`},
		// TOML.
		{"[background]\nstorage = 20GiB\n", `line 2: storage = 20GiB: not TOML: expected a top-level item to end with a newline, comment, or EOF, but got 'G' instead (sizes, rates and all other texts need quotes)`},
		{"[background]\n\nupload = auto", `line 3: upload = auto: not TOML: expected value but found "auto" instead (sizes, rates and all other texts need quotes)`},
		{"[web]\n\naddress = \"a\naddress = \"b\"", `line 3: address = "a: not TOML: strings cannot contain newlines`},
		{"[web]\naddress = \":1\"\naddress = \":2\"", `line 3: address = ":2": not TOML: Key 'web.address' has already been defined.`},
	} {
		_, err := prefs.Parse([]byte(c.in))
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\n got %v\nwant %s", c.in, err, c.want)
		}
	}
}

func TestParseAcceptsTheFormsThatPeopleWrite(t *testing.T) {
	for _, in := range []string{
		"background.storage = \"1GiB\"",
		"background = { storage = \"1GiB\" }",
		"[background]\nstorage = 1_073_741_824",
		"[background]\nstorage = ' 1 gib '",
		"[background]\r\nstorage = \"1GiB\"\r\n",
	} {
		p, err := prefs.Parse([]byte(in))
		if err != nil || p.Background.Storage.Bytes(0) != 1<<30 {
			t.Errorf("%q: %v, %v", in, p.Background.Storage, err)
		}
	}
	p, err := prefs.Parse([]byte(`feed = [{url = "http://a.example"}, {url = "http://[2001:db8::1]/b"}]`))
	if err != nil || len(p.Feeds) != 2 || p.Feeds[1].URL != "http://[2001:db8::1]/b" {
		t.Errorf("inline feeds: %v, %v", p.Feeds, err)
	}
}

func TestParseReportsAllProblemsInTheOrderOfTheFile(t *testing.T) {
	_, err := prefs.Parse([]byte("[web]\naddress = 1\n[bakground]\n[background]\nupload = 3\n[[feed]]\nurl = 1\n[[feed]]\nulr = 2\nurl = \"x\""))
	want := []struct {
		key  string
		line int
	}{{"feed.url", 0}, {"web.address", 2}, {"bakground", 3}, {"background.upload", 5}, {"feed.ulr", 9}, {"feed.url", 10}}
	var found prefs.Problems
	if !errors.As(err, &found) || len(found) != len(want) {
		t.Fatalf("got %v", err)
	}
	for i, w := range want {
		if found[i].Key != w.key || found[i].Line != w.line {
			t.Errorf("problem %d: got %q in line %d, want %q in line %d", i, found[i].Key, found[i].Line, w.key, w.line)
		}
	}
}

func TestParseRefusesHostileFilesQuicklyAndBriefly(t *testing.T) {
	const deep = 100_000
	for name, in := range map[string]string{
		"arrays":                 "[background]\nhours = " + strings.Repeat("[", deep) + strings.Repeat("]", deep),
		"unclosed arrays":        "a = " + strings.Repeat("[", deep),
		"inline tables":          "a = " + strings.Repeat("{a = ", deep/5),
		"dotted key":             strings.Repeat("a.", deep) + "a = 1",
		"dotted header":          "[" + strings.Repeat("a.", deep) + "a]",
		"arrays behind a string": "a = [\"\"\"x\"\"\"\", " + strings.Repeat("[", deep),
		"arrays behind a quote":  "a = ['''x''''', \"\\\\\", " + strings.Repeat("[", deep),
		"too long":               strings.Repeat("#\n", 1<<20),
		"unknown keys":           numbered("k%d = 1\n", 20_000),
		"unknown sections":       numbered("[k%d]\n", 20_000),
		"feeds without url":      strings.Repeat("[[feed]]\n", 20_000),
		"feeds of unknown keys":  strings.Repeat("[[feed]]\nurl = 'http://a.example'\n", 3_000) + numbered("k%d = 1\n", 10_000),
		"a long value":           "[background]\nstorage = \"" + strings.Repeat("9", deep) + "\"",
		"a long key":             strings.Repeat("k", deep) + " = 1",
		"a long address":         "[network]\npeer_address = \"" + strings.Repeat("a.", deep) + ":1\"",
		"bytes":                  "\x00\x01\xff\xfe",
		"not UTF-8":              "[state]\ndirectory = \"/\xff\"",
	} {
		_, err := prefs.Parse([]byte(in))
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if len(err.Error()) > 8<<10 {
			t.Errorf("%s: the error is %d bytes long", name, len(err.Error()))
		}
	}
}

func TestParseIsNotFooledByBracketsAndDotsInTexts(t *testing.T) {
	dots := strings.Repeat("[.", 50)
	in := "# " + dots + "\n[foreground] # " + dots + "\ndirectory = \"/" + dots + "\\\"" + dots + "\"\n[state]\ndirectory = '''/" + dots + "'''"
	if p, err := prefs.Parse([]byte(in)); err != nil || p.State.Directory != "/"+dots || p.Foreground.Directory != "/"+dots+`"`+dots {
		t.Errorf("got %v", err)
	}
}

func TestParsedPreferencesReadBackTheSameFromText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := preferences().Draw(t, "preferences")
		if err := p.Validate(); err != nil {
			t.Fatalf("the generator makes preferences that are not valid: %v", err)
		}
		again, err := prefs.Parse(p.Text())
		if err != nil || !again.Equal(p) {
			t.Fatalf("%v\ngot  %+v\nwant %+v\n%s", err, again, p, p.Text())
		}
	})
}

func TestPreferencesReadBackTheSameFromJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := preferences().Draw(t, "preferences")
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := prefs.ParseJSON(text)
		if err != nil || !again.Equal(p) {
			t.Fatalf("%v\ngot  %+v\nwant %+v\n%s", err, again, p, text)
		}
	})
}

func TestJSONHasTheNamesAndUnitsOfTheFile(t *testing.T) {
	p, err := prefs.Parse([]byte(complete))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"preferences": p})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"storage":"20GiB"`, `"upload":"5Mbit/s"`, `"hours":["22:00-07:00","12:00-13:00"]`, `"write_budget":"3GiB/day"`, `"disk_sleep":"ignore"`, `"peers":"ask"`,
		`"deny":["0123456789abcdef0123456789abcdef01234567"]`, `"feed":[{"url":"https://example.org/a.xml","name":"Archive",`, `"dht":false`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if text, err := json.Marshal(prefs.Preferences{}); err != nil || strings.Contains(string(text), "null") {
		t.Errorf("null in %s, %v", text, err)
	}
}

func TestJSONIsReadAsStrictlyAsTheFile(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"background": {"storage": "20GX"}}`, `background.storage = "20GX": not a size; write it like "20GiB", "500MB" or "10%"`},
		{`{"background": {"disk_sleep": true}}`, `background.disk_sleep = true: no such choice; write "respect" or "ignore"`},
		{`{"background": {"storage": null}}`, `background.storage = null: not a size; write it like "20GiB", "500MB" or "10%"`},
		{`{"background": {"Storage": "1GiB"}}`, `unknown key "background.Storage" (did you mean "storage"?)`},
		{`{"background": {"hours": null}}`, `background.hours = null: not a list; write it in brackets, like ["…", "…"]`},
		{`{"background": null}`, `background = null: a section; its keys go below a line [background]`},
		{`{"network": {"peer_address": 5}}`, `network.peer_address = 5: not a text; write it in quotes`},
		{`{"Web": {}}`, `unknown key "Web" (did you mean "web"?)`},
		{`{"feed": [{"url": "x"}]}`, `feed.url = "x": not a feed's address; write it like "https://example.org/feed.xml"`},
		{`{"feed": [{"url": "http://a.example", "x": 1}]}`, `unknown key "feed.x"`},
		{`{} {}`, `something follows the JSON object`},
		{`[]`, `not a JSON object: json: cannot unmarshal array into Go value of type map[string]interface {}`},
		{`{"web": `, `not a JSON object: unexpected EOF`},
	} {
		_, err := prefs.ParseJSON([]byte(c.in))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.in, err, c.want)
		}
	}
	for name, in := range map[string]string{
		"deep":     strings.Repeat(`{"a":`, 100_000),
		"too long": `{"web": {}` + strings.Repeat(" ", 1<<20) + `}`,
	} {
		if _, err := prefs.ParseJSON([]byte(in)); err == nil || len(err.Error()) > 1000 {
			t.Errorf("%s: got %.1000v", name, err)
		}
	}
}

func TestJSONNumbersAreBytesToTheLastDigit(t *testing.T) {
	p, err := prefs.ParseJSON([]byte(`{"background": {"storage": 9007199254740993}}`))
	if err != nil || p.Background.Storage.Bytes(0) != 9007199254740993 {
		t.Errorf("got %v, %v", p.Background.Storage, err)
	}
}

func TestUnmarshalJSONLeavesPreferencesAloneOnAnError(t *testing.T) {
	p := with(func(p *prefs.Preferences) { p.Background.Storage = prefs.StorageOf(5) })
	if err := json.Unmarshal([]byte(`{"web": {"address": ":1", "x": 1}}`), &p); err == nil {
		t.Error("accepted")
	}
	if p.Background.Storage != prefs.StorageOf(5) || p.Web.Address != prefs.Default().Web.Address {
		t.Errorf("changed to %+v", p)
	}
}
