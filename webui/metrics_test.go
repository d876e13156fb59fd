package webui_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"ebb/webui"
)

func TestMetricsAreForWhoHasTheToken(t *testing.T) {
	w := newWorld(t)
	w.status(401, request{path: "/metrics", anonymous: true})
	w.status(403, request{path: "/metrics", host: "rebound.example.org"})
	w.status(405, request{method: "POST", path: "/metrics"})
	if kind := w.status(200, request{path: "/metrics"}).Header().Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=0.0.4") {
		t.Errorf("the type is %s", kind)
	}
}

// TestMetricsAreWellFormed by https://prometheus.io/docs/instrumenting/exposition_formats/, and name no torrent.
func TestMetricsAreWellFormed(t *testing.T) {
	w := newWorld(t)
	w.agent.SetStatus(func(s *webui.Status) { s.Version = "1.0 \"x\"\n"; s.Background.DownloadLimit = webui.Unlimited })
	text := w.status(200, request{path: "/metrics"}).Body.String()
	line := regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-z]+="([^"\\\n]|\\.)*"\})? -?[0-9.e+-]+)$`)
	seen := map[string]bool{}
	for l := range strings.Lines(text) {
		l = strings.TrimSuffix(l, "\n")
		if !line.MatchString(l) {
			t.Errorf("malformed: %q", l)
		}
		if seen[l] {
			t.Errorf("twice: %q", l)
		}
		seen[l] = true
	}
	for _, want := range []string{
		`ebb_state{state="yielding"} 1`, `ebb_state{state="sharing"} 0`, "ebb_fragments 5240", "# TYPE ebb_background_bytes_total counter",
		`ebb_background_rate_bytes_per_second{direction="up"} 219136`, `ebb_line_queue_seconds 0.0125`,
	} {
		if !seen[want] {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "-1\n") || strings.Contains(text, `ebb_background_limit_bytes_per_second{direction="down"}`) {
		t.Error("a limit that does not exist is shown")
	}
	if strings.Contains(text, "Prelinger") {
		t.Error("a torrent is named")
	}
}

// TestTheDashboardShowsWhatThereIs compares build/grafana with the metrics: it shows each, and no other.
func TestTheDashboardShowsWhatThereIs(t *testing.T) {
	file, err := os.ReadFile("../build/grafana/ebb.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(file, &dashboard); err != nil {
		t.Fatal(err)
	}
	text := newWorld(t).status(200, request{path: "/metrics"}).Body.String()
	name := regexp.MustCompile(`ebb_[a-z_]+`)
	shown := map[string]bool{"ebb_info": true} // which names the jobs to choose from
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			metric := name.FindString(target.Expr)
			shown[metric] = true
			if !strings.Contains(text, "# TYPE "+metric+" ") {
				t.Errorf("%s shows %q, which does not exist", p.Title, target.Expr)
			}
			for _, label := range regexp.MustCompile(`\{\{([a-z]+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
				if !regexp.MustCompile(`(?m)^` + metric + `\{` + label[1] + `="`).MatchString(text) {
					t.Errorf("%s: %s has no label %s", p.Title, metric, label[1])
				}
			}
		}
	}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(text, -1) {
		if !shown[line[1]] {
			t.Errorf("%s is not shown", line[1])
		}
	}
}
