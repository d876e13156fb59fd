package discovery

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// start is when the tests without a clock begin.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var allAuto = prefs.Sources{Peers: prefs.ModeAuto, Neighbours: prefs.ModeAuto, Feeds: prefs.ModeAuto}

// always is consent that does not change.
func always(s prefs.Sources) func() prefs.Sources { return func() prefs.Sources { return s } }

// agentAt is an introducer that listens at addr; its peer ID goes with it.
func agentAt(addr string) swarm.Introducer {
	a := netip.MustParseAddrPort(addr)
	in := swarm.Introducer{Kind: swarm.KindPeer, Addr: a, Client: "ebb 0.1.0", ViaHash: hash(1000), ViaName: "swarm A"}
	digest := swarm.HashInfo([]byte(addr))
	copy(in.PeerID[:], "-EB0100-"+string(digest[:12]))
	return in
}

func newTable(t *testing.T, sources prefs.Sources, members ...swarm.InfoHash) *Candidates {
	t.Helper()
	c, err := NewCandidates(CandidatesConfig{Sources: always(sources), Member: memberOf(members...), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func memberOf(members ...swarm.InfoHash) func(swarm.InfoHash) bool {
	set := make(map[swarm.InfoHash]bool)
	for _, h := range members {
		set[h] = true
	}
	return func(h swarm.InfoHash) bool { return set[h] }
}

func state(t *testing.T, c *Candidates, h swarm.InfoHash) swarm.CandidateState {
	t.Helper()
	k, ok := c.Get(h)
	if !ok {
		return "gone"
	}
	return k.State
}

func hashes(list []swarm.Candidate) (hs []swarm.InfoHash) {
	for _, k := range list {
		hs = append(hs, k.Hash)
	}
	return hs
}

func TestHeardSwarmIsReadyOnlyOnceVerified(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:51515")
	if added := c.hear(x, []Entry{listed(1)}, start); len(added) != 1 || added[0].Hash != hash(1) {
		t.Fatalf("added %+v", added)
	}
	if s := state(t, c, hash(1)); s != swarm.CandidateHeard || len(c.Ready()) != 0 {
		t.Errorf("before the handshake: %s, ready %d", s, len(c.Ready()))
	}
	if _, ok := c.proven(hash(1), x, start.Add(time.Second)); !ok {
		t.Fatal("not verified")
	}
	if s := state(t, c, hash(1)); s != swarm.CandidateVerified || len(c.Ready()) != 1 {
		t.Errorf("after the handshake: %s, ready %d", s, len(c.Ready()))
	}
}

func TestCandidateTellsWhyItIsThere(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:51515")
	c.hear(x, []Entry{listed(1)}, start)
	c.proven(hash(1), x, start.Add(time.Minute))
	k, ok := c.Get(hash(1))
	if !ok {
		t.Fatal("not there")
	}
	raw, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"hash":"` + hash(1).String() + `"`, `"name":"swarm 1"`, `"state":"verified"`, `"rule":"sources.peers = \"auto\""`,
		`"addr":"192.0.2.1:51515"`, `"client":"ebb 0.1.0"`, `"peer_id":"` + x.PeerID.String() + `"`,
		`"via_hash":"` + hash(1000).String() + `"`, `"via_name":"swarm A"`,
		`"heard":"2026-03-01T12:00:00Z"`, `"verified":"2026-03-01T12:01:00Z"`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is not in %s", want, raw)
		}
	}
	var back swarm.Candidate
	if err := json.Unmarshal(raw, &back); err != nil || !reflect.DeepEqual(back, k) {
		t.Errorf("read back (%v):\n%+v\nwant\n%+v", err, back, k)
	}
}

func TestSwarmsWeAreInAreNoCandidates(t *testing.T) {
	c, x := newTable(t, allAuto, hash(1)), agentAt("192.0.2.1:51515")
	added := c.hear(x, []Entry{listed(1), listed(2)}, start)
	if len(added) != 1 || added[0].Hash != hash(2) || len(c.List()) != 1 {
		t.Errorf("added %+v", added)
	}
}

func TestSwarmThatWeCameToBeInIsNeitherReadyNorListed(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:51515")
	c.hear(x, []Entry{listed(1)}, start)
	c.proven(hash(1), x, start)
	c.member = memberOf(hash(1)) // the owner added it
	if len(c.Ready()) != 0 || len(c.List()) != 0 || len(c.PassOn()) != 0 {
		t.Error("still shown")
	}
	if !c.Dismiss(hash(1)) || state(t, c, hash(1)) != "gone" {
		t.Error("not taken out")
	}
}

func TestJoinedSwarmLeavesTheTableAndMayComeBack(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:51515")
	c.hear(x, []Entry{listed(1)}, start)
	c.proven(hash(1), x, start)
	if k, ok := c.Get(hash(1)); !ok || k.Introducer().PeerID != x.PeerID {
		t.Fatalf("%+v, %v", k, ok)
	}
	c.Joined(hash(1))
	if _, ok := c.Get(hash(1)); ok || len(c.List()) != 0 {
		t.Error("still there")
	}
	if added := c.hear(x, []Entry{listed(1)}, start); len(added) != 1 || state(t, c, hash(1)) != swarm.CandidateHeard {
		t.Error("after leaving it, it has to be heard of and verified again")
	}
}

func TestAskedForCandidateWaitsForTheOwnersYes(t *testing.T) {
	c, x := newTable(t, prefs.Sources{Peers: prefs.ModeAsk}), agentAt("192.0.2.1:51515")
	c.hear(x, []Entry{listed(1), listed(2)}, start)
	c.proven(hash(1), x, start)
	if s := state(t, c, hash(1)); s != swarm.CandidateWaiting || len(c.Ready()) != 0 {
		t.Fatalf("%s, %d ready", s, len(c.Ready()))
	}
	for _, h := range []swarm.InfoHash{hash(1), hash(2)} {
		if err := c.Approve(h); err != nil {
			t.Fatal(err)
		}
	}
	if s := state(t, c, hash(1)); s != swarm.CandidateApproved {
		t.Errorf("verified and approved: %s", s)
	}
	if s := state(t, c, hash(2)); s != swarm.CandidateHeard {
		t.Errorf("approved, not verified: %s", s)
	}
	if got := hashes(c.Ready()); len(got) != 1 || got[0] != hash(1) {
		t.Errorf("ready: %v", got)
	}
	if err := c.Approve(hash(3)); err != ErrUnknown {
		t.Errorf("approving an unknown swarm: %v", err)
	}
}

func TestPolicyAppliesToWhatIsKnownAlready(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:51515")
	c.hear(x, []Entry{listed(1)}, start)
	c.proven(hash(1), x, start)
	for _, step := range []struct {
		sources prefs.Sources
		want    swarm.CandidateState
	}{
		{prefs.Sources{Peers: prefs.ModeAsk}, swarm.CandidateWaiting},
		{prefs.Sources{Peers: prefs.ModeOff}, swarm.CandidateRefused},
		{prefs.Sources{Peers: prefs.ModeAuto, MaxSwarmSize: prefs.LimitTo(1)}, swarm.CandidateRefused},
		{prefs.Sources{Peers: prefs.ModeAuto, Deny: []swarm.InfoHash{hash(1)}}, swarm.CandidateRefused},
		{allAuto, swarm.CandidateVerified},
	} {
		c.sources = always(step.sources)
		if got := state(t, c, hash(1)); got != step.want || (step.want == swarm.CandidateVerified) != (len(c.Ready()) == 1) {
			t.Errorf("%+v: %s, %d ready", step.sources, got, len(c.Ready()))
		}
	}
}

func TestDeniedSwarmIsNotTakenIn(t *testing.T) {
	c := newTable(t, prefs.Sources{Peers: prefs.ModeAuto, Deny: []swarm.InfoHash{hash(1)}})
	if added := c.hear(agentAt("192.0.2.1:51515"), []Entry{listed(1)}, start); len(added) != 0 || len(c.List()) != 0 {
		t.Error("taken in")
	}
}

func TestEngineRefusalStaysWithItsReason(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:51515")
	c.hear(x, []Entry{listed(1)}, start)
	c.proven(hash(1), x, start)
	c.Refused(hash(1), "", private)
	c.hear(x, []Entry{listed(1)}, start.Add(time.Hour))
	k, _ := c.Get(hash(1))
	if k.State != swarm.CandidateRefused || k.Reason != "private torrent (BEP 27)" || len(c.Ready()) != 0 {
		t.Errorf("%s because %q", k.State, k.Reason)
	}
	if len(c.PassOn()) != 0 {
		t.Error("passed on")
	}
}

func TestVerifiedIntroducersWordCounts(t *testing.T) {
	c := newTable(t, prefs.Sources{Peers: prefs.ModeAuto, MaxSwarmSize: prefs.LimitTo(1 << 30)})
	liar, honest := agentAt("192.0.2.1:51515"), agentAt("198.51.100.1:51515")
	lie := listed(1)
	lie.Name, lie.Length, lie.Pieces = "huge", 48<<30, 48<<10
	c.hear(liar, []Entry{lie}, start)
	c.hear(honest, []Entry{listed(1)}, start)
	k, _ := c.Get(hash(1))
	if k.Name != "huge" || k.State != swarm.CandidateRefused {
		t.Fatalf("%q is %s", k.Name, k.State)
	}
	c.proven(hash(1), honest, start.Add(time.Second))
	k, _ = c.Get(hash(1))
	if k.Name != "swarm 1" || k.State != swarm.CandidateVerified || k.Introducer().PeerID != honest.PeerID || len(k.Introducers) != 2 {
		t.Errorf("%q is %s by %s", k.Name, k.State, k.Introducer().Addr)
	}
	c.hear(liar, []Entry{lie}, start.Add(time.Minute))
	if k, _ = c.Get(hash(1)); k.Name != "swarm 1" {
		t.Error("a later lie took the place of what was verified")
	}
}

func TestIntroducersNewsReplaceItsOldWord(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:51515")
	c.hear(x, []Entry{listed(1)}, start)
	c.proven(hash(1), x, start.Add(time.Second))
	e := listed(1)
	e.Seeds, e.Leechers = 0, 9
	if added := c.hear(x, []Entry{e}, start.Add(time.Hour)); len(added) != 0 {
		t.Error("told as news")
	}
	k, _ := c.Get(hash(1))
	if k.Seeds != 0 || k.Leechers != 9 || !k.Heard.Equal(start) || len(k.Introducers) != 1 || k.State != swarm.CandidateVerified {
		t.Errorf("%+v", k)
	}
}

func TestVerifyingSomethingForgottenIsNoHarm(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:51515")
	if _, ok := c.proven(hash(1), x, start); ok {
		t.Error("verified out of nothing")
	}
	c.hear(x, []Entry{listed(1)}, start)
	if _, ok := c.proven(hash(1), agentAt("192.0.2.2:51515"), start); ok {
		t.Error("verified by one who never claimed it")
	}
}

func TestListsAreOrdered(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:51515")
	for i := range 5 {
		c.hear(x, []Entry{listed(i)}, start.Add(time.Duration(i)*time.Minute))
	}
	c.proven(hash(3), x, start.Add(time.Hour))
	c.proven(hash(1), x, start.Add(2*time.Hour))
	want := []swarm.InfoHash{hash(0), hash(1), hash(2), hash(3), hash(4)}
	if got := hashes(c.List()); !reflect.DeepEqual(got, want) {
		t.Errorf("listed %v, want the first heard first", got)
	}
	if got := hashes(c.Ready()); !reflect.DeepEqual(got, []swarm.InfoHash{hash(3), hash(1)}) {
		t.Errorf("ready %v, want the first verified first", got)
	}
	var passed []swarm.InfoHash
	for _, e := range c.PassOn() {
		if e.TTL != MaxTTL-1 || e.Fragments != 0 {
			t.Errorf("passed on %+v", e)
		}
		passed = append(passed, e.Hash)
	}
	if want := []swarm.InfoHash{hash(1), hash(3), hash(4), hash(2), hash(0)}; !reflect.DeepEqual(passed, want) {
		t.Errorf("passed on %v, want verified ones, then the latest", passed)
	}
}

func TestWhatTheOwnerDeniesIsNotPassedOn(t *testing.T) {
	c := newTable(t, allAuto)
	c.hear(agentAt("192.0.2.1:51515"), []Entry{listed(1), listed(2)}, start)
	denying := allAuto
	denying.Deny = []swarm.InfoHash{hash(1)}
	c.sources = always(denying)
	if got := c.PassOn(); len(got) != 1 || got[0].Hash != hash(2) {
		t.Errorf("passed on %+v", got)
	}
}

func TestEntriesWithoutHopsAreNotPassedOn(t *testing.T) {
	c := newTable(t, allAuto)
	last, gone := listed(1), listed(2)
	last.TTL, gone.TTL = 1, 0
	c.hear(agentAt("192.0.2.1:51515"), []Entry{last, gone}, start)
	if got := c.PassOn(); len(got) != 1 || got[0].Hash != hash(1) || got[0].TTL != 0 {
		t.Errorf("passed on %+v", got)
	}
}

func TestClaimsThatNobodyRepeatsExpire(t *testing.T) {
	c, x := newTable(t, allAuto), agentAt("192.0.2.1:51515")
	c.hear(x, []Entry{listed(1), listed(2), listed(3)}, start)
	c.proven(hash(1), x, start)
	c.hear(x, []Entry{listed(2)}, start.Add(20*time.Hour))
	for _, step := range []struct {
		after time.Duration
		left  []swarm.InfoHash
	}{
		{heardLasts, []swarm.InfoHash{hash(1), hash(2), hash(3)}},
		{heardLasts + time.Second, []swarm.InfoHash{hash(1), hash(2)}},
		{heardLasts + 21*time.Hour, []swarm.InfoHash{hash(1)}},
		{verifiedLasts + time.Second, nil},
	} {
		c.expire(start.Add(step.after))
		for _, h := range []swarm.InfoHash{hash(1), hash(2), hash(3)} {
			_, there := c.Get(h)
			want := false
			for _, l := range step.left {
				want = want || l == h
			}
			if there != want {
				t.Errorf("after %v: %s there: %v", step.after, h, there)
			}
		}
	}
	checkTable(t, c)
}

func TestSecondVerifiedClaimTakesThePlaceOfTheFirst(t *testing.T) {
	c := newTable(t, allAuto)
	x, y, z := agentAt("192.0.2.1:51515"), agentAt("198.51.100.1:51515"), agentAt("203.0.113.1:51515")
	for _, in := range []swarm.Introducer{x, y, z} {
		c.hear(in, []Entry{listed(1)}, start)
	}
	c.proven(hash(1), x, start)
	c.proven(hash(1), z, start) // both were tried at once
	c.hear(y, []Entry{listed(1)}, start.Add(verifiedLasts))
	c.hear(z, []Entry{listed(1)}, start.Add(verifiedLasts))
	c.expire(start.Add(verifiedLasts + time.Second))
	k, _ := c.Get(hash(1))
	if k.State != swarm.CandidateVerified || k.Introducer().PeerID != z.PeerID || len(k.Introducers) != 2 {
		t.Errorf("%s by %s of %d", k.State, k.Introducer().Addr, len(k.Introducers))
	}
	checkTable(t, c)
}

func TestVerificationGoesWithTheClaimItVerified(t *testing.T) {
	c := newTable(t, allAuto)
	x, y := agentAt("192.0.2.1:51515"), agentAt("198.51.100.1:51515")
	c.hear(x, []Entry{listed(1)}, start)
	c.proven(hash(1), x, start)
	c.hear(y, []Entry{listed(1)}, start.Add(verifiedLasts))
	c.expire(start.Add(verifiedLasts + time.Second))
	k, ok := c.Get(hash(1))
	if !ok || k.State != swarm.CandidateHeard || !k.Verified.IsZero() || k.Introducer().PeerID != y.PeerID {
		t.Errorf("after its verified claim expired: %+v, %v", k, ok)
	}
}
