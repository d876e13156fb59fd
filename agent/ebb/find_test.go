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
	h := newHousehold(t)
	h.state = t.TempDir() // where one was killed
	h.write(webui.TokenFile, strings.Repeat("0", 64))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(h.state, records.SocketFile), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for _, args := range [][]string{{"status"}, {"list"}, {"why", "2121"}, {"veto", "2121"}, {"promote", "2121"}, {"add", "magnet:?x"}, {"prefs"}} {
		expect(t, h.fails(exitNotRunning, args...), "no agent is running", h.state, "'ebb run'")
	}
	if err := os.Remove(filepath.Join(h.state, records.SocketFile)); err != nil { // where one was stopped
		t.Fatal(err)
	}
	expect(t, h.fails(exitNotRunning, "status"), "no agent is running", h.state, "'ebb run'")
	h.state = t.TempDir() // where none ever ran
	expect(t, h.fails(exitNotRunning, "status"), "no agent is running", h.state, "'ebb run'")
}

// TestTheAgentIsFoundByItsStateDirectory, wherever its page is: an address may be somebody else's by now, who would be
// told the token.
func TestTheAgentIsFoundByItsStateDirectory(t *testing.T) {
	stranger := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked for, with %q", r.URL, r.Header["Authorization"])
	}))
	defer stranger.Close()
	h := newHousehold(t)
	h.write(records.AddressFile, stranger.URL+"\n")
	config := h.write("ebb.toml", "[web]\naddress = \""+strings.TrimPrefix(stranger.URL, "http://")+"\"\n[state]\ndirectory = \""+h.state+"\"\n")
	code, out, errOut := ebb(t, "status", "-config", config)
	if code != 0 || !strings.Contains(out, "yielding") {
		t.Errorf("exit code %d: %s%s", code, out, errOut)
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

func TestABadTokenIsNamed(t *testing.T) {
	h := newHousehold(t)
	h.write(webui.TokenFile, "short")
	expect(t, h.fails(1, "status"), "delete it")
	h.write(webui.TokenFile, strings.Repeat("0", 64))
	expect(t, h.fails(1, "status"), "token")
}

func TestTheTokenGoesToTheAgentOnly(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s was asked for, with %q", r.URL, r.Header["Authorization"])
	}))
	defer elsewhere.Close()
	h := newHousehold(t)
	h.serve(http.RedirectHandler(elsewhere.URL+"/status", http.StatusTemporaryRedirect))
	expect(t, h.fails(1, "status"), h.state, "not an ebb agent")

	if newClient("", "").http.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would get the token")
	}
}

func TestAnAnswerThatIsNotJSONIsAnError(t *testing.T) {
	h := newHousehold(t)
	h.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }))
	expect(t, h.fails(1, "status"), "answer")
	expect(t, h.fails(1, "why", "2121"), "answer")
}
