package agent_test

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"ebb/agent"
	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/webui"
)

// finding returns what a diagnosis says about something, joined, and whether any of it is a problem that is left.
func finding(d webui.Diagnosis, about string) (text string, left bool) {
	for _, f := range d.Findings {
		if f.About == about {
			text += f.Text + "; "
			left = left || f.Level == webui.FindingProblem && !f.Mended
		}
	}
	return text, left
}

// TestDoctorFindsAndMendsWhatIsMissing, while ebb runs, and is content with what it finds afterwards, running or not.
func TestDoctorFindsAndMendsWhatIsMissing(t *testing.T) {
	w, ctx := newWorld(t)
	c := get[*lab.Content](t)(w.Content("Old Maps", mib, 64<<10))
	get[*lab.Peer](t)(w.Seed(ctx, c))
	x := get[*lab.Agent](t)(w.Agent(lab.AgentConfig{Storage: "64MiB"}))
	get[swarm.InfoHash](t)(x.AddBackground(ctx, webui.Source{File: c.Torrent}))
	told(t, ctx, x, "complete", c)
	if text, left := finding(get[webui.Diagnosis](t)(x.Doctor(ctx, false)), "fragments"); left || !strings.Contains(text, "16 fragments of 1 swarm") {
		t.Errorf("of a sound store: %s", text)
	}

	must(t, os.Remove(fragmentFiles(t, x)[3]))
	if text, left := finding(get[webui.Diagnosis](t)(x.Doctor(ctx, false)), "fragments"); !left {
		t.Errorf("of a missing file: %s", text)
	}
	if text, left := finding(get[webui.Diagnosis](t)(x.Doctor(ctx, true)), "fragments"); left || !strings.Contains(text, "1 fragments whose files were missing") {
		t.Errorf("after mending: %s", text)
	}
	must(t, x.Stop())
	o := agent.Options{ConfigPath: x.Config, StateDir: x.State, Log: slog.New(slog.DiscardHandler)}
	d := get[webui.Diagnosis](t)(agent.Doctor(o, false))
	if text, left := finding(d, "fragments"); left || !strings.Contains(text, "agree") {
		t.Errorf("when it does not run: %s", text)
	}
	must(t, x.Start(nil)) // the doctor has let go of everything
}
