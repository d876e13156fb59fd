package webui_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"ebb/webui/webuitest"
)

// description loads the description of the API, as it is served.
func (w *world) description() (*openapi3.T, routers.Router) {
	w.t.Helper()
	served := w.status(200, request{path: "/api/v1/openapi.yaml"})
	doc, err := openapi3.NewLoader().LoadFromData(served.Body.Bytes())
	if err != nil {
		w.t.Fatal(err)
	}
	if err := doc.Validate(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		w.t.Fatal(err)
	}
	return doc, router
}

func TestTheDescriptionHasEveryEndpointAndNoOther(t *testing.T) {
	doc, _ := newWorld(t).description()
	var described []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			path := strings.NewReplacer("{hash}", "H", "{name}", "H").Replace(strings.TrimPrefix(path, "/"))
			described = append(described, method+" "+path)
		}
	}
	for _, e := range everyEndpoint {
		if e != "GET openapi.yaml" && !slices.Contains(described, e) {
			t.Errorf("%s is not described", e)
		}
	}
	for _, e := range described {
		if !slices.Contains(everyEndpoint, e) {
			t.Errorf("%s is described, and does not exist", e)
		}
	}
}

// described sends a request and checks both it and the answer against the description.
func (w *world) described(router routers.Router, q request) {
	w.t.Helper()
	r, err := http.NewRequest(q.method, q.path, strings.NewReader(q.body))
	if err != nil {
		w.t.Fatal(err)
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	route, params, err := router.FindRoute(r)
	if err != nil {
		w.t.Errorf("%s %s: %v", q.method, q.path, err)
		return
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options}
	if err := openapi3filter.ValidateRequest(w.t.Context(), in); err != nil {
		w.t.Errorf("%s %s is not a request that is described: %v", q.method, q.path, err)
	}
	answer := w.send(q)
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: answer.Code, Header: answer.Header(), Options: options,
		Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())),
	}
	if err := openapi3filter.ValidateResponse(w.t.Context(), out); err != nil {
		w.t.Errorf("%s %s: status %d: the answer is not as described: %v\n%s", q.method, q.path, answer.Code, err, answer.Body)
	}
	if answer.Code >= 500 {
		w.t.Errorf("%s %s: status %d", q.method, q.path, answer.Code)
	}
}

// TestAnswersAreAsDescribed asks for everything that the API has, of a household that has some of everything.
func TestAnswersAreAsDescribed(t *testing.T) {
	w := newWorld(t)
	_, router := w.description()
	preferences := w.status(200, request{path: "/api/v1/preferences"}).Body.String()
	bodies := map[string]string{
		"PUT password": `{"password": "correct horse battery"}`, "POST tokens": `{"name": "grafana", "read_only": true}`,
		"PUT preferences": preferences, "PATCH preferences": `{"background": {"storage": "1GiB"}}`,
		"POST foreground":        `{"uri": "magnet:?xt=urn:btih:` + webuitest.Hash(0x77).String() + `"}`,
		"POST foreground/H/move": `{"directory": "/mnt/films"}`,
		"POST background":        `{"uri": "` + webuitest.Hash(0x78).String() + `"}`,
	}
	for _, e := range everyEndpoint {
		switch e {
		case "GET events", "GET openapi.yaml": // no JSON
			continue
		case "PUT password": // there is no file to keep it in
			continue
		}
		method, path := endpoint(e)
		hashes := []string{"tokens"}
		for _, kind := range []struct {
			under string
			first byte
		}{{"/foreground/", 0x11}, {"/background/", 0x21}, {"/candidates/", 0x31}} {
			if strings.Contains(path, kind.under) {
				hashes = nil
				for i := range byte(5) { // each state that there is, and one that there is not
					hashes = append(hashes, webuitest.Hash(kind.first+i).String())
				}
			}
		}
		for _, h := range hashes {
			q := request{method: method, path: strings.Replace(path, webuitest.Hash(0x31).String(), h, 1)}
			if q.body = bodies[e]; q.body != "" {
				q.header = map[string]string{"Content-Type": "application/json"}
			}
			w.described(router, q)
		}
	}
	for _, query := range []string{"?limit=2&offset=1", "?q=no+such+thing"} {
		for _, kind := range []string{"foreground", "background", "candidates"} {
			w.described(router, request{method: "GET", path: "/api/v1/" + kind + query})
		}
	}
}

// TestAnEventIsAsDescribed, though no validator reads streams.
func TestAnEventIsAsDescribed(t *testing.T) {
	w := newWorld(t)
	doc, _ := w.description()
	events, _ := w.agent.Events().After(0)
	if len(events) == 0 {
		t.Fatal("the household has no events")
	}
	for _, e := range events {
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		if err := doc.Components.Schemas["Event"].Value.VisitJSON(v); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
