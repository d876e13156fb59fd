package webui_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ebb/webui"
	"ebb/webui/webuitest"
)

const (
	rpcPath    = "/transmission/rpc"
	rpcSession = "X-Transmission-Session-Id"
)

// program is one that knows Transmission.
type program struct {
	*world
	session string
}

func newProgram(t *testing.T) program {
	p := program{world: newWorld(t)}
	answer := p.send(request{method: "POST", path: rpcPath, body: "{}"})
	p.session = answer.Header().Get(rpcSession)
	if answer.Code != http.StatusConflict || len(p.session) < 32 {
		t.Fatalf("without a session: status %d, session %q", answer.Code, p.session)
	}
	return p
}

// post sends a body with the session.
func (p program) post(body string) *httptest.ResponseRecorder {
	p.t.Helper()
	return p.status(http.StatusOK, request{method: "POST", path: rpcPath, body: body, header: map[string]string{rpcSession: p.session}})
}

// call calls a method and returns the result and its arguments.
func (p program) call(method, arguments string) (string, map[string]any) {
	p.t.Helper()
	var answer struct {
		Result    string
		Arguments map[string]any
		Tag       int
	}
	body := p.post(fmt.Sprintf(`{"method": %q, "arguments": %s, "tag": 39}`, method, arguments)).Body
	if err := json.NewDecoder(body).Decode(&answer); err != nil || answer.Arguments == nil || answer.Tag != 39 {
		p.t.Fatalf("%s: %v: %+v", method, err, answer)
	}
	return answer.Result, answer.Arguments
}

// succeed calls a method that has to succeed.
func (p program) succeed(method, arguments string) map[string]any {
	p.t.Helper()
	result, arguments2 := p.call(method, arguments)
	if result != "success" {
		p.t.Fatalf("%s %s: %s", method, arguments, result)
	}
	return arguments2
}

// refused calls a method that has to fail for a reason with these words.
func (p program) refused(method, arguments, words string) {
	p.t.Helper()
	if result, _ := p.call(method, arguments); !strings.Contains(result, words) {
		p.t.Errorf("%s %s: %q, want %q in it", method, arguments, result, words)
	}
}

func TestProgramsAreLetInByTheirPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), webui.PasswordFile)
	w := &world{t, webuitest.NewAgent(), webui.New(webui.Config{Agent: webuitest.NewAgent(), Token: token, PasswordPath: path})}
	basic := func(password string) map[string]string {
		return map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("anybody:"+password))}
	}
	ask := func(want int, password string) {
		t.Helper()
		q := request{method: "POST", path: rpcPath, anonymous: true}
		if password != "" {
			q.header = basic(password)
		}
		answer := w.status(want, q)
		if want == http.StatusUnauthorized && !slices.ContainsFunc(answer.Header().Values("WWW-Authenticate"), func(s string) bool { return strings.HasPrefix(s, "Basic ") }) {
			t.Errorf("asked for %q", answer.Header().Values("WWW-Authenticate"))
		}
	}
	ask(http.StatusUnauthorized, "")
	ask(http.StatusConflict, token) // let in, and asked for the session
	ask(http.StatusUnauthorized, "no password is set")
	w.status(http.StatusNoContent, request{method: "PUT", path: "/api/v1/password", body: `{"password": "correct horse"}`, header: jsonBody})
	ask(http.StatusUnauthorized, "wrong horse")
	for range 20 { // more than wrong ones are allowed
		ask(http.StatusConflict, "correct horse")
	}
	w.status(http.StatusNoContent, request{method: "PUT", path: "/api/v1/password", body: `{"password": "battery staple"}`, header: jsonBody})
	ask(http.StatusUnauthorized, "correct horse")
	ask(http.StatusConflict, "battery staple")
	for range 8 {
		w.send(request{method: "POST", path: rpcPath, anonymous: true, header: basic("guess"), from: "192.168.1.66:40000"})
	}
	w.status(http.StatusTooManyRequests, request{method: "POST", path: rpcPath, anonymous: true, header: basic("guess"), from: "192.168.1.66:40000"})
}

func TestOtherSitesCannotCall(t *testing.T) {
	p := newProgram(t)
	for name, header := range map[string]map[string]string{
		"another site's page":        {rpcSession: p.session, "Sec-Fetch-Site": "cross-site"},
		"its form, in an old client": {rpcSession: p.session, "Origin": "http://evil.example"},
	} {
		if answer := p.send(request{method: "POST", path: rpcPath, header: header}); answer.Code != http.StatusForbidden || answer.Header().Get(rpcSession) != "" {
			t.Errorf("%s: status %d, session %q", name, answer.Code, answer.Header().Get(rpcSession))
		}
	}
	p.status(http.StatusConflict, request{method: "POST", path: rpcPath, header: map[string]string{rpcSession: p.session[1:] + "0"}})
	p.status(http.StatusForbidden, request{method: "POST", path: rpcPath, host: "evil.example"})
	p.status(http.StatusConflict, request{method: "POST", path: rpcPath + "/"})
	p.status(http.StatusMethodNotAllowed, request{path: rpcPath, header: map[string]string{rpcSession: p.session}})
	p.status(http.StatusRequestEntityTooLarge, request{
		method: "POST", path: rpcPath, body: strings.Repeat(" ", 15<<20), header: map[string]string{rpcSession: p.session},
	})
	if calls := p.agent.Calls(); len(calls) > 0 {
		t.Errorf("carried out: %q", calls)
	}
}

func TestMalformedCallsAreAnswered(t *testing.T) {
	p := newProgram(t)
	for _, body := range []string{
		``, `[]`, `{"method": 7}`, `{"method": "no-such-method"}`, `{"method": "torrent-get"}`, `{"method": "torrent-get", "arguments": []}`,
		`{"method": "torrent-get", "arguments": {"fields": "id"}}`, `{"method": "torrent-get", "arguments": {"fields": ["no such field"]}}`,
		`{"method": "torrent-get", "arguments": {"fields": ["id"], "ids": {"a": 1}}}`, `{"method": "torrent-get", "arguments": {"fields": ["id"], "ids": ["xyz"]}}`,
		`{"method": "torrent-add", "arguments": {}}`, `{"method": "torrent-add", "arguments": {"metainfo": "%%%"}}`, `{"method": "torrent-remove"}`,
		`{"method": "torrent-remove", "arguments": {"ids": null}}`, `{"method": "session-set", "arguments": {"speed-limit-up": "fast"}}`,
		`{"method": "session-close"}`, `{"method": "free-space", "arguments": {"path": "/etc"}}`, strings.Repeat("[", 100_000),
	} {
		answer := decode[struct {
			Result    string         `json:"result"`
			Arguments map[string]any `json:"arguments"`
		}](t, p.post(body).Body)
		if answer.Result == "success" || answer.Result == "" || len(answer.Arguments) > 0 {
			t.Errorf("%.80s: %+v", body, answer)
		}
	}
	if calls := p.agent.Calls(); len(calls) > 0 {
		t.Errorf("carried out: %q", calls)
	}
}

func TestTorrentsAsObjectsAndAsATable(t *testing.T) {
	p := newProgram(t)
	const fields = `["id", "name", "no such field", "hashString", "status", "labels", "sizeWhenDone", "leftUntilDone", "percentDone", "eta", "error", "errorString"]`
	objects := p.succeed("torrent-get", `{"fields": `+fields+`}`)["torrents"].([]any)
	if len(objects) != 8 {
		t.Fatalf("%d torrents", len(objects))
	}
	byHash := make(map[string]map[string]any)
	for _, o := range objects {
		torrent := o.(map[string]any)
		if len(torrent) != 11 {
			t.Errorf("%d fields: %v", len(torrent), torrent)
		}
		byHash[torrent["hashString"].(string)] = torrent
	}
	loading, helped, failed := byHash[webuitest.Hash(0x12).String()], byHash[webuitest.Hash(0x21).String()], byHash[webuitest.Hash(0x14).String()]
	if loading["status"] != 4.0 || loading["leftUntilDone"] != float64(9<<30-6<<30-200<<20) || loading["eta"].(float64) < 600 || fmt.Sprint(loading["labels"]) != "[]" {
		t.Errorf("a download: %v", loading)
	}
	if helped["status"] != 6.0 || helped["percentDone"] != 1.0 || fmt.Sprint(helped["labels"]) != "[background]" {
		t.Errorf("a swarm that is helped: %v", helped)
	}
	if failed["status"] != 0.0 || failed["error"] != 3.0 || !strings.Contains(failed["errorString"].(string), "41 GiB") {
		t.Errorf("one that failed: %v", failed)
	}

	table := p.succeed("torrent-get", `{"fields": ["name", "nothing", "id"], "format": "table", "ids": [2, "`+webuitest.Hash(0x21).String()+`", 99]}`)["torrents"].([]any)
	if got := fmt.Sprint(table); got != "[[name id] [sentinel-2-mosaic-2025 2] [Prelinger Archives, reels 120–180 5]]" {
		t.Errorf("the table is %s", got)
	}
	detail := p.succeed("torrent-get", `{"ids": 2, "fields": ["files", "fileStats", "wanted", "priorities", "peers", "trackerStats", "file-count"]}`)["torrents"].([]any)[0].(map[string]any)
	file := detail["files"].([]any)[1].(map[string]any)
	if file["name"] != "sentinel-2-mosaic-2025/second" || file["bytesCompleted"].(float64) >= file["length"].(float64) || len(detail["wanted"].([]any)) != 2 {
		t.Errorf("details: %v", detail)
	}
	if peer := detail["peers"].([]any)[0].(map[string]any); peer["address"] != "198.51.100.7" || peer["flagStr"] != "D" {
		t.Errorf("a peer: %v", peer)
	}
	said := p.succeed("torrent-get", `{"ids": "`+webuitest.Hash(0x13).String()+`", "fields": ["trackerStats", "name"]}`)["torrents"].([]any)[0].(map[string]any)
	if tracker := said["trackerStats"].([]any)[1].(map[string]any); tracker["lastAnnounceSucceeded"] != false || !strings.Contains(tracker["lastAnnounceResult"].(string), "Unregistered") {
		t.Errorf("a tracker: %v", tracker)
	}
	if said["name"] != webuitest.Hash(0x13).String() {
		t.Errorf("one without a name is called %q", said["name"])
	}
}

func TestWhatChangedLately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProgram(t)
		recent := func() string {
			a := p.succeed("torrent-get", `{"ids": "recently-active", "fields": ["id"], "format": "table"}`)
			return fmt.Sprint(a["torrents"], a["removed"])
		}
		if got := recent(); got != "[[id] [1] [2] [3] [4] [5] [6] [7] [8]] []" {
			t.Errorf("at first: %s", got)
		}
		<-time.After(61 * time.Second)
		if got := recent(); got != "[[id]] []" {
			t.Errorf("after a minute: %s", got)
		}
		p.succeed("torrent-stop", `{"ids": [2]}`)
		p.succeed("torrent-remove", `{"ids": [3], "delete-local-data": true}`)
		p.succeed("torrent-add", `{"filename": "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567", "paused": true}`)
		if got := recent(); got != "[[id] [2] [9]] [3]" {
			t.Errorf("after changes: %s", got)
		}
		<-time.After(61 * time.Second)
		if got := recent(); got != "[[id]] []" {
			t.Errorf("a minute after: %s", got)
		}
	})
}

func TestProgramsActOnDownloadsOnly(t *testing.T) {
	p := newProgram(t)
	p.succeed("torrent-stop", `{"ids": 1}`)
	p.succeed("torrent-start-now", `{"ids": [1]}`)
	p.succeed("torrent-verify", `{"ids": ["`+webuitest.Hash(0x12).String()+`"]}`)
	p.succeed("torrent-remove", `{"ids": [4, 12345]}`)
	p.succeed("torrent-set-location", `{"ids": [1], "location": "/mnt/films", "move": true}`)
	p.refused("torrent-set-location", `{"ids": [1], "location": "films", "move": true}`, "films")
	p.refused("torrent-set-location", `{"ids": [1], "location": "/mnt/films"}`, "ebb moves files itself")
	p.refused("torrent-set-location", `{"location": "/mnt/films", "move": true}`, "name the torrents")
	p.refused("torrent-set-location", `{"ids": [5], "location": "/mnt/films", "move": true}`, "in the background")
	p.refused("torrent-remove", `{"ids": [5]}`, "in the background")
	p.refused("torrent-stop", `{"ids": ["`+webuitest.Hash(0x22).String()+`"]}`, "in the background")
	p.refused("torrent-remove", `{}`, "name the torrents")
	p.refused("torrent-set", `{"ids": [1], "labels": ["tv"]}`, "cannot change labels")
	p.succeed("torrent-set", `{"ids": [1], "labels": [], "seedRatioLimit": 2}`)
	want := []string{
		"stop " + webuitest.Hash(0x11).String(), "start " + webuitest.Hash(0x11).String(), "verify " + webuitest.Hash(0x12).String(),
		"remove data=false help=false " + webuitest.Hash(0x14).String(),
		"move " + webuitest.Hash(0x11).String() + " /mnt/films", "move " + webuitest.Hash(0x11).String() + " films",
	}
	if got := p.agent.Calls(); !slices.Equal(got, want) {
		t.Errorf("carried out: %q", got)
	}
	p.succeed("torrent-stop", `{}`) // all
	if got := p.agent.Calls()[len(want):]; len(got) != 3 {
		t.Errorf("all stopped: %q", got)
	}
}

func TestTorrentsAreAdded(t *testing.T) {
	p := newProgram(t)
	file := []byte("d4:infod4:name1:aee")
	added := p.succeed("torrent-add", `{"metainfo": "`+base64.StdEncoding.EncodeToString(file)+`", "download-dir": "/srv/downloads/"}`)["torrent-added"].(map[string]any)
	again := p.succeed("torrent-add", `{"metainfo": "`+base64.StdEncoding.EncodeToString(file)+`"}`)["torrent-duplicate"].(map[string]any)
	if fmt.Sprint(added) != fmt.Sprint(again) || added["hashString"] != webuitest.HashOf(webui.Source{File: file}).String() || added["id"] != 5.0 {
		t.Errorf("added %v, again %v", added, again)
	}
	p.refused("torrent-add", `{"filename": "magnet:?xt=a", "download-dir": "/etc"}`, "/srv/downloads")
	if got := len(p.agent.Sources()); got != 1 {
		t.Errorf("%d were added", got)
	}
}

func TestSessionShowsAndSetsPreferences(t *testing.T) {
	p := newProgram(t)
	got := p.succeed("session-get", `{}`)
	if got["rpc-version"] != 17.0 || got["download-dir"] != "/srv/downloads" || got["speed-limit-up-enabled"] != false ||
		!strings.HasPrefix(got["version"].(string), "4.0.0 (ebb ") {
		t.Errorf("the session is %v", got)
	}
	p.succeed("session-set", `{"speed-limit-up": 250, "speed-limit-up-enabled": true, "speed-limit-down": 900, "seedRatioLimit": 2}`)
	some := p.succeed("session-get", `{"fields": ["speed-limit-up", "speed-limit-up-enabled", "speed-limit-down-enabled", "nothing"]}`)
	if fmt.Sprint(some) != "map[speed-limit-down-enabled:false speed-limit-up:250 speed-limit-up-enabled:true]" {
		t.Errorf("then it is %v", some)
	}
	p.refused("session-set", `{"speed-limit-up": 0, "speed-limit-up-enabled": true}`, "foreground.upload")
	p.succeed("session-set", `{"speed-limit-up-enabled": false}`)
	if u := p.succeed("session-get", `{}`)["speed-limit-up-enabled"]; u != false {
		t.Error("a limit cannot be taken away")
	}
	stats := p.succeed("session-stats", `{}`)
	if stats["torrentCount"] != 8.0 || stats["pausedTorrentCount"] != 1.0 || stats["downloadSpeed"].(float64) <= 0 {
		t.Errorf("stats: %v", stats)
	}
	if free := p.succeed("free-space", `{"path": "/srv/downloads"}`); free["size-bytes"].(float64) <= 0 || free["path"] != "/srv/downloads" {
		t.Errorf("free: %v", free)
	}
}
