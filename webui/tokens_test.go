package webui_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ebb/webui"
	"ebb/webui/webuitest"
)

const tokensPath = "/api/v1/tokens"

// withTokens is a world that keeps tokens in a file.
func withTokens(t *testing.T, path string) *world {
	agent := webuitest.NewAgent()
	return &world{t, agent, webui.New(webui.Config{Agent: agent, Token: token, TokensPath: path})}
}

// makeToken makes one.
func (w *world) makeToken(name string, readOnly bool) string {
	w.t.Helper()
	answer := w.status(http.StatusCreated, request{method: "POST", path: tokensPath, body: fmt.Sprintf(`{"name": %q, "read_only": %t}`, name, readOnly), header: jsonBody})
	return decode[webui.MadeToken](w.t, answer.Body).Token
}

// as sends with another token and returns the status.
func (w *world) as(token string, q request) int {
	w.t.Helper()
	q.anonymous = true
	if q.header == nil {
		q.header = map[string]string{}
	}
	q.header["Authorization"] = "Bearer " + token
	return w.send(q).Code
}

func TestTokensDoWhatTheyAreGoodFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), webui.TokensFile)
	w := withTokens(t, path)
	look, act := w.makeToken("Prometheus", true), w.makeToken("a script", false)
	for _, c := range []struct {
		q         request
		look, act int
	}{
		{request{path: "/api/v1/status"}, 200, 200},
		{request{path: "/metrics"}, 200, 200},
		{request{path: "/api/v1/preferences"}, 200, 200},
		{request{method: "PATCH", path: "/api/v1/preferences", body: "{}"}, 403, 200},
		{request{method: "POST", path: "/api/v1/foreground/" + webuitest.Hash(1).String() + "/start"}, 403, 404},
		{request{method: "PUT", path: "/api/v1/password", body: `{"password": "correct horse"}`}, 403, 403},
		{request{path: tokensPath}, 403, 403},
		{request{method: "POST", path: tokensPath, body: `{"name": "more"}`}, 403, 403},
		{request{method: "DELETE", path: tokensPath + "/Prometheus"}, 403, 403},
		{request{method: "POST", path: "/api/v1/session"}, 401, 401}, // a session may do everything
	} {
		if l, a := w.as(look, c.q), w.as(act, c.q); l != c.look || a != c.act {
			t.Errorf("%s %s: read-only %d, full %d; want %d and %d", c.q.method, c.q.path, l, a, c.look, c.act)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), look) || strings.Contains(string(text), act) {
		t.Errorf("the file holds the tokens, or: %v", err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", fi.Mode(), err)
	}

	w = withTokens(t, path) // after a restart
	if got := w.as(look, request{path: "/api/v1/status"}); got != 200 {
		t.Errorf("after a restart: %d", got)
	}
	list := decode[webui.List[webui.Token]](t, w.status(200, request{path: tokensPath}).Body)
	if list.Total != 2 || list.Items[0].Name != "Prometheus" || !list.Items[0].ReadOnly || list.Items[1].ReadOnly || list.Items[0].Made.IsZero() {
		t.Errorf("listed: %+v", list)
	}
	w.status(204, request{method: "DELETE", path: tokensPath + "/a%20script"})
	w.status(404, request{method: "DELETE", path: tokensPath + "/a%20script"})
	if got := w.as(act, request{path: "/api/v1/status"}); got != 401 {
		t.Errorf("revoked: %d", got)
	}
}

func TestTokensOfProgramsForTransmission(t *testing.T) {
	w := withTokens(t, filepath.Join(t.TempDir(), webui.TokensFile))
	call := func(token, method string) (int, string) {
		q := request{method: "POST", path: rpcPath, anonymous: true, body: `{"method": "` + method + `", "arguments": {"fields": ["id"]}}`,
			header: map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+token))}}
		q.header[rpcSession] = w.send(q).Header().Get(rpcSession)
		answer := w.send(q)
		var said struct{ Result string }
		_ = json.Unmarshal(answer.Body.Bytes(), &said) // empty if it is a problem
		return answer.Code, said.Result
	}
	look, act := w.makeToken("look", true), w.makeToken("act", false)
	for _, method := range []string{"torrent-get", "session-get", "session-stats", "free-space"} {
		if code, said := call(look, method); code != 200 || said != "success" {
			t.Errorf("%s by a token to look: %d %s", method, code, said)
		}
	}
	for _, method := range []string{"torrent-stop", "session-set", "torrent-remove", "torrent-add"} {
		if code, said := call(look, method); code != 200 || !strings.Contains(said, "may only look") {
			t.Errorf("%s by a token to look: %d %s", method, code, said)
		}
	}
	if code, said := call(act, "torrent-stop"); code != 200 || said != "success" {
		t.Errorf("torrent-stop by a full one: %d %s", code, said)
	}
	if code, _ := call(act+"0", "torrent-get"); code != 401 {
		t.Errorf("by a wrong one: %d", code)
	}
}

func TestTokensThatCannotBeMade(t *testing.T) {
	w := withTokens(t, filepath.Join(t.TempDir(), webui.TokensFile))
	for _, body := range []string{``, `[]`, `{}`, `{"name": ""}`, `{"name": "a\u0007b"}`, `{"name": "` + strings.Repeat("x", 65) + `"}`, `{"name": 7}`} {
		w.status(400, request{method: "POST", path: tokensPath, body: body, header: jsonBody})
	}
	w.makeToken("one", true)
	w.status(409, request{method: "POST", path: tokensPath, body: `{"name": "one"}`, header: jsonBody})
	for n := range 31 {
		w.makeToken(fmt.Sprint("more ", n), false)
	}
	w.status(409, request{method: "POST", path: tokensPath, body: `{"name": "too many"}`, header: jsonBody})

	damaged := filepath.Join(t.TempDir(), webui.TokensFile)
	if err := os.WriteFile(damaged, []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := withTokens(t, damaged).as(strings.Repeat("0", 64), request{path: "/api/v1/status"}); got != 401 {
		t.Errorf("with a damaged file: %d", got)
	}
	newWorld(t).status(409, request{method: "POST", path: tokensPath, body: `{"name": "one"}`, header: jsonBody}) // it keeps none
}
