package main

import (
	"strings"
	"testing"
)

func TestImportsPointDown(t *testing.T) {
	for _, c := range []struct{ from, to, refused string }{
		{"agent/ebb", "agent", ""},
		{"agent", "agent/ebb", "nobody's library"},
		{"agent/owner", "agent", "points up"},
		{"agent", "agent/owner", ""},
		{"agent/owner", "webui", ""},
		{"agent/background", "agent/owner", "points up"},
		{"agent/background", "agent/discovery", "sideways"},
		{"agent/discovery", "agent/foreground", "sideways"},
		{"agent/background", "agent/background/choose", ""},
		{"agent/background/choose", "agent/swarm", ""},
		{"agent/background/choose", "agent/prefs", "choosing is pure"},
		{"agent/background/choose", "agent/background", "choosing is pure"},
		{"agent/background/choose", "quota/disk", "choosing is pure"},
		{"agent/discovery/feeds", "agent/discovery", ""},
		{"agent/discovery/feeds", "agent/discovery/rendezvous", "sideways"},
		{"agent/discovery", "agent/discovery/rendezvous", "sideways"},
		{"webui", "agent/swarm", ""},
		{"webui", "quota/disk", "an interface that it declares itself"},
		{"quota/disk", "quota", ""},
		{"quota/disk", "quota/disk/fragstore", ""},
		{"quota/disk/fragstore", "quota/disk", "points up"},
		{"quota/disk/fragstore", "agent/prefs", "sideways"},
		{"quota/disk/fragstore", "agent/swarm", ""},
		{"quota/disk", "quota/line", "sideways"},
		{"quota/line", "quota/line/govern", ""},
		{"quota/line/govern", "quota/line", "sideways"},
		{"agent/peersource", "agent/peerwire", "sideways"},
		{"agent/records", "agent/prefs", ""},
		{"agent/prefs", "agent/swarm", ""},
		{"agent/swarm", "agent/prefs", "points up"},
		{"platform", "agent/swarm", "knows nothing of ebb"},
		{"build/lab", "agent", ""},
		{"build/netlab", "build/interop", ""},
		{"agent/foreground", "build/lab", "points up"},
		{"agent/owner", "webui/webuitest", "points up"},
		{"build/lab", "agent/ebb", "nobody's library"},
	} {
		broken := check([]pkg{{ImportPath: module + c.from, Imports: []string{"fmt", module + c.to}}})
		switch {
		case c.refused == "" && len(broken) > 0:
			t.Errorf("refused: %s", broken)
		case c.refused != "" && (len(broken) != 1 || !strings.HasPrefix(broken[0], c.from+" imports "+c.to) || !strings.Contains(broken[0], c.refused)):
			t.Errorf("%s imports %s: %q, not refused with %q", c.from, c.to, broken, c.refused)
		}
	}
}

func TestTestsMayLookFurtherButNotIntoTheCommand(t *testing.T) {
	for _, p := range []pkg{
		{ImportPath: "ebb/agent/background", TestImports: []string{"ebb/build/lab", "ebb/agent/ebb"}},
		{ImportPath: "ebb/agent/background", XTestImports: []string{"ebb/agent", "ebb/agent/ebb"}},
	} {
		if broken := check([]pkg{p}); len(broken) != 1 || !strings.Contains(broken[0], "a test of agent/background imports agent/ebb") {
			t.Errorf("%q", broken)
		}
	}
}

func TestAPackageWithoutALayerIsRefused(t *testing.T) {
	for _, name := range []string{"agent/kitchen", "quota/disk/fragstore/cache", "kitchen"} {
		if broken := check([]pkg{{ImportPath: module + name}}); len(broken) != 1 || !strings.Contains(broken[0], "no layer") {
			t.Errorf("%s: %q", name, broken)
		}
	}
}

// A rule about a package that has moved away would be a rule about nothing.
func TestRulesAreAboutPackagesOfTheHouse(t *testing.T) {
	var named []string
	for _, rule := range beside {
		named = append(named, rule.from, rule.to)
		if layer(rule.to) != layer(strings.TrimSuffix(rule.from, "/...")) {
			t.Errorf("%s and %s do not stand beside each other", rule.from, rule.to)
		}
	}
	for _, rule := range only {
		named = append(append(named, rule.from), rule.to...)
	}
	for _, name := range append(named, command) {
		if layer(strings.TrimSuffix(name, "/...")) < 0 {
			t.Errorf("%s is not in the table of layers", name)
		}
	}
}
