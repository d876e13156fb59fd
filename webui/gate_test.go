package webui_test

import (
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ebb/webui"
	"ebb/webui/webuitest"
)

// everyEndpoint is each method of each path of the API.
var everyEndpoint = []string{
	"POST session", "PUT password", "GET status", "GET events", "GET preferences", "PUT preferences", "PATCH preferences", "GET preferences/keys",
	"GET tokens", "POST tokens", "DELETE tokens/H",
	"GET foreground", "POST foreground", "GET foreground/H", "DELETE foreground/H", "POST foreground/H/start", "POST foreground/H/stop",
	"POST foreground/H/verify", "POST foreground/H/move", "GET foreground/H/details",
	"GET background", "POST background", "GET background/H", "DELETE background/H", "POST background/H/promote", "POST background/H/veto", "GET background/H/why",
	"GET line", "GET candidates", "POST candidates/H/approve", "GET doctor", "POST doctor", "GET openapi.yaml",
}

func endpoint(text string) (method, path string) {
	method, path, _ = strings.Cut(text, " ")
	return method, "/api/v1/" + strings.Replace(path, "H", webuitest.Hash(0x31).String(), 1)
}

func TestEveryAPICallNeedsTheToken(t *testing.T) {
	w := newWorld(t)
	for _, e := range everyEndpoint {
		method, path := endpoint(e)
		for what, header := range map[string]map[string]string{
			"no token":        nil,
			"empty token":     {"Authorization": "Bearer "},
			"wrong token":     {"Authorization": "Bearer " + strings.Repeat("0", len(token))},
			"part of a token": {"Authorization": "Bearer " + token[:40]},
			"other scheme":    {"Authorization": "Basic " + token},
			"token as cookie": {"Cookie": "ebb_session=" + token},
		} {
			answer := w.send(request{method: method, path: path, header: header, anonymous: true})
			if answer.Code != http.StatusUnauthorized || answer.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %s: status %d", e, what, answer.Code)
			}
		}
	}
	if calls := w.agent.Calls(); len(calls) > 0 {
		t.Errorf("the agent was told to %q", calls)
	}
}

func TestNobodyIsLetInWithoutATokenToCompareWith(t *testing.T) {
	w := newWorld(t)
	w.api = webui.New(webui.Config{Agent: w.agent})
	w.status(401, request{path: "/api/v1/status", anonymous: true, header: map[string]string{"Authorization": "Bearer "}})
}

func TestHealthzIsOpenAndSaysNothing(t *testing.T) {
	w := newWorld(t)
	answer := w.send(request{path: "/healthz", anonymous: true, host: "anything.example"})
	if answer.Code != http.StatusOK || answer.Body.String() != "ok\n" {
		t.Errorf("status %d, %q", answer.Code, answer.Body)
	}
}

func TestOnlyOurOwnNamesAreAnsweredTo(t *testing.T) {
	w := newWorld(t)
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		"127.0.0.1:8088": 200, "192.168.1.1": 200, "[::1]:8088": 200, "[fe80::1]": 200,
		"localhost": 200, "localhost:8088": 200, "LOCALHOST.": 200,
		machine: 200, machine + ".local:8088": 200, "nas.local": 200, "Nas.LAN.:8088": 200, "nas.home.arpa": 200,
		"nas.example.net": 200, "NAS.example.net:8088": 200, "box.example.net": 200,

		"rebound.example.org": 403, "rebound.example.org:8088": 403, "localhost.example.org": 403, "127.0.0.1.example.org": 403,
		"example.net": 403, "x.nas.example.net": 403, "127.1": 403, "local": 403, "evil.lan.example.org": 403, "evillan": 403, "2130706433": 403, ":8088": 403, "[": 403,
	} {
		for _, path := range []string{"/api/v1/status", "/"} {
			if answer := w.send(request{path: path, host: host}); answer.Code != want {
				t.Errorf("host %q, %s: status %d, want %d", host, path, answer.Code, want)
			}
		}
	}
	refused := w.status(403, request{path: "/", host: "rebound.example.org"})
	if !strings.Contains(errorText(refused), "web.allowed_hosts") {
		t.Errorf("the refusal does not say what to do: %s", refused.Body)
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	w := newWorld(t)
	veto := request{method: "POST", path: "/api/v1/background/" + webuitest.Hash(0x21).String() + "/veto"}
	for _, header := range []map[string]string{
		{"Sec-Fetch-Site": "cross-site"},
		{"Sec-Fetch-Site": "same-site"}, // another port of the same machine
		{"Origin": "http://evil.example"},
		{"Origin": "http://127.0.0.1:9999"},
		{"Origin": "null"},
	} {
		veto.header = header
		w.status(403, veto)
	}
	if calls := w.agent.Calls(); len(calls) > 0 {
		t.Errorf("the agent was told to %q", calls)
	}
	for _, header := range []map[string]string{
		nil, // the command
		{"Sec-Fetch-Site": "same-origin"},
		{"Origin": "http://127.0.0.1:8088"},
	} {
		veto.header = header
		w.status(204, veto)
	}
}

// openSession returns the cookie of a new session as a request header.
func (w *world) openSession() map[string]string {
	w.t.Helper()
	answer := w.status(204, request{method: "POST", path: "/api/v1/session"})
	cookies := answer.Result().Cookies()
	if len(cookies) != 1 {
		w.t.Fatalf("%d cookies", len(cookies))
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "" || c.Secure {
		w.t.Errorf("the cookie is %v", c)
	}
	if strings.Contains(c.Value, token) {
		w.t.Errorf("the cookie holds the token: %v", c)
	}
	return map[string]string{"Cookie": c.Name + "=" + c.Value}
}

func TestASessionStandsForTheToken(t *testing.T) {
	w := newWorld(t)
	session := w.openSession()
	w.status(200, request{path: "/api/v1/status", anonymous: true, header: session})

	// It opens no other session: a stolen one ends.
	w.status(401, request{method: "POST", path: "/api/v1/session", anonymous: true, header: session})
	// And it does not help another site.
	session["Sec-Fetch-Site"] = "cross-site"
	w.status(403, request{method: "POST", path: "/api/v1/session", anonymous: true, header: session})
}

func TestASessionEndsAfterAMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		session := w.openSession()
		<-time.After(30*24*time.Hour - time.Minute)
		w.status(200, request{path: "/api/v1/status", anonymous: true, header: session})
		<-time.After(2 * time.Minute)
		w.status(401, request{path: "/api/v1/status", anonymous: true, header: session})
	})
}

func TestASessionCannotBeMadeUp(t *testing.T) {
	w := newWorld(t)
	session := w.openSession()["Cookie"]
	name, value, _ := strings.Cut(session, "=")
	expiry, signature, _ := strings.Cut(value, ".")
	for _, forged := range []string{
		"", ".", expiry, expiry + ".", "." + signature, "9" + value, expiry + "." + strings.Repeat("0", len(signature)), "x." + signature,
	} {
		w.status(401, request{path: "/api/v1/status", anonymous: true, header: map[string]string{"Cookie": name + "=" + forged}})
	}

	// One that another token made.
	other := newWorld(t)
	other.api = webui.New(webui.Config{Agent: other.agent, Token: strings.Repeat("f", 64)})
	other.status(401, request{path: "/api/v1/status", anonymous: true, header: map[string]string{"Cookie": session}})
}

func TestEveryAnswerIsHardened(t *testing.T) {
	w := newWorld(t)
	for _, q := range []request{
		{path: "/"}, {path: "/page.js"}, {path: "/api/v1/status"}, {path: "/nothing"},
		{path: "/api/v1/status", anonymous: true}, {path: "/", host: "rebound.example.org"},
	} {
		header := w.send(q).Header()
		csp := header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy lacks %s: %s", q.path, part, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") {
			t.Errorf("%s: the policy is %s", q.path, csp)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", q.path, name, got, want)
			}
		}
		for name := range maps.Keys(header) {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s lets other sites in", q.path, name)
			}
		}
	}
	if got := w.send(request{path: "/api/v1/status"}).Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("the API's answers may be kept: %q", got)
	}
}

func TestOnlyTheHouseholdIsAnsweredTo(t *testing.T) {
	w := newWorld(t)
	for from, want := range map[string]int{
		"127.0.0.1:1": 200, "[::1]:1": 200, "192.168.1.7:1": 200, "10.1.2.3:1": 200, "[::ffff:192.168.1.7]:1": 200,
		"[fe80::1%eth0]:1": 200, "[fd00::1]:1": 200, "100.100.1.1:1": 200, "@": 200, // a socket of this machine
		"203.0.113.7:1": 403, "[2001:db8::1]:1": 403, "[::ffff:203.0.113.7]:1": 403,
	} {
		for _, path := range []string{"/", "/api/v1/status"} {
			if answer := w.send(request{path: path, from: from}); answer.Code != want {
				t.Errorf("%s from %s: %d, want %d", path, from, answer.Code, want)
			}
		}
	}
	if text := errorText(w.send(request{path: "/", from: "203.0.113.7:1"})); !strings.Contains(text, "web.allow_public") {
		t.Errorf("the refusal does not say what to do: %s", text)
	}
	w.api = webui.New(webui.Config{Agent: w.agent, Token: token, AllowPublic: func() bool { return true }})
	w.status(200, request{path: "/", from: "203.0.113.7:1"})
}
