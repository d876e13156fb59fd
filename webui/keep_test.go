package webui_test

import (
	"strings"
	"testing"

	"ebb/webui"
	"ebb/webui/webuitest"
)

func TestASwarmIsPromotedAndTheAnswerDoesNotWait(t *testing.T) {
	w := newWorld(t)
	swarm := "/api/v1/background/" + webuitest.Hash(0x21).String()
	answer := w.status(202, request{method: "POST", path: swarm + "/promote"})
	if calls := w.agent.Calls(); len(calls) != 1 || calls[0] != "promote "+webuitest.Hash(0x21).String() || answer.Body.Len() > 0 {
		t.Errorf("the agent was told %q; the answer was %q", calls, answer.Body)
	}
	if got := decode[webui.BackgroundSwarm](t, w.status(200, request{path: swarm}).Body); got.State != webui.SwarmPromoting {
		t.Errorf("the swarm is %s", got.State)
	}
	if again := w.status(409, request{method: "POST", path: swarm + "/promote"}); !strings.Contains(errorText(again), "already") {
		t.Errorf("the answer does not say why: %s", again.Body)
	}
	w.status(409, request{method: "POST", path: "/api/v1/background/" + webuitest.Hash(0x24).String() + "/promote"}) // no metadata
	w.status(404, request{method: "POST", path: "/api/v1/background/" + webuitest.Hash(0x7f).String() + "/promote"})
}

func TestOneMayStopDownloadingAndKeepHelping(t *testing.T) {
	for query, want := range map[string]string{
		"keep_helping=true":              "remove data=false help=true ",
		"keep_helping=1&data=keep":       "remove data=false help=true ",
		"keep_helping=true&data=delete":  "remove data=true help=true ",
		"keep_helping=false&data=delete": "remove data=true help=false ",
		"keep_helping=":                  "remove data=false help=false ",
	} {
		w := newWorld(t)
		hash := webuitest.Hash(0x12).String()
		w.status(204, request{method: "DELETE", path: "/api/v1/foreground/" + hash + "?" + query})
		if calls := w.agent.Calls(); len(calls) != 1 || calls[0] != want+hash {
			t.Errorf("%s: the agent was told %q", query, calls)
		}
	}
	w := newWorld(t)
	w.status(400, request{method: "DELETE", path: "/api/v1/foreground/" + webuitest.Hash(0x14).String() + "?keep_helping=true"}) // private
	w.status(409, request{method: "DELETE", path: "/api/v1/foreground/" + webuitest.Hash(0x13).String() + "?keep_helping=true"}) // a magnet
}

func TestAWaitingSwarmSaysWhatFor(t *testing.T) {
	w := newWorld(t)
	all := decode[webui.List[webui.BackgroundSwarm]](t, w.status(200, request{path: "/api/v1/background"}).Body)
	if all.Items[0].Waiting != "" || all.Items[1].Waiting != "today's write budget is spent" {
		t.Errorf("%q and %q", all.Items[0].Waiting, all.Items[1].Waiting)
	}
}

func TestVerifyingBeginsAndIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	path := func(n byte) string { return "/api/v1/foreground/" + webuitest.Hash(n).String() + "/verify" }
	answer := w.status(202, request{method: "POST", path: path(0x12)})
	if calls := w.agent.Calls(); len(calls) != 1 || calls[0] != "verify "+webuitest.Hash(0x12).String() || answer.Body.Len() > 0 {
		t.Errorf("the agent was told %q; the answer was %q", calls, answer.Body)
	}
	w.status(409, request{method: "POST", path: path(0x13)}) // no metadata
	w.status(404, request{method: "POST", path: path(0x7f)})
}

func TestMovingBeginsAndIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	path := func(n byte) string { return "/api/v1/foreground/" + webuitest.Hash(n).String() + "/move" }
	for body, want := range map[string]int{
		`{"directory": "/mnt/films"}`: 202, `{"directory": "films"}`: 400, `{}`: 400, `{"dir": "/mnt"}`: 400, `/mnt`: 400,
		`{"directory": "/mnt"} {}`: 400,
	} {
		w.status(want, request{method: "POST", path: path(0x12), body: body, header: jsonBody})
	}
	w.status(404, request{method: "POST", path: path(0x7f), body: `{"directory": "/mnt/films"}`, header: jsonBody})
}
