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
