package agent_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/webui"
)

// TestASwarmThatAFeedListsIsHelped in a world without any other ebb: there is a list, a tracker, and a seed.
func TestASwarmThatAFeedListsIsHelped(t *testing.T) {
	w, ctx := newWorld(t)
	maps, waits := get[*lab.Content](t)(w.Content("Old Maps", 2*mib, 64<<10)), get[*lab.Content](t)(w.Content("Waits", mib, 64<<10))
	dead := get[*lab.Content](t)(w.Content("Nobody There", mib, 64<<10))
	hidden := get[*lab.Content](t)(w.Content("Private", mib, 64<<10, lab.Private()))
	for _, c := range []*lab.Content{maps, waits, hidden} {
		get[*lab.Peer](t)(w.Seed(ctx, c))
	}
	lists := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/auto":
			fmt.Fprintf(rw, "<rss><channel><item><title>Old Maps</title><link>%s</link></item><item><title>x</title><link>%s</link></item>"+
				"<item><title>y</title><link>%s</link></item></channel></rss>", strings.ReplaceAll(maps.Magnet(), "&", "&amp;"),
				strings.ReplaceAll(dead.Magnet(), "&", "&amp;"), strings.ReplaceAll(hidden.Magnet(), "&", "&amp;"))
		case "/ask":
			fmt.Fprintln(rw, waits.Magnet())
		}
	}))
	defer lists.Close()
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "16MiB"}))
	p := get[prefs.Preferences](t)(x.Preferences(ctx))
	p.Feeds = []prefs.Feed{{URL: lists.URL + "/auto", Name: "Archive"}, {URL: lists.URL + "/ask", Name: "Others", Policy: prefs.ModeAsk}}
	must(t, x.SetPreferences(ctx, p))

	told(t, ctx, x, "complete", maps)
	why := get[webui.Why](t)(x.Why(ctx, maps.Hash))
	if why.Rule != `sources.feeds = "auto"` || why.Introducer.Client != "Archive" || !strings.Contains(why.Sentence, "Archive") {
		t.Errorf("why: %+v", why)
	}
	told(t, ctx, x, "verified", waits)
	for _, c := range get[[]webui.Candidate](t)(x.Candidates(ctx)) {
		if c.Hash == waits.Hash && (c.State != swarm.CandidateWaiting || c.Rule != `policy = "ask" of the feed Others`) {
			t.Errorf("it waits for a yes: %+v", c)
		}
	}
	must(t, x.Approve(ctx, waits.Hash))
	told(t, ctx, x, "complete", waits)
	for _, s := range get[[]webui.BackgroundSwarm](t)(x.Background(ctx)) {
		if s.Hash == dead.Hash || s.Hash == hidden.Hash && s.Fragments > 0 {
			t.Errorf("joined: %+v", s)
		}
	}
}
