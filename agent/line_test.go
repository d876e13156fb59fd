package agent_test

import (
	"strings"
	"testing"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/webui"
)

// TestTheMonthsTransferPausesTheBackground, over a restart too, until the owner allows more.
func TestTheMonthsTransferPausesTheBackground(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", 6*mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	capped := func(limit string) {
		p := get[prefs.Preferences](t)(x.Preferences(ctx))
		must(t, p.Background.MonthlyTransfer.UnmarshalText([]byte(limit)), x.SetPreferences(ctx, p))
	}
	capped("2MiB")
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	paused := func() bool {
		s, err := x.Status(ctx)
		return err == nil && s.State == webui.StatePaused && strings.Contains(s.Why, "month") && s.Background.DownloadLimit == 0
	}
	must(t, await(ctx, paused), x.Stop(), x.Start(nil), await(ctx, paused))
	if s := get[webui.BackgroundSwarm](t)(x.BackgroundSwarm(ctx, c.Hash)); s.Downloaded == 0 || s.Downloaded >= c.Size()/2 {
		t.Errorf("%d bytes were fetched within 2 MiB a month", s.Downloaded)
	}
	capped("1GiB")
	told(t, ctx, x, "complete", c)
}
