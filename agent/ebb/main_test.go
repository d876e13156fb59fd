package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ebb/agent/prefs"
	"ebb/agent/records"
	"ebb/webui"
	"ebb/webui/webuitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for something that is bound to happen.
const patience = 20 * time.Second

// household is an agent that is running, as far as its API can tell.
type household struct {
	t     *testing.T
	agent *webuitest.Agent
	state string // its state directory
}

func newHousehold(t *testing.T) *household {
	t.Helper()
	h := &household{t: t, agent: webuitest.NewHousehold(time.Now()), state: t.TempDir()}
	token, err := webui.LoadToken(filepath.Join(h.state, webui.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	h.serve(webui.New(webui.Config{Agent: h.agent, Token: token}))
	return h
}

// serve has something answer at the socket in the state directory, in place of what does so now.
func (h *household) serve(handler http.Handler) {
	h.t.Helper()
	l, err := records.ListenSocket(h.state)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(h.t.Context())
	done := make(chan error)
	go func() { done <- webui.Serve(ctx, l, handler, slog.New(slog.DiscardHandler)) }()
	h.t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				h.t.Error(err)
			}
		case <-time.After(patience):
			h.t.Error("still serving")
		}
	})
}

func (h *household) write(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.state, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// ebb runs a command and returns its exit code and what it printed.
func ebb(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var o, e bytes.Buffer
	code = run(ctx, args, &o, &e)
	return code, o.String(), e.String()
}

// does runs a command that has to succeed, and returns what it printed.
func (h *household) does(args ...string) string {
	h.t.Helper()
	code, out, errOut := ebb(h.t, append(args, "-state", h.state)...)
	if code != 0 || errOut != "" {
		h.t.Fatalf("ebb %q: exit code %d: %s", args, code, errOut)
	}
	return out
}

// fails runs a command that has to fail with code, in one line, or in a few that end with its usage.
func (h *household) fails(want int, args ...string) string {
	h.t.Helper()
	code, out, errOut := ebb(h.t, append(args, "-state", h.state)...)
	if code != want || out != "" {
		h.t.Fatalf("ebb %q: exit code %d, want %d: %s%s", args, code, want, out, errOut)
	}
	if lines := strings.Count(errOut, "\n"); !strings.HasPrefix(errOut, "ebb") || want == 1 && lines != 1 {
		h.t.Errorf("ebb %q: %d lines: %s", args, lines, errOut)
	}
	return errOut
}

func hash(n byte) string { return webuitest.Hash(n).String() }

func (h *household) lastCall() string {
	h.t.Helper()
	calls := h.agent.Calls()
	if len(calls) == 0 {
		h.t.Fatal("the agent was told nothing")
	}
	return calls[len(calls)-1]
}

func expect(t *testing.T, out string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(out, part) {
			t.Errorf("lacks %q:\n%s", part, out)
		}
	}
}

func TestListShowsBothKindsOfSwarm(t *testing.T) {
	out := newHousehold(t).does("list")
	expect(t, out, "4 downloads", "debian-13.2.0-amd64-netinst.iso", "68 %", "4.6 MiB/s", "(no name yet)", "14141414: The disk lacks 41 GiB",
		"4 swarms helped", "2,210 of 9,728", "44 GiB", "Prelinger Archives, reels 120–180", "  fetching, waiting  ",
		"\n22222222 waits: today's write budget is spent\n")
	for line := range strings.Lines(out) {
		if strings.HasSuffix(line, " \n") {
			t.Errorf("ends in space: %q", line)
		}
	}
}

func TestListOfANewAgentIsNotEmptyTables(t *testing.T) {
	h := newHousehold(t)
	for _, n := range []byte{0x11, 0x12, 0x13, 0x14} {
		h.does("remove", hash(n))
	}
	for _, n := range []byte{0x21, 0x22, 0x23, 0x24} {
		h.does("remove", hash(n))
	}
	if out := h.does("list"); out != "0 downloads\n\n0 swarms helped\n" {
		t.Errorf("%q", out)
	}
}

func TestStatusSaysWhyAndHowMuch(t *testing.T) {
	out := newHousehold(t).does("status")
	expect(t, out, "yielding", "Somebody in the household is uploading", "214 KiB/s (limit 256 KiB/s)", "(limit none)",
		"11 GiB used of 20 GiB lent", "only 17 GiB", "5,240 fragments of 4 swarms", "3 candidates", "21 GiB free of 114 GiB", "eth1",
		"ebb 0.1.0, up for 21 days 4 hours")
}

func TestWhyNamesTheIntroducerAndWhereItWasMet(t *testing.T) {
	out := newHousehold(t).does("why", "2121")
	expect(t, out, "Prelinger Archives", hash(0x21), `sources.peers = "auto"`, "198.51.100.7:51515", "ebb 0.1.0",
		"2d4542303130302d0102030405060708090a0b0c", hash(0x11)+" debian-13.2.0-amd64-netinst.iso", "Verified")
}

func TestWhatTrackersSayIsShown(t *testing.T) {
	h := newHousehold(t)
	const words = "the tracker https://tracker.example says: Unregistered torrent\ufffd[2J\n"
	expect(t, h.does("list"), "\n13131313: "+words)
	expect(t, h.does("why", "1313"), "one of your downloads, metadata: Asking peers", words, "DHT works\n", "https://tracker.example refuses: Unregistered torrent\ufffd[2J\n")
}

func TestJSONIsTheAPIs(t *testing.T) {
	h := newHousehold(t)
	var status webui.Status
	var why webui.Why
	var list struct {
		Foreground, Background struct {
			Total int
			Items []struct{ Hash, Name string }
		}
	}
	for _, q := range []struct {
		args []string
		into any
	}{
		{[]string{"status", "--json"}, &status}, {[]string{"why", "3131", "-json"}, &why}, {[]string{"list", "-json"}, &list},
	} {
		if err := json.Unmarshal([]byte(h.does(q.args...)), q.into); err != nil {
			t.Errorf("%q: %v", q.args, err)
		}
	}
	if status.State != webui.StateYielding || why.Rule != `sources.feeds = "ask"` || list.Background.Total != 4 ||
		list.Background.Items[3].Name != webuitest.TerminalName {
		t.Errorf("%v %v %v", status, why, list)
	}
}

func TestNothingThatStrangersWroteReachesTheTerminalAsAnOrder(t *testing.T) {
	h := newHousehold(t)
	for _, args := range [][]string{
		{"list"}, {"list", "-json"}, {"remove", "2424"}, {"status"},
	} {
		out := h.does(args...)
		for _, r := range out {
			if r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
				t.Errorf("%q prints %q:\n%q", args, r, out)
			}
		}
	}
	// Nor through an error.
	h.agent.Fail(&webui.BadRequest{Err: errorString("bad name: " + webuitest.TerminalName)})
	if out := h.fails(1, "status"); strings.ContainsAny(strings.TrimSuffix(out, "\n"), "\x1b\a\n\u009b") {
		t.Errorf("prints %q", out)
	}
}

type errorString string

func (e errorString) Error() string { return string(e) }

func TestWishesReachTheAgent(t *testing.T) {
	h := newHousehold(t)
	for _, c := range []struct {
		args []string
		call string
		says string
	}{
		{[]string{"stop", "1212"}, "stop " + hash(0x12), "Stopped sentinel-2-mosaic-2025"},
		{[]string{"start", strings.ToUpper(hash(0x12))}, "start " + hash(0x12), "Started"},
		{[]string{"start", "13131"}, "start " + hash(0x13), "Started " + hash(0x13)},
		{[]string{"remove", "1111"}, "remove data=false help=false " + hash(0x11), "its files stay"},
		{[]string{"remove", "1212", "-data"}, "remove data=true help=false " + hash(0x12), "with its files"},
		{[]string{"promote", "2222"}, "promote " + hash(0x22), "Becoming one of your downloads: openstreetmap"},
		{[]string{"remove", "2121"}, "leave " + hash(0x21), "Left Prelinger"},
		{[]string{"veto", "2222"}, "veto " + hash(0x22), "Vetoed openstreetmap"},
		{[]string{"veto", "3232"}, "veto " + hash(0x32), "Vetoed linuxtracks"},
		{[]string{"veto", hash(0x7f)}, "veto " + hash(0x7f), "Vetoed " + hash(0x7f)},
		{[]string{"approve", "3131"}, "approve " + hash(0x31), "Approved Apollo"},
	} {
		out := h.does(c.args...)
		if call := h.lastCall(); call != c.call || !strings.HasPrefix(out, c.says) && !strings.Contains(out, c.says) {
			t.Errorf("%q: the agent was told %q; printed %q", c.args, call, out)
		}
	}
}

func TestAHashMayBeShortIfItIsClear(t *testing.T) {
	h := newHousehold(t)
	for what, digits := range map[string]string{
		"too short": "212", "not hex": "wxyz", "empty": "", "too long": hash(0x21) + "0", "a path": "../../x",
	} {
		if out := h.fails(2, "why", digits); !strings.Contains(out, "info-hash") {
			t.Errorf("%s: %s", what, out)
		}
	}
	expect(t, h.fails(exitUnknown, "why", "abcd"), "abcd", "ebb list")
	expect(t, h.fails(exitUnknown, "start", "2121"), "2121") // a swarm is not a download
	expect(t, h.fails(exitUnknown, "why", hash(0x7f)), "nothing is known")
	expect(t, h.fails(exitUnknown, "remove", hash(0x7f)), "nothing is known")

	first, second := alike(t, leastDigits)
	h.does("add", first)
	h.does("add", "-background", second)
	digits := webuitest.HashOf(webui.Source{URI: first}).String()
	expect(t, h.fails(1, "remove", digits[:leastDigits]), "more than one", digits[:8])
	h.does("remove", digits)
}

// alike returns two links whose torrents have info-hashes that begin with the same digits.
func alike(t *testing.T, digits int) (first, second string) {
	t.Helper()
	seen := map[string]string{}
	for i := range 1 << 16 { // at odds of one in 65,536, a pair is expected within some 300
		uri := fmt.Sprintf("magnet:?%d", i)
		begins := webuitest.HashOf(webui.Source{URI: uri}).String()[:digits]
		if seen[begins] != "" {
			return seen[begins], uri
		}
		seen[begins] = uri
	}
	t.Fatal("no two are alike")
	return "", ""
}

func TestAddTakesLinksAndFiles(t *testing.T) {
	h := newHousehold(t)
	file := h.write("a.torrent", "d4:infodee")
	for _, c := range []struct {
		args   []string
		source webui.Source
		call   string
		says   string
	}{
		{[]string{"add", "magnet:?xt=1"}, webui.Source{URI: "magnet:?xt=1"}, "add start=true ", "Downloading "},
		{[]string{"add", "-stopped", "HTTPS://example.org/a.torrent"}, webui.Source{URI: "HTTPS://example.org/a.torrent"}, "add start=false ", "Added, and not started: "},
		{[]string{"add", "-background", "magnet:?xt=2"}, webui.Source{URI: "magnet:?xt=2"}, "help ", "Helping "},
		{[]string{"add", file}, webui.Source{File: []byte("d4:infodee")}, "add start=true ", "Downloading "},
	} {
		out := h.does(c.args...)
		sources := h.agent.Sources()
		got, added := sources[len(sources)-1], webuitest.HashOf(c.source).String()
		if got.URI != c.source.URI || !bytes.Equal(got.File, c.source.File) || h.lastCall() != c.call+added || out != c.says+added+"\n" {
			t.Errorf("%q: the agent was told %q with %v; printed %q", c.args, h.lastCall(), got, out)
		}
	}
	for _, link := range []string{"MAGNET:?xt=urn:btih:1&amp;dn=100% a;b#c", strings.Repeat("0123456789", 4), " <magnet:?xt=urn:btih:2>\n", strings.Repeat("ABCD2345", 4)} {
		h.does("add", link)
		sources := h.agent.Sources()
		if got := sources[len(sources)-1]; got.URI != strings.TrimSpace(link) || got.File != nil {
			t.Errorf("%q: the agent was given %q", link, got)
		}
	}
	expect(t, h.fails(1, "add", "magnet:?xt=1"), "already")
	expect(t, h.fails(1, "add", filepath.Join(h.state, "absent.torrent")), "absent.torrent", "magnet link")
	expect(t, h.fails(1, "add", h.state), h.state)
	expect(t, h.fails(1, "add", h.write("film.mkv", strings.Repeat("x", webui.MaxTorrentFile+1))), "larger than any .torrent")
	expect(t, h.fails(2, "add", "-background", "-stopped", "magnet:?xt=3"), "do not go together")
}

func TestPrefsArePrintedAsInTheFile(t *testing.T) {
	out := newHousehold(t).does("prefs")
	p, err := prefs.Parse([]byte(out))
	if err != nil || p.Background.Storage != prefs.StorageOf(20<<30) {
		t.Errorf("%v: %s", err, out)
	}
}

func TestPrefsAreChangedOneByOne(t *testing.T) {
	h := newHousehold(t)
	out := h.does("prefs", "background.storage=30GiB", "background.hours=22:00-07:00, 12:00-13:00", "network.dht=false", "web.allowed_hosts=")
	expect(t, out, "background.storage = 30GiB\n", "network.dht = false   (from the next start of ebb)\n", "web.allowed_hosts = \n")
	expect(t, h.does("status"), "Next start  puts into force: network.dht\n")
	p, err := h.agent.Preferences(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.Background.Storage != prefs.StorageOf(30<<30) || len(p.Background.Hours) != 2 || p.Network.DHT || p.Sharing != prefs.Default().Sharing {
		t.Errorf("preferences are now\n%s", p.Text())
	}

	before := h.agent.Calls()
	expect(t, h.fails(1, "prefs", "background.storage=lots"), "background.storage", "lots")
	expect(t, h.fails(1, "prefs", "background.stoarge=1GiB"), "background.stoarge")
	expect(t, h.fails(1, "prefs", "nothing.here=1"), "nothing")
	expect(t, h.fails(2, "prefs", "network.dht=perhaps"), "true or false")
	expect(t, h.fails(2, "prefs", "storage=1GiB"), "SECTION.KEY=VALUE")
	expect(t, h.fails(2, "prefs", "background.storage"), "SECTION.KEY=VALUE")
	expect(t, h.fails(2, "prefs", "feed.url=https://example.org"), "ebb.toml")
	if after := h.agent.Calls(); len(after) != len(before) {
		t.Errorf("the agent was told %q", after)
	}
}

func TestPrefsAreChangedOnlyIfNobodyElseDidMeanwhile(t *testing.T) {
	h := newHousehold(t)
	h.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet:
			w.Header().Set("ETag", `"as it was"`)
			json.NewEncoder(w).Encode(prefs.Default())
		case r.Header.Get("If-Match") == `"as it was"`:
			w.WriteHeader(http.StatusPreconditionFailed)
			io.WriteString(w, `{"detail": "changed in the meantime"}`)
		}
	}))
	expect(t, h.fails(1, "prefs", "network.dht=false"), "changed in the meantime")
}

func TestHelpListsEveryCommand(t *testing.T) {
	for _, args := range [][]string{{}, {"help"}, {"-h"}, {"--help"}} {
		code, out, errOut := ebb(t, args...)
		if code != 0 || errOut != "" {
			t.Errorf("%q: exit code %d, %s", args, code, errOut)
		}
		for _, c := range commands() {
			expect(t, out, "  "+strings.TrimSpace(c.name+" "+c.args)+"  ", c.about)
		}
	}
	code, out, _ := ebb(t, "add", "-h")
	if code != 0 || !strings.Contains(out, "Usage: ebb add [-background]") || !strings.Contains(out, "-stopped") {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestWhatIsNotUnderstoodExitsWith2AndUsage(t *testing.T) {
	for _, args := range [][]string{{"seed"}, {"list", "x"}, {"why"}, {"why", "a", "b"}, {"list", "-nosuch"}, {"version", "1"}, {"run", "now"}, {"add", "--", "-x", "y"}} {
		code, out, errOut := ebb(t, args...)
		if code != 2 || out != "" || !strings.HasPrefix(errOut, "ebb") {
			t.Errorf("%q: exit code %d: %s%s", args, code, out, errOut)
		}
	}
}
