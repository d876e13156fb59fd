package owner

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"ebb/platform"
	"ebb/quota/line"
	"ebb/webui"
)

func TestDoctorTellsOfTheFirstHop(t *testing.T) {
	hop := platform.Hop{Number: 2, Addr: netip.MustParseAddr("203.0.113.1"), RTT: 110 * time.Millisecond}
	for _, c := range []struct {
		known line.FirstHop
		level string
		text  string
	}{
		{line.FirstHop{Hop: hop, Silence: "i/o timeout"}, webui.FindingOK, "203.0.113.1, 2 hops away, answered pings last in 110.0 ms"},
		{line.FirstHop{Silence: platform.ErrNoProbe.Error()}, webui.FindingNote, "may not send pings"},
		{line.FirstHop{}, webui.FindingNote, "it has not been asked"},
	} {
		var d diagnosis
		if d.checkFirstHop(c.known); len(d) != 1 || d[0].Level != c.level || !strings.Contains(d[0].Text, c.text) {
			t.Errorf("%+v: %+v", c.known, d)
		}
	}
}
