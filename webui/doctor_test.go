package webui_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ebb/webui"
	"ebb/webui/webuitest"
)

func TestACheckUpMendsOnlyWhenItIsToldTo(t *testing.T) {
	w := newWorld(t)
	found := decode[webui.Diagnosis](t, w.status(200, request{path: "/api/v1/doctor"}).Body)
	if len(found.Findings) != 3 || found.Problems() != 1 || found.Findings[1].Mended || found.Findings[1].About != "index" {
		t.Errorf("found %+v", found)
	}
	mended := decode[webui.Diagnosis](t, w.status(200, request{method: "POST", path: "/api/v1/doctor"}).Body)
	if !mended.Findings[1].Mended || mended.Findings[1].Level != webui.FindingProblem || mended.Problems() != 0 {
		t.Errorf("mended %+v", mended)
	}
	again := decode[webui.Diagnosis](t, w.status(200, request{path: "/api/v1/doctor"}).Body)
	if again.Problems() != 0 || again.Findings[1].Mended {
		t.Errorf("then found %+v", again)
	}
	if calls := strings.Join(w.agent.Calls(), ", "); calls != "doctor mend=false, doctor mend=true, doctor mend=false" {
		t.Errorf("the agent was told %q", calls)
	}
}

func TestACheckUpThatFindsNothingIsAnEmptyList(t *testing.T) {
	w := newWorld(t)
	w.agent.SetFindings()
	if body := w.status(200, request{path: "/api/v1/doctor"}).Body.String(); body != `{"findings":[]}`+"\n" {
		t.Errorf("%s", body)
	}
	w.agent.Fail(errors.New("the disk caught fire"))
	if answer := w.status(500, request{path: "/api/v1/doctor"}); errorText(answer) != "the disk caught fire" {
		t.Errorf("%s", answer.Body)
	}
}

func TestOtherSitesStartNoCheckUp(t *testing.T) {
	w := newWorld(t)
	w.status(403, request{method: "POST", path: "/api/v1/doctor", header: map[string]string{"Sec-Fetch-Site": "cross-site"}})
	w.status(403, request{method: "POST", path: "/api/v1/background/" + webuitest.Hash(0x21).String() + "/promote",
		header: map[string]string{"Origin": "http://evil.example"}})
	if calls := w.agent.Calls(); len(calls) > 0 {
		t.Errorf("the agent was told to %q", calls)
	}
}

// slowDoctor is an agent whose check-ups take an hour.
type slowDoctor struct{ *webuitest.Agent }

func (s slowDoctor) Doctor(ctx context.Context, mend bool) (webui.Diagnosis, error) {
	<-time.After(time.Hour)
	return s.Agent.Doctor(ctx, mend)
}

func TestOneCheckUpAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.api = webui.New(webui.Config{Agent: slowDoctor{w.agent}, Token: token})
		first := make(chan int)
		go func() { first <- w.send(request{path: "/api/v1/doctor"}).Code }()
		synctest.Wait() // it is under way
		for _, method := range []string{"GET", "POST"} {
			if refused := w.status(409, request{method: method, path: "/api/v1/doctor"}); !strings.Contains(errorText(refused), "wait") {
				t.Errorf("%s: %s", method, refused.Body)
			}
		}
		if code := <-first; code != 200 {
			t.Errorf("the first ended with %d", code)
		}
		w.status(200, request{method: "POST", path: "/api/v1/doctor"})
	})
}

// deadlined is an answer whose time limit can be moved.
type deadlined struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (d *deadlined) SetWriteDeadline(until time.Time) error {
	d.until = until
	return nil
}

func TestACheckUpMayTakeLongerThanOtherAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:8088/api/v1/doctor", nil)
		r.RemoteAddr = "127.0.0.1:40000"
		r.Header.Set("Authorization", "Bearer "+token)
		answer := &deadlined{ResponseRecorder: httptest.NewRecorder()}
		w.api.ServeHTTP(answer, r)
		if answer.Code != 200 || !answer.until.Equal(time.Now().Add(webui.DoctorTimeout)) {
			t.Errorf("status %d, and until %v for it", answer.Code, answer.until)
		}
	})
}
