package main

import (
	"strings"
	"testing"
	"time"

	"ebb/webui"
)

func TestRemoveMayKeepHelping(t *testing.T) {
	for args, want := range map[string]struct{ call, says string }{
		"1111 -keep-helping":       {"remove data=false help=true " + hash(0x11), "becomes fragments, and its files stay: debian"},
		"-keep-helping -data 1212": {"remove data=true help=true " + hash(0x12), "becomes fragments, and then its files go: sentinel"},
	} {
		h := newHousehold(t)
		out := h.does(append([]string{"remove"}, strings.Fields(args)...)...)
		if call := h.lastCall(); call != want.call || !strings.Contains(out, want.says) {
			t.Errorf("%s: the agent was told %q; printed %q", args, call, out)
		}
	}
	h := newHousehold(t)
	expect(t, h.fails(1, "remove", "-keep-helping", "2121"), "Prelinger", "help it already")
	if calls := h.agent.Calls(); len(calls) > 0 {
		t.Errorf("the agent was told %q", calls)
	}
	expect(t, h.fails(1, "remove", "-keep-helping", "1414"), "private")
	expect(t, h.fails(1, "remove", "-keep-helping", "1313"), "nothing yet")

	code, out, _ := ebb(t, "remove", "-h")
	expect(t, out, "Usage: ebb remove [-data] [-keep-helping] HASH", "the files stay unless -data is given as well", "once what fits has become fragments")
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestPromoteTakesOnlySwarmsThatAreHelped(t *testing.T) {
	h := newHousehold(t)
	h.does("promote", "2121")
	expect(t, h.does("list"), "  promoting  ")
	expect(t, h.fails(1, "promote", "2121"), "Prelinger", "already")
	expect(t, h.fails(1, "promote", "2424"), "try again later") // no metadata
	before := len(h.agent.Calls())
	expect(t, h.fails(exitUnknown, "promote", "1111"), "1111") // a download is one already
	expect(t, h.fails(exitUnknown, "promote", "3131"), "3131") // a candidate holds nothing
	for _, bad := range []string{"212", "zzzz", "../../status", ""} {
		expect(t, h.fails(2, "promote", bad), "info-hash")
	}
	h.fails(2, "promote")
	h.fails(2, "promote", "2121", "2222")
	if after := h.agent.Calls(); len(after) != before {
		t.Errorf("the agent was told %q", after[before:])
	}
	expect(t, h.fails(exitUnknown, "promote", hash(0x7f)), "nothing is known")
}

func TestListGroupsWhatSwarmsWaitFor(t *testing.T) {
	swarm := func(n byte, waiting string) webui.BackgroundSwarm {
		var b webui.BackgroundSwarm
		for i := range b.Hash {
			b.Hash[i] = n
		}
		b.Waiting = waiting
		return b
	}
	waits := func(b webui.BackgroundSwarm) string { return b.Waiting }
	got := shared([]webui.BackgroundSwarm{swarm(1, "the disk sleeps"), swarm(2, ""), swarm(3, "x\x1b[2J"), swarm(4, "the disk sleeps")}, waits, " waits", " wait")
	if strings.Join(got, "|") != "2 swarms wait: the disk sleeps|03030303 waits: x\ufffd[2J" {
		t.Errorf("%q", got)
	}
	if got := shared([]webui.BackgroundSwarm{swarm(2, "")}, waits, " waits", " wait"); got != nil {
		t.Errorf("%q", got)
	}
}

func TestStatusSpeaksOfBudgetAndDisksOnlyWhenThereIsSomethingToSay(t *testing.T) {
	h := newHousehold(t)
	night := time.Date(2026, 3, 8, 0, 0, 0, 0, time.Local)
	for _, c := range []struct {
		change func(*webui.Status)
		says   string // empty: nothing
	}{
		{func(*webui.Status) {}, ""},
		{func(s *webui.Status) { s.Background.WrittenToday = 1228 << 20 }, "\n            1.2 GiB of 2.0 GiB written today\n"},
		{func(s *webui.Status) { s.Background.WrittenToday = 2 << 30 }, "2.0 GiB of 2.0 GiB written today; nothing new is fetched until midnight\n"},
		{func(s *webui.Status) {
			s.Background.WrittenToday, s.Background.WriteBudgetRenews = 3<<30, night.Add(90*time.Minute)
		}, "3.0 GiB of 2.0 GiB written today; nothing new is fetched until 01:30\n"},
		{func(s *webui.Status) { s.Background.WrittenToday, s.Background.WriteBudget = 3<<30, webui.Unlimited }, ""},
		{func(s *webui.Status) { s.Disk.Asleep = true }, "\n            asleep; the background waits"},
		{func(s *webui.Status) { s.Disk.ReadOnly = true }, "\n            read-only;"},
		{func(s *webui.Status) {
			s.Disk.SameDisk = false
			s.Disk.DownloadsFree, s.Disk.DownloadsTotal = 900<<30, 4<<40
		},
			"\nDisk        21 GiB free of 114 GiB\nDownloads   on another disk, 900 GiB free of 4.0 TiB, 3.0 GiB promised to downloads\n"},
		{func(s *webui.Status) { s.Disk.SameDisk, s.Disk.DownloadsTotal = false, 0 }, ""},
	} {
		h.agent.SetStatus(func(s *webui.Status) {
			s.Background.WriteBudget, s.Background.WrittenToday, s.Background.WriteBudgetRenews = 2<<30, 0, night
			s.Disk = webui.DiskStatus{Free: 21 << 30, Total: 114 << 30, Promised: 3 << 30, SameDisk: true, DownloadsFree: 21 << 30, DownloadsTotal: 114 << 30}
			c.change(s)
		})
		out := h.does("status")
		lines := strings.Count(out, "\n")
		if c.says == "" {
			for _, word := range []string{"written", "asleep", "read-only", "another"} {
				if strings.Contains(out, word) {
					t.Errorf("%q is said:\n%s", word, out)
				}
			}
			if lines != 11 {
				t.Errorf("%d lines:\n%s", lines, out)
			}
			continue
		}
		expect(t, out, c.says)
		if lines != 12 {
			t.Errorf("%d lines:\n%s", lines, out)
		}
	}
}

func TestVerifySaysWhenItHappens(t *testing.T) {
	h := newHousehold(t)
	expect(t, h.does("verify", "1212"), "Verifying sentinel-2-mosaic-2025")
	if got := h.lastCall(); got != "verify "+hash(0x12) {
		t.Errorf("the agent was told %q", got)
	}
	h.does("stop", "1111")
	expect(t, h.does("verify", "1111"), "To be verified when it is started: debian")
	expect(t, h.fails(exitFailed, "verify", "1313"), "metadata")
	expect(t, h.fails(exitUnknown, "verify", "2121"), "2121") // a swarm is not a download
	h.fails(exitUnknown, "verify", hash(0x7f))
}
