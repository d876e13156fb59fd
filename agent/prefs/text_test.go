package prefs_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"ebb/agent/prefs"
)

// numbered repeats a line with 0, 1, 2, … in it.
func numbered(line string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, line, i)
	}
	return b.String()
}

func TestTextHasEverySectionAndKeyInOrder(t *testing.T) {
	p := with(func(p *prefs.Preferences) {
		p.Background.Storage = prefs.StorageOf(1)
		p.Foreground.Directory = "/srv/downloads"
		p.Feeds = []prefs.Feed{{URL: "https://example.org/feed.xml", Name: "Archive", Policy: prefs.ModeAsk, MaxSize: prefs.LimitTo(1 << 30)}}
	})
	var tree map[string]any
	meta, err := toml.Decode(string(p.Text()), &tree)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, key := range meta.Keys() {
		got = append(got, key.String())
	}
	// The Go fields and their tags are the order and the names.
	for section := range reflect.TypeFor[prefs.Preferences]().Fields() {
		name := section.Tag.Get("toml")
		if json := section.Tag.Get("json"); json != name {
			t.Errorf("%s is %s in TOML and %s in JSON", section.Name, name, json)
		}
		want = append(want, name)
		fields := section.Type
		if fields.Kind() == reflect.Slice {
			fields = fields.Elem()
		}
		for field := range fields.Fields() {
			if field.Tag.Get("json") != field.Tag.Get("toml") {
				t.Errorf("%s is named %s", field.Name, field.Tag)
			}
			want = append(want, name+"."+field.Tag.Get("toml"))
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestTextSaysHowToSwitchTheBackgroundOn(t *testing.T) {
	text := string(prefs.Default().Text())
	for _, want := range []string{"Until storage is set, the background is off.\n[background]", "\n# storage = \"20GiB\"\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for i, line := range strings.Split(text, "\n") {
		if len(line) > 120 || strings.TrimSpace(line) != strings.TrimRight(line, " ") && !strings.HasPrefix(line, "\t") {
			t.Errorf("line %d is badly laid out: %q", i+1, line)
		}
	}
}

func TestTextSaysWhatDiskSleepMayBe(t *testing.T) {
	text := string(prefs.Default().Text())
	if !strings.Contains(text, "\"ignore\" it and wake the disk.\ndisk_sleep = \"respect\"\n") {
		t.Errorf("disk_sleep is not explained in\n%s", text)
	}
}

func TestValidateNamesWhatAProgramSetWrong(t *testing.T) {
	if err := prefs.Default().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for want, change := range map[string]func(*prefs.Preferences){
		`background.keep_free = "-1"`:          func(p *prefs.Preferences) { p.Background.KeepFree = -1 },
		`background.hours = "00:00-00:00"`:     func(p *prefs.Preferences) { p.Background.Hours = []prefs.Hours{{}} },
		`background.goal = ""`:                 func(p *prefs.Preferences) { p.Background.Goal = "" },
		`background.disk_sleep = ""`:           func(p *prefs.Preferences) { p.Background.DiskSleep = "" },
		`foreground.upload = "auto"`:           func(p *prefs.Preferences) { p.Foreground.Upload = prefs.AutoRate() },
		`foreground.directory = "/a\u000ab"`:   func(p *prefs.Preferences) { p.Foreground.Directory = "/a\nb" },
		`sources.feeds = "maybe"`:              func(p *prefs.Preferences) { p.Sources.Feeds = "maybe" },
		`network.peer_address = "a b:1"`:       func(p *prefs.Preferences) { p.Network.PeerAddress = "a b:1" },
		`network.peer_address = "1.2.3.400:1"`: func(p *prefs.Preferences) { p.Network.PeerAddress = "1.2.3.400:1" },
		`network.peer_address = ":65536"`:      func(p *prefs.Preferences) { p.Network.PeerAddress = ":65536" },
		`network.peer_address = ":http"`:       func(p *prefs.Preferences) { p.Network.PeerAddress = ":http" },
		`network.dht_bootstrap = "a.example:0"`: func(p *prefs.Preferences) {
			p.Network.DHTBootstrap = []string{"a.example:0"}
		},
		`network.dht_bootstrap = "-a.example:1"`: func(p *prefs.Preferences) {
			p.Network.DHTBootstrap = []string{"-a.example:1"}
		},
		`network.line_down = "0"`:               func(p *prefs.Preferences) { p.Network.LineDown = prefs.Rate{} },
		`web.address = ""`:                      func(p *prefs.Preferences) { p.Web.Address = "" },
		`web.allowed_hosts = "nas:80"`:          func(p *prefs.Preferences) { p.Web.AllowedHosts = []string{"nas:80"} },
		`state.directory = "ebb"`:               func(p *prefs.Preferences) { p.State.Directory = "ebb" },
		`feed.url = "https://"`:                 func(p *prefs.Preferences) { p.Feeds = []prefs.Feed{{URL: "https://"}} },
		`feed.url = "https://a.example:99999/"`: func(p *prefs.Preferences) { p.Feeds = []prefs.Feed{{URL: "https://a.example:99999/"}} },
		`feed.url = "//a.example/feed"`:         func(p *prefs.Preferences) { p.Feeds = []prefs.Feed{{URL: "//a.example/feed"}} },
		`feed.policy = "maybe"`: func(p *prefs.Preferences) {
			p.Feeds = []prefs.Feed{{URL: "https://a.example/", Policy: "maybe"}}
		},
		`feed.max_size = "0"`: func(p *prefs.Preferences) {
			p.Feeds = []prefs.Feed{{URL: "https://a.example/", MaxSize: prefs.LimitTo(0)}}
		},
		`feed.name = "a\u0007b"`: func(p *prefs.Preferences) {
			p.Feeds = []prefs.Feed{{URL: "https://a.example/", Name: "a\ab"}}
		},
		`background.monthly_transfer = "0"`: func(p *prefs.Preferences) { p.Background.MonthlyTransfer = prefs.LimitTo(0) },
		`network.wan_interface = "sixteen-letters-"`: func(p *prefs.Preferences) {
			p.Network.WANInterface = "sixteen-letters-"
		},
	} {
		err := with(change).Validate()
		if err == nil || !strings.HasPrefix(err.Error(), want+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("want %s, got %v", want, err)
		}
	}
}

func TestDefaultStateDirectoryFollowsTheEnvironment(t *testing.T) {
	if got := prefs.StateDirectoryOf(0); got != "/var/lib/ebb" {
		t.Errorf("root: %s", got)
	}
	for _, c := range []struct{ xdg, home, want string }{
		{"/x/state", "/home/a", "/x/state/ebb"},
		{"", "/home/a", "/home/a/.local/state/ebb"},
		{"relative", "/home/a", "/home/a/.local/state/ebb"},
		{"", "", ""},
	} {
		t.Setenv("XDG_STATE_HOME", c.xdg)
		t.Setenv("HOME", c.home)
		if got := prefs.StateDirectoryOf(1000); got != c.want {
			t.Errorf("XDG_STATE_HOME=%s HOME=%s: got %q, want %q", c.xdg, c.home, got, c.want)
		}
	}
}
