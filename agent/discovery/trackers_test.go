package discovery

import (
	"strings"
	"testing"
)

func TestTrackersWithAPassKeyAreNotTold(t *testing.T) {
	for _, public := range []string{
		"udp://tracker.opentrackr.org:1337/announce",
		"udp://open.stealth.si:80/announce",
		"udp://tracker.example.org:6969",
		"http://tracker.example.org/",
		"http://bt4.example.net:2095/announce",
		"https://tracker.example.org/bt/announce.php",
		"http://192.0.2.5:6969/announce",
		"udp://[2001:db8:1234:5678::9]:6969/announce",
		"http://example2029.org/ann",
	} {
		if MayCarryKey(public) {
			t.Errorf("%s is not told, although anybody may know it", public)
		}
	}
	for _, private := range []string{
		"http://tracker.example.org/announce?passkey=0123456789abcdef0123456789abcdef",
		"http://tracker.example.org/announce?",
		"http://tracker.example.org/announce.php?pid=1",
		"https://tracker.example.org/0123456789abcdef0123456789abcdef/announce",
		"https://tracker.example.org/announce/0123456789ABCDEF",
		"https://tracker.example.org/a/abcdefghijklmnopqrst/announce",
		"https://tracker.example.org/4f1a97/announce",
		"https://tracker.example.org/announce;passkey=abc",
		"https://tracker.example.org/announce%3Fpasskey=abc",
		"https://tracker.example.org/%70%61%73%73/announce",
		"https://tracker.example.org:443/announce#0123",
		"https://user:word@tracker.example.org/announce",
		"udp://tracker.example.org:80/abcdefabcdefabcdef/announce",
		"https://0123456789abcdef0123456789abcdef.tracker.example.org/announce",
		"not a URL%",
	} {
		if !MayCarryKey(private) {
			t.Errorf("%s is told to strangers", private)
		}
	}
}

func TestListNamesASwarmWithoutTheTrackersThatCarryAPassKey(t *testing.T) {
	e := listed(1)
	const key, public = "0123456789abcdef0123456789abcdef", "udp://tracker.example.org:80/announce"
	e.Trackers = nil
	for range maxTrackers { // they take no public one's place either
		e.Trackers = append(e.Trackers, "https://tracker.example.org/announce/"+key, "https://t.example.org/?k="+key)
	}
	e.Trackers = append(e.Trackers, public)
	reply, _, err := listsOf(e).handle(agentAt("192.0.2.1:1"), aRequest, start)
	if err != nil {
		t.Fatal(err)
	}
	m := must(t, reply)
	if strings.Contains(string(reply), key) || len(m.Entries) != 1 || len(m.Entries[0].Trackers) != 1 || m.Entries[0].Trackers[0] != public {
		t.Errorf("listed %+v", m.Entries)
	}
}
