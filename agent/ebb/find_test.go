package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ebb/agent/records"
	"ebb/webui"
)

func TestAnAgentThatIsNotRunningIsOneLineThatSaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	l.Close()

	h := newHousehold(t)
	h.write(records.AddressFile, nobody)
	for _, args := range [][]string{{"status"}, {"list"}, {"why", "2121"}, {"veto", "2121"}, {"promote", "2121"}, {"add", "magnet:?x"}, {"prefs"}} {
		expect(t, h.fails(1, args...), "no agent is running", h.state, "'ebb run'")
	}
	h.state = t.TempDir() // where none ever ran
	expect(t, h.fails(1, "status"), "no agent is running", h.state, "'ebb run'")
}

func TestTheAgentIsFoundByItsPreferences(t *testing.T) {
	h := newHousehold(t)
	if err := os.Remove(filepath.Join(h.state, records.AddressFile)); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"127.0.0.1:" + port, "0.0.0.0:" + port, ":" + port} {
		config := h.write("ebb.toml", "[web]\naddress = \""+address+"\"\n[state]\ndirectory = \""+h.state+"\"\n")
		code, out, errOut := ebb(t, "status", "-config", config)
		if code != 0 || !strings.Contains(out, "yielding") {
			t.Errorf("%s: exit code %d: %s%s", address, code, out, errOut)
		}
	}
}

func TestWhereItServesNowOverridesThePreferences(t *testing.T) {
	h := newHousehold(t)
	config := h.write("ebb.toml", "[web]\naddress = \"127.0.0.1:1\"\n[state]\ndirectory = \""+h.state+"\"\n")
	if code, _, errOut := ebb(t, "status", "-config", config); code != 0 {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}

func TestBadPreferencesAreNamed(t *testing.T) {
	h := newHousehold(t)
	config := h.write("ebb.toml", "[background]\nstoarge = 1\nuplaod = 2\n")
	for _, path := range []string{config, filepath.Join(h.state, "absent.toml")} {
		code, _, errOut := ebb(t, "status", "-config", path)
		if code != 1 || !strings.Contains(errOut, path) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("exit code %d: %s", code, errOut)
		}
	}
}

func TestABadAddressOrTokenIsNamed(t *testing.T) {
	h := newHousehold(t)
	for _, address := range []string{"", "8088", "ftp://127.0.0.1:21", "http://127.0.0.1", "http://[::1"} {
		h.write(records.AddressFile, address)
		expect(t, h.fails(1, "status"), filepath.Join(h.state, records.AddressFile))
	}
	h.write(records.AddressFile, h.url)
	h.write(webui.TokenFile, "short")
	expect(t, h.fails(1, "status"), "delete it")
	h.write(webui.TokenFile, strings.Repeat("0", 64))
	expect(t, h.fails(1, "status"), "token")
}

func TestAnAddressToListenOnBecomesOneToDial(t *testing.T) {
	for listen, dial := range map[string]string{
		"http://127.0.0.1:80": "http://127.0.0.1:80", "http://:8088": "http://127.0.0.1:8088", "http://0.0.0.0:1": "http://127.0.0.1:1",
		"http://[::]:8088": "http://[::1]:8088", "http://nas.local:8088/": "http://nas.local:8088", "https://[fe80::1]:443": "https://[fe80::1]:443",
	} {
		if got, err := reachable(listen); got != dial || err != nil {
			t.Errorf("%s: %s, %v; want %s", listen, got, err, dial)
		}
	}
}

func TestTheTokenGoesToTheAgentOnly(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked for, with %q", r.URL, r.Header["Authorization"])
	}))
	defer elsewhere.Close()
	redirects := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/status", http.StatusTemporaryRedirect))
	defer redirects.Close()

	h := newHousehold(t)
	h.write(records.AddressFile, redirects.URL)
	expect(t, h.fails(1, "status"), redirects.URL, "not an ebb agent")

	// Go never sends what is for loopback through a proxy, so that no request made here could show it.
	if newClient(h.url, "", "").http.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would get the token")
	}
}

func TestAnAnswerThatIsNotJSONIsAnError(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }))
	defer other.Close()
	h := newHousehold(t)
	h.write(records.AddressFile, other.URL)
	expect(t, h.fails(1, "status"), "answer")
	expect(t, h.fails(1, "why", "2121"), "answer")
}
