package prefs

import (
	"slices"
	"testing"

	"ebb/agent/swarm"
)

func TestWhatTakesEffectAtTheNextStartIsNamed(t *testing.T) {
	p := Default()
	if keys := NeedRestart(p, p); len(keys) != 0 {
		t.Errorf("nothing changed, and these need a restart: %v", keys)
	}
	q := p
	q.Background.Storage = StorageOf(1 << 30)
	q.Network.WANInterface, q.Sources.Peers, q.Sharing.ListBackground = "eth7", ModeOff, false
	if keys := NeedRestart(p, q); len(keys) != 0 {
		t.Errorf("these follow at once, and are said to need a restart: %v", keys)
	}
	q.Web.AllowedHosts, q.Web.Address = []string{"nas.lan"}, ":8089"
	if keys := NeedRestart(p, q); len(keys) != 0 {
		t.Errorf("these follow at once, and are said to need a restart: %v", keys)
	}
	q.Network.DHT, q.Foreground.Directory = false, "/srv"
	if keys := NeedRestart(p, q); !slices.Equal(keys, []string{"foreground.directory", "network.dht"}) {
		t.Errorf("these need a restart: %v", keys)
	}
}

func TestLivePreferencesWakeWhoWaits(t *testing.T) {
	l := NewLive(Default())
	changed := l.Changed()
	p := Default()
	p.State.Directory, p.Background.Goal = "/elsewhere", swarm.GoalPreserve
	if before := l.Set(p); before.Background.Goal != swarm.GoalBalanced {
		t.Errorf("before: %v", before.Background.Goal)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody was woken")
	}
	if now := l.Get(); now.Background.Goal != swarm.GoalPreserve || now.State != Default().State {
		t.Errorf("in force: %+v", now)
	}
	select {
	case <-l.Changed():
		t.Error("woken without a change")
	default:
	}
}
