package agent_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ebb/agent/prefs"
	"ebb/build/lab"
	"ebb/webui"
)

// answers reports with what status the page at a URL answers to whoever calls it by a name; 0 if it does not.
func answers(ctx context.Context, url, host string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return -1
	}
	r.Host = host
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

func TestThePageFollowsItsPreferencesWhileItRuns(t *testing.T) {
	w, ctx := newWorld(t)
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	set := func(change func(*prefs.Preferences)) error {
		p := get[prefs.Preferences](t)(x.Preferences(ctx))
		change(&p)
		return x.SetPreferences(ctx, p)
	}
	first := x.URL()
	if got := answers(ctx, first, "nas.home:8088"); got != 403 {
		t.Errorf("by a name that nobody allowed: %d", got)
	}
	must(t, set(func(p *prefs.Preferences) { p.Web.AllowedHosts = []string{"nas.home"} }))
	if got := answers(ctx, first, "nas.home:8088"); got != 200 {
		t.Errorf("by a name that is allowed now: %d", got)
	}

	host, port, err := net.SplitHostPort(strings.Trim(strings.TrimPrefix(first, "http://"), "/"))
	must(t, err)
	other := w.NextAddr().String()
	for _, to := range []string{other + ":0", net.JoinHostPort("0.0.0.0", port), net.JoinHostPort(host, port)} {
		before := x.URL()
		must(t, set(func(p *prefs.Preferences) { p.Web.Address = to }))
		moved := func() bool {
			now := x.URL()
			return now != before && answers(ctx, now, "localhost") == 200
		}
		if err := await(ctx, moved); err != nil {
			t.Fatalf("the page is at %s, and not at %s: %v", x.URL(), to, err)
		}
	}
	if got := answers(ctx, "http://"+other+"/", "localhost"); got != 0 {
		t.Errorf("where it was before it still answers %d", got)
	}

	err = set(func(p *prefs.Preferences) { p.Web.Address = "192.0.2.1:8088" })
	if err == nil || !strings.Contains(err.Error(), "web.address") {
		t.Errorf("an address of another machine: %v", err)
	}
	if got := answers(ctx, x.URL(), "localhost"); got != 200 {
		t.Errorf("after that the page answers %d", got)
	}

	must(t, set(func(p *prefs.Preferences) { p.Network.DHT = !p.Network.DHT }))
	if later := get[webui.Status](t)(x.Status(ctx)).NextStart; !slices.Equal(later, []string{"network.dht"}) {
		t.Errorf("the next start puts into force: %q", later)
	}
	must(t, set(func(p *prefs.Preferences) { p.Network.DHT = !p.Network.DHT }))
	if later := get[webui.Status](t)(x.Status(ctx)).NextStart; len(later) != 0 {
		t.Errorf("after it was changed back, the next start puts into force: %q", later)
	}
}
