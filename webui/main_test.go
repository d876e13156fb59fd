package webui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ebb/webui"
	"ebb/webui/webuitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// patience bounds every wait for something that is bound to happen.
const patience = 20 * time.Second

// world is an agent behind an API.
type world struct {
	t     *testing.T
	agent *webuitest.Agent
	api   http.Handler
}

func newWorld(t *testing.T) *world {
	agent := webuitest.NewHousehold(time.Now())
	return &world{t, agent, webui.New(webui.Config{
		Agent:        agent,
		Token:        token,
		AllowedHosts: func() []string { return []string{"nas.example.net", "Box.Example.NET."} },
	})}
}

// request is what is sent. Empty fields are filled in by send: a GET, from the machine itself, with the token.
type request struct {
	method, path, body string
	host, from         string
	header             map[string]string
	anonymous          bool // without the token
}

func (w *world) send(q request) *httptest.ResponseRecorder {
	w.t.Helper()
	if q.method == "" {
		q.method = http.MethodGet
	}
	r := httptest.NewRequest(q.method, q.path, strings.NewReader(q.body))
	r.Host, r.RemoteAddr = "127.0.0.1:8088", "127.0.0.1:40000"
	if q.from != "" {
		r.RemoteAddr = q.from
	}
	if q.host != "" {
		r.Host = q.host
	}
	if !q.anonymous {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	answer := httptest.NewRecorder()
	w.api.ServeHTTP(answer, r)
	return answer
}

// status sends, and fails the test if the answer has another status, or is an error that is no problem document.
func (w *world) status(want int, q request) *httptest.ResponseRecorder {
	w.t.Helper()
	answer := w.send(q)
	if answer.Code != want {
		w.t.Fatalf("%s %s: status %d, want %d: %s", q.method, q.path, answer.Code, want, answer.Body)
	}
	if want >= 400 && errorText(answer) == "" {
		w.t.Errorf("%s %s: the error is no problem document: %s", q.method, q.path, answer.Body)
	}
	return answer
}

func errorText(answer *httptest.ResponseRecorder) string {
	var p webui.Problem
	kind := answer.Header().Get("Content-Type")
	if json.NewDecoder(bytes.NewReader(answer.Body.Bytes())).Decode(&p) != nil || p.Status != answer.Code || p.Title == "" || kind != "application/problem+json" {
		return ""
	}
	return p.Detail
}

func decode[T any](t *testing.T, body io.Reader) (v T) {
	t.Helper()
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// jsonBody is a request header.
var jsonBody = map[string]string{"Content-Type": "application/json"}

// torrentBody is a request header.
var torrentBody = map[string]string{"Content-Type": "application/x-bittorrent"}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}
