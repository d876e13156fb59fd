package webui_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ebb/agent/prefs"
	"ebb/webui"
	"ebb/webui/webuitest"
)

func TestStatusHasWhatTheDesignLists(t *testing.T) {
	w := newWorld(t)
	var status map[string]any
	if err := json.Unmarshal(w.status(200, request{path: "/api/v1/status"}).Body.Bytes(), &status); err != nil {
		t.Fatal(err)
	}
	for section, keys := range map[string]string{
		"": "version uptime_seconds state why background foreground disk link",
		"background": "upload_rate download_rate upload_limit download_limit uploaded downloaded storage_used storage_limit fragments swarms candidates " +
			"write_budget written_today write_budget_renews",
		"disk": "free total promised read_only asleep same_disk downloads_free downloads_total",
		"link": "interface line_up line_down others_up others_down queue_delay_ms",
	} {
		fields := status
		if section != "" {
			fields = status[section].(map[string]any)
		}
		for _, key := range strings.Fields(keys) {
			if _, ok := fields[key]; !ok {
				t.Errorf("status has no %s %s", section, key)
			}
		}
	}
}

func TestListsAreWholeUnlessALimitIsAskedFor(t *testing.T) {
	w := newWorld(t)
	all := decode[webui.List[webui.BackgroundSwarm]](t, w.status(200, request{path: "/api/v1/background"}).Body)
	if all.Total != 4 || len(all.Items) != 4 {
		t.Errorf("%d of %d swarms", len(all.Items), all.Total)
	}
	some := decode[webui.List[webui.BackgroundSwarm]](t, w.status(200, request{path: "/api/v1/background?limit=3"}).Body)
	if some.Total != 4 || len(some.Items) != 3 || some.Items[0].Hash != all.Items[0].Hash {
		t.Errorf("%d of %d swarms", len(some.Items), some.Total)
	}
	for _, limit := range []string{"-1", "x", "1e3", "99999999999999999999"} {
		w.status(400, request{path: "/api/v1/background?limit=" + limit})
	}
}

func TestAnEmptyListIsNotNull(t *testing.T) {
	w := newWorld(t)
	w.api = webui.New(webui.Config{Agent: webuitest.NewAgent(), Token: token})
	for _, kind := range []string{"foreground", "background", "candidates"} {
		body := w.status(200, request{path: "/api/v1/" + kind}).Body.String()
		if body != `{"total":0,"items":[]}`+"\n" {
			t.Errorf("%s: %s", kind, body)
		}
	}
}

func TestOneTorrentOrSwarmIsFoundByItsHash(t *testing.T) {
	w := newWorld(t)
	torrent := decode[webui.ForegroundTorrent](t, w.status(200, request{path: "/api/v1/foreground/" + webuitest.Hash(0x12).String()}).Body)
	swarm := decode[webui.BackgroundSwarm](t, w.status(200, request{path: "/api/v1/background/" + webuitest.Hash(0x22).String()}).Body)
	why := decode[webui.Why](t, w.status(200, request{path: "/api/v1/background/" + webuitest.Hash(0x21).String() + "/why"}).Body)
	if torrent.Name != "sentinel-2-mosaic-2025" || swarm.Pieces != 20736 || why.Introducer.Client != "ebb 0.1.0" || why.Introducer.ViaHash != webuitest.Hash(0x11) {
		t.Errorf("%v, %v, %v", torrent, swarm, why)
	}
}

func TestAHashIs40HexDigits(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{
		"foreground/H", "background/H", "background/H/why",
	} {
		for _, hash := range []string{"x", strings.Repeat("a", 39), strings.Repeat("a", 41), strings.Repeat("g", 40), "%2e%2e", "%00"} {
			w.status(400, request{path: "/api/v1/" + strings.Replace(path, "H", hash, 1)})
		}
		w.status(404, request{path: "/api/v1/" + strings.Replace(path, "H", strings.Repeat("aB", 20), 1)})
	}
	w.status(400, request{method: "POST", path: "/api/v1/background/zz/veto"})
	w.status(400, request{method: "POST", path: "/api/v1/background/zz/promote"})
	w.status(400, request{method: "DELETE", path: "/api/v1/foreground/zz"})
	if calls := w.agent.Calls(); len(calls) > 0 {
		t.Errorf("the agent was told to %q", calls)
	}
}

func TestTheOwnersWishesReachTheAgent(t *testing.T) {
	w := newWorld(t)
	hash := func(n byte) string { return webuitest.Hash(n).String() }
	for _, call := range []struct{ method, path, want string }{
		{"POST", "foreground/" + hash(0x12) + "/stop", "stop " + hash(0x12)},
		{"POST", "foreground/" + hash(0x12) + "/start", "start " + hash(0x12)},
		{"DELETE", "foreground/" + hash(0x11), "remove data=false help=false " + hash(0x11)},
		{"DELETE", "foreground/" + hash(0x12) + "?data=keep", "remove data=false help=false " + hash(0x12)},
		{"DELETE", "foreground/" + hash(0x13) + "?data=delete", "remove data=true help=false " + hash(0x13)},
		{"DELETE", "background/" + hash(0x21), "leave " + hash(0x21)},
		{"POST", "background/" + hash(0x22) + "/veto", "veto " + hash(0x22)},
		{"POST", "candidates/" + hash(0x31) + "/approve", "approve " + hash(0x31)},
	} {
		answer := w.status(204, request{method: call.method, path: "/api/v1/" + call.path})
		calls := w.agent.Calls()
		if got := calls[len(calls)-1]; got != call.want || answer.Body.Len() > 0 {
			t.Errorf("%s %s: the agent was told %q; the answer was %q", call.method, call.path, got, answer.Body)
		}
	}
	for _, query := range []string{"data=yes", "keep_helping=perhaps", "keep_helping=true&data=fragments"} {
		w.status(400, request{method: "DELETE", path: "/api/v1/foreground/" + hash(0x14) + "?" + query})
	}
	w.status(409, request{method: "POST", path: "/api/v1/candidates/" + hash(0x32) + "/approve"})
}

func TestTorrentsAreAddedByLinkOrByFile(t *testing.T) {
	w := newWorld(t)
	const magnet = "magnet:?xt=urn:btih:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&dn=a%20b"
	for _, add := range []struct {
		path, body string
		header     map[string]string
		want       webui.Source
		call       string
	}{
		{"foreground", `{"uri": " ` + magnet + `\n"}`, jsonBody, webui.Source{URI: magnet}, "add start=true "},
		{"foreground?start=false", `{"uri": "https://example.org/a.torrent"}`, map[string]string{"Content-Type": "application/json; charset=utf-8"},
			webui.Source{URI: "https://example.org/a.torrent"}, "add start=false "},
		{"foreground?start=true", "d4:infode", torrentBody, webui.Source{File: []byte("d4:infode")}, "add start=true "},
		{"background", `{"uri": "` + magnet + `2"}`, jsonBody, webui.Source{URI: magnet + "2"}, "help "},
		{"background", "d4:infod1:ai1eee", torrentBody, webui.Source{File: []byte("d4:infod1:ai1eee")}, "help "},
	} {
		answer := w.status(201, request{method: "POST", path: "/api/v1/" + add.path, body: add.body, header: add.header})
		added := decode[webui.Added](t, answer.Body)
		sources, calls := w.agent.Sources(), w.agent.Calls()
		got, call := sources[len(sources)-1], calls[len(calls)-1]
		if got.URI != add.want.URI || string(got.File) != string(add.want.File) || call != add.call+added.Hash.String() {
			t.Errorf("%s: the agent was given %q and told %q", add.path, got, call)
		}
	}
	again := w.status(409, request{method: "POST", path: "/api/v1/foreground", body: `{"uri": "` + magnet + `"}`, header: jsonBody})
	if !strings.Contains(errorText(again), "already") {
		t.Errorf("the answer does not say why: %s", again.Body)
	}
}

func TestWhatCannotBeAddedIsSaidSo(t *testing.T) {
	w := newWorld(t)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for _, bad := range []struct {
		body   string
		header map[string]string
		status int
	}{
		{"", jsonBody, 400},
		{"{", jsonBody, 400},
		{"[]", jsonBody, 400},
		{"null", jsonBody, 400},
		{`{"uri": 7}`, jsonBody, 400},
		{`{"uri": ""}`, jsonBody, 400},
		{`{"uri": "magnet:?xt=a", "start": true}`, jsonBody, 400},
		{`{"uri": "magnet:?xt=a"} {}`, jsonBody, 400},
		{`{"uri": "magnet:?xt=` + strings.Repeat("a", webui.MaxURI) + `"}`, jsonBody, 400},
		{strings.Repeat("[", 100_000), jsonBody, 400},
		{`{"uri": "` + strings.Repeat("a", 300<<10) + `"}`, jsonBody, 413},
		{"", torrentBody, 400},
		{strings.Repeat("d", webui.MaxTorrentFile+1), torrentBody, 413},
		{"uri=magnet:?xt=a", form, 415},
		{"uri=magnet:?xt=a", nil, 415},
	} {
		for _, kind := range []string{"foreground", "background"} {
			w.status(bad.status, request{method: "POST", path: "/api/v1/" + kind, body: bad.body, header: bad.header})
		}
	}
	w.status(400, request{method: "POST", path: "/api/v1/foreground?start=maybe", body: `{"uri": "magnet:?xt=a"}`, header: jsonBody})
	if calls := w.agent.Calls(); len(calls) > 0 {
		t.Errorf("the agent was told to %q", calls)
	}
	w.status(201, request{method: "POST", path: "/api/v1/foreground", body: strings.Repeat("d", webui.MaxTorrentFile), header: torrentBody})
}

func TestPreferencesAreReadAndReplaced(t *testing.T) {
	w := newWorld(t)
	read := w.status(200, request{path: "/api/v1/preferences"})
	tag := read.Header().Get("ETag")
	changed := strings.Replace(read.Body.String(), `"20GiB"`, `"30GiB"`, 1)
	put := request{method: "PUT", path: "/api/v1/preferences", body: changed, header: map[string]string{"If-Match": tag}}
	written := w.status(200, put)
	p, err := w.agent.Preferences(t.Context())
	if err != nil || p.Background.Storage != prefs.StorageOf(30<<30) {
		t.Errorf("storage is %v, %v", p.Background.Storage, err)
	}
	if written.Header().Get("ETag") == tag || !strings.Contains(written.Body.String(), `"30GiB"`) {
		t.Errorf("answered with the old preferences: %s", written.Body)
	}

	put.body = strings.Replace(changed, `"30GiB"`, `"40GiB"`, 1)
	w.status(412, put) // made from what was there before
	if p, _ := w.agent.Preferences(t.Context()); p.Background.Storage != prefs.StorageOf(30<<30) {
		t.Errorf("another editor's change was undone: storage is %v", p.Background.Storage)
	}
	put.header = map[string]string{"If-Match": written.Header().Get("ETag")}
	w.status(200, put)
	put.header = nil
	w.status(200, put)
}

func TestBadPreferencesChangeNothing(t *testing.T) {
	w := newWorld(t)
	good := w.status(200, request{path: "/api/v1/preferences"}).Body.String()
	for _, bad := range []string{
		"", "{", "[]", `{"background": {"storage": "lots"}}`, `{"background": {"stoarge": "1GiB"}}`, good + "{}",
	} {
		answer := w.status(400, request{method: "PUT", path: "/api/v1/preferences", body: bad})
		if strings.Contains(bad, "lots") && !strings.Contains(errorText(answer), "background.storage") {
			t.Errorf("the answer does not name the key: %s", answer.Body)
		}
	}
	w.status(413, request{method: "PUT", path: "/api/v1/preferences", body: strings.Repeat(" ", 300<<10)})
	if calls := w.agent.Calls(); len(calls) > 0 {
		t.Errorf("the agent was told to %q", calls)
	}
}

func TestErrorsOfTheAgentBecomeAnswers(t *testing.T) {
	w := newWorld(t)
	for _, e := range []struct {
		err    error
		status int
	}{
		{fmt.Errorf("looking: %w", webui.ErrNotFound), 404},
		{fmt.Errorf("changing: %w", webui.ErrConflict), 409},
		{fmt.Errorf("adding: %w", &webui.BadRequest{Err: errors.New("the magnet link has no hash")}), 400},
		{errors.New("the disk caught fire"), 500},
	} {
		w.agent.Fail(e.err)
		answer := w.status(e.status, request{path: "/api/v1/status"})
		if errorText(answer) != e.err.Error() {
			t.Errorf("%v became %s", e.err, answer.Body)
		}
	}
}

func TestWrongMethodsAndPathsAreSaidSo(t *testing.T) {
	w := newWorld(t)
	answer := w.status(405, request{method: "POST", path: "/api/v1/preferences"})
	if allow := answer.Header().Get("Allow"); allow != "GET, PATCH, PUT" {
		t.Errorf("allowed: %q", allow)
	}
	for _, q := range []request{
		{method: "GET", path: "/api/v1/background/" + webuitest.Hash(0x21).String() + "/veto"},
		{method: "GET", path: "/api/v1/background/" + webuitest.Hash(0x21).String() + "/promote"},
		{method: "DELETE", path: "/api/v1/background/" + webuitest.Hash(0x21).String() + "/promote"},
		{method: "PUT", path: "/api/v1/doctor"},
		{method: "DELETE", path: "/api/v1/doctor"},
	} {
		w.status(405, q)
	}
	if calls := w.agent.Calls(); len(calls) > 0 {
		t.Errorf("the agent was told to %q", calls)
	}
	for _, path := range []string{"/api/v1/", "/api/v1/nothing", "/api/v2/status", "/api/v1/status/x", "/nothing.html", "/static/index.html"} {
		w.status(404, request{path: path})
	}
	if body := w.send(request{method: "HEAD", path: "/api/v1/status"}); body.Code != 200 {
		t.Errorf("HEAD: status %d", body.Code)
	}
}

func TestEveryEndpointExists(t *testing.T) {
	w := newWorld(t)
	for _, e := range everyEndpoint {
		method, path := endpoint(e)
		if e == "GET events" {
			method = "HEAD" // as a GET of it does not end
		}
		answer := w.send(request{method: method, path: path})
		if slices.Contains([]int{405, 501}, answer.Code) || strings.HasPrefix(errorText(answer), "there is no ") {
			t.Errorf("%s: %d %s", e, answer.Code, answer.Body)
		}
	}
}

func TestMarkupInNamesStaysText(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"foreground", "candidates"} {
		answer := w.status(200, request{path: "/api/v1/" + path})
		if kind := answer.Header().Get("Content-Type"); kind != "application/json" {
			t.Errorf("%s: content type %q", path, kind)
		}
		if body := answer.Body.String(); strings.ContainsAny(body, "<>") || !strings.Contains(body, `\u003cscript\u003e`) {
			t.Errorf("%s: markup is not escaped: %s", path, body)
		}
	}
}

func TestListsAreSearchedAndPaged(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string][]byte{
		"": {0x21, 0x22, 0x23, 0x24}, "?q=": {0x21, 0x22, 0x23, 0x24}, "?q=ARCHIVES": {0x21}, "?q=reels+prelinger": {0x21},
		"?q=2222": {0x22}, "?q=prelinger+nosuch": {}, "?offset=1&limit=2": {0x22, 0x23}, "?offset=3&limit=9": {0x24}, "?offset=99": {},
		"?q=planet&offset=1": {},
	} {
		l := decode[webui.List[webui.BackgroundSwarm]](t, w.status(200, request{path: "/api/v1/background" + query}).Body)
		got := make([]byte, 0, len(l.Items))
		for _, item := range l.Items {
			got = append(got, item.Hash[0])
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s lists %x of %d, not %x", query, got, l.Total, want)
		}
	}
	for _, bad := range []string{"?offset=-1", "?offset=x", "?limit=-1", "?limit=1.5"} {
		w.status(400, request{path: "/api/v1/candidates" + bad})
	}
}
