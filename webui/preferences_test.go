package webui_test

import (
	"encoding/json"
	"testing"

	"ebb/agent/prefs"
	"ebb/webui"
)

// TestEveryPreferenceIsExplained, as the page makes its fields from the explanations.
func TestEveryPreferenceIsExplained(t *testing.T) {
	w := newWorld(t)
	keys := decode[webui.List[prefs.Key]](t, w.status(200, request{path: "/api/v1/preferences/keys"}).Body)
	var values map[string]json.RawMessage
	if err := json.Unmarshal(w.status(200, request{path: "/api/v1/preferences"}).Body.Bytes(), &values); err != nil {
		t.Fatal(err)
	}
	explained := map[string]map[string]bool{}
	for _, key := range keys.Items {
		if explained[key.Section] == nil {
			explained[key.Section] = map[string]bool{}
		}
		explained[key.Section][key.Name] = true
	}
	for section, raw := range values {
		var fields map[string]json.RawMessage
		if json.Unmarshal(raw, &fields) != nil {
			continue // the list of feeds
		}
		for name := range fields {
			if !explained[section][name] {
				t.Errorf("%s.%s has no field on the page", section, name)
			}
		}
		if len(fields) != len(explained[section]) {
			t.Errorf("%s has %d values and %d explanations", section, len(fields), len(explained[section]))
		}
	}
}

// TestAChangeSaysWhatWaitsForTheNextStart, where it is made.
func TestAChangeSaysWhatWaitsForTheNextStart(t *testing.T) {
	w := newWorld(t)
	p, err := w.agent.Preferences(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, dht := range []bool{!p.Network.DHT, p.Network.DHT} {
		changed := p
		changed.Network.DHT = dht
		body, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		w.agent.SetStatus(func(s *webui.Status) { s.NextStart = nil })
		answer := w.status(200, request{method: "PUT", path: "/api/v1/preferences", body: string(body)})
		if got := answer.Header().Get(webui.NextStartHeader); got != "network.dht" {
			t.Errorf("it is said of %q", got)
		}
	}
}

// TestSomePreferencesAreChangedAndTheOthersAreLeft, by a merge patch.
func TestSomePreferencesAreChangedAndTheOthersAreLeft(t *testing.T) {
	w := newWorld(t)
	before, err := w.agent.Preferences(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	patch := func(status int, body, match string) {
		t.Helper()
		q := request{method: "PATCH", path: "/api/v1/preferences", body: body, header: map[string]string{"Content-Type": "application/merge-patch+json"}}
		if match != "" {
			q.header["If-Match"] = match
		}
		w.status(status, q)
	}
	tag := w.status(200, request{path: "/api/v1/preferences"}).Header().Get("ETag")
	patch(200, `{"background": {"write_budget": "3GiB/day", "hours": ["01:00-02:00"]}}`, tag)
	want := before
	if err := want.Background.WriteBudget.UnmarshalText([]byte("3GiB/day")); err != nil {
		t.Fatal(err)
	}
	now, err := w.agent.Preferences(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(now.Background.Hours) != 1 || now.Background.WriteBudget != want.Background.WriteBudget || now.Background.KeepFree != before.Background.KeepFree {
		t.Errorf("then they are %+v", now.Background)
	}
	patch(412, `{"background": {"hours": []}}`, tag)
	for _, bad := range []string{``, `null`, `[]`, `7`, `{"background": {"colour": "red"}}`, `{"background": 7}`, `{"background": {"upload": "fast"}}`, `{} {}`} {
		patch(400, bad, "")
	}
	patch(200, `{}`, "")
	patch(200, `{"background": {"write_budget": null, "hours": null}}`, "")
	if now, err = w.agent.Preferences(t.Context()); err != nil || !now.Equal(func() prefs.Preferences {
		q := before
		q.Background.WriteBudget, q.Background.Hours = prefs.Default().Background.WriteBudget, nil
		return q
	}()) {
		t.Errorf("with null, they are %+v, %v", now, err)
	}
}
