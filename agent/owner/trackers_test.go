package owner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ebb/agent/foreground"
	"ebb/agent/peersource"
	"ebb/agent/swarm"
	"ebb/webui"
)

func TestTrackersAreTroubleWhenNoneWorks(t *testing.T) {
	now := time.Now()
	refuses := peersource.Report{Source: "http://a.example/secret/announce", Asked: now, Err: fmt.Errorf("announce: %w", &peersource.Refusal{Reason: "Unregistered torrent"})}
	fails := peersource.Report{Source: "udp://b.example:80", Asked: now, Err: context.DeadlineExceeded}
	warns := peersource.Report{Source: "https://c.example/announce?passkey=secret", Asked: now, Warning: "closed from May"}
	works := peersource.Report{Source: "http://d.example/announce", Asked: now}
	unasked := peersource.Report{Source: "http://e.example/announce"}
	dht := peersource.Report{Source: peersource.SourceDHT, Asked: now}
	lost := peersource.Report{Source: peersource.SourceDHT, Asked: now, Err: peersource.ErrNoNodes}
	for _, c := range []struct {
		reports []peersource.Report
		text    string
		grave   bool
	}{
		{nil, "", false},
		{[]peersource.Report{lost}, "", false}, // said by the doctor, once
		{[]peersource.Report{refuses, dht}, "the tracker http://a.example says: Unregistered torrent", true},
		{[]peersource.Report{fails, refuses}, "the tracker http://a.example says: Unregistered torrent; the tracker udp://b.example:80 fails: no answer in time", true},
		{[]peersource.Report{refuses, fails, works}, "", false},
		{[]peersource.Report{fails, unasked}, "", false},
		{[]peersource.Report{warns, fails}, "the tracker https://c.example warns: closed from May", false},
		{[]peersource.Report{fails, fails, fails, fails, fails}, strings.Repeat("the tracker udp://b.example:80 fails: no answer in time; ", 3) + "and 2 trackers more", true},
	} {
		list := trackers(c.reports)
		text, grave := trouble(list)
		if text != c.text || grave != c.grave || strings.Contains(fmt.Sprint(list), "secret") {
			t.Errorf("of %v: %q, %t; %v", c.reports, text, grave, list)
		}
	}
}

// TestWhyATrackerCannotBeReached asks real ones that cannot.
func TestWhyATrackerCannotBeReached(t *testing.T) {
	for _, c := range []struct {
		url   string
		guard peersource.Guard
		want  string
	}{
		{"http://127.0.0.1:1/announce", peersource.Guard{AllowPrivate: true}, "nothing listens there"},
		{"udp://127.0.0.1:1", peersource.Guard{AllowPrivate: true}, "nothing listens there"},
		{"http://[::1]:1/announce", peersource.Guard{AllowPrivate: true, Local: netip.MustParseAddr("127.0.0.1")}, "only IPv6"},
		{"udp://[::1]:1", peersource.Guard{AllowPrivate: true, Local: netip.MustParseAddr("127.0.0.1")}, "only IPv6"},
	} {
		_, err := peersource.NewTrackers(c.guard, "ebb").Announce(t.Context(), c.url, peersource.AnnounceRequest{Port: 1})
		if err == nil || !strings.Contains(cause(err), c.want) {
			t.Errorf("%s: %q is told of %v, and not %q", c.url, cause(err), err, c.want)
		}
	}
	if got := cause(&net.DNSError{Err: "no such host", Name: "tracker.invalid", IsNotFound: true}); !strings.Contains(got, "no host of this name") {
		t.Error(got)
	}
}

func TestDoctorTellsOfDownloadsThatReachNoTracker(t *testing.T) {
	reach := func(err error) []peersource.Report {
		return []peersource.Report{{Source: "http://a.example/announce", Asked: time.Now(), Err: err}}
	}
	refused := reach(&peersource.Refusal{Reason: "Unregistered torrent"})
	check := func(reports []peersource.Report, torrents ...foreground.Torrent) webui.Finding {
		var d diagnosis
		d.checkDownloads(torrents, func(swarm.InfoHash) []peersource.Report { return reports })
		if len(d) != 1 {
			t.Fatalf("%+v", d)
		}
		return d[0]
	}
	waits := foreground.Torrent{Name: "film", Length: 10, State: foreground.Downloading}
	if f := check(refused, waits); f.Level != webui.FindingProblem || !strings.Contains(f.Text, "Unregistered torrent") {
		t.Errorf("of one that gets nothing: %+v", f)
	}
	fed := waits
	fed.Peers = 3
	if f := check(refused, fed); f.Level != webui.FindingNote || !strings.Contains(f.Text, "Unregistered torrent") {
		t.Errorf("of one that has other peers: %+v", f)
	}
	if f := check(reach(nil), foreground.Torrent{Name: "film"}); f.Level != webui.FindingOK {
		t.Errorf("of one that is well: %+v", f)
	}
	failed := foreground.Torrent{Name: "film", State: foreground.Failed, Error: "no space"}
	if f := check(reach(errors.New("down")), failed); f.Level != webui.FindingProblem || !strings.Contains(f.Text, "no space") {
		t.Errorf("of one that has failed: %+v", f)
	}
}

func TestDoctorTellsOfADHTWithoutNodes(t *testing.T) {
	lonely := &peersource.DHT{}
	for _, c := range []struct {
		dht    *peersource.DHT
		uptime time.Duration
		level  string
	}{{nil, time.Hour, webui.FindingNote}, {lonely, time.Second, webui.FindingNote}, {lonely, time.Hour, webui.FindingProblem}} {
		var d diagnosis
		if d.checkDHT(c.dht, c.uptime); len(d) != 1 || d[0].Level != c.level {
			t.Errorf("%+v: %+v", c, d)
		}
	}
}
