package webui_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ebb/webui"
)

// withPassword is a world in which a password can be set.
func withPassword(t *testing.T, path string) *world {
	w := newWorld(t)
	w.api = webui.New(webui.Config{Agent: w.agent, Token: token, PasswordPath: path})
	return w
}

func (w *world) enter(password, from string) int {
	w.t.Helper()
	return w.send(request{method: "POST", path: "/api/v1/session", body: `{"password": "` + password + `"}`, header: jsonBody, from: from, anonymous: true}).Code
}

func (w *world) setPassword(status int, password string) {
	w.t.Helper()
	w.status(status, request{method: "PUT", path: "/api/v1/password", body: `{"password": "` + password + `"}`, header: jsonBody})
}

func TestAPasswordLetsInUntilAnotherIsSet(t *testing.T) {
	path := filepath.Join(t.TempDir(), webui.PasswordFile)
	w := withPassword(t, path)
	if got := w.enter("correct horse", ""); got != 401 {
		t.Errorf("before there is one: %d", got)
	}
	w.setPassword(400, "short")
	w.setPassword(400, strings.Repeat("long", 20))
	w.setPassword(204, "correct horse")
	if text, err := os.ReadFile(path); err != nil || strings.Contains(string(text), "horse") {
		t.Errorf("it is kept as %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info, err)
	}
	w = withPassword(t, path) // after a restart
	if right, wrong := w.enter("correct horse", ""), w.enter("wrong horse", ""); right != 204 || wrong != 401 {
		t.Errorf("the right one: %d; a wrong one: %d", right, wrong)
	}
	session := w.openSession()
	w.status(200, request{path: "/api/v1/status", anonymous: true, header: session})
	w.setPassword(204, "battery staple")
	w.status(401, request{path: "/api/v1/status", anonymous: true, header: session})
	if old, now := w.enter("correct horse", ""), w.enter("battery staple", ""); old != 401 || now != 204 {
		t.Errorf("the old one: %d; the new one: %d", old, now)
	}
	w.setPassword(204, "")
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) || w.enter("battery staple", "") != 401 {
		t.Errorf("without one: %v", err)
	}
}

func TestPasswordsCannotBeGuessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := withPassword(t, filepath.Join(t.TempDir(), webui.PasswordFile))
		w.setPassword(204, "correct horse")
		guess := func(from string) int { return w.enter("wrong horse", from) }
		for range 5 {
			if got := guess("192.168.1.7:1"); got != 401 {
				t.Errorf("a wrong one: %d", got)
			}
		}
		if again, right := guess("192.168.1.7:2"), w.enter("correct horse", "192.168.1.7:3"); again != 429 || right != 429 {
			t.Errorf("after five: %d, and the right one %d", again, right)
		}
		if other := w.enter("correct horse", "192.168.1.8:1"); other != 204 {
			t.Errorf("another address: %d", other)
		}
		for range 6 {
			guess("[fd00::1]:1")
		}
		if got := guess("[fd00::2]:1"); got != 429 {
			t.Errorf("from another address of the same network: %d", got)
		}
		<-time.After(6 * time.Minute)
		if got := w.enter("correct horse", "192.168.1.7:1"); got != 204 {
			t.Errorf("later: %d", got)
		}
	})
}

func TestAPasswordIsSetByWhoIsInOnly(t *testing.T) {
	w := withPassword(t, filepath.Join(t.TempDir(), webui.PasswordFile))
	put := request{method: "PUT", path: "/api/v1/password", body: `{"password": "correct horse"}`, header: jsonBody, anonymous: true}
	w.status(401, put)
	put.anonymous, put.header = false, map[string]string{"Content-Type": "application/json", "Origin": "http://evil.example"}
	w.status(403, put)
	for _, body := range []string{"", "{}", `{"password": 7}`, "[]"} {
		w.status(400, request{method: "PUT", path: "/api/v1/password", body: body, header: jsonBody})
		w.status(401, request{method: "POST", path: "/api/v1/session", body: body, header: jsonBody, anonymous: true})
	}
	w = newWorld(t) // which keeps none
	w.setPassword(409, "correct horse")
}
