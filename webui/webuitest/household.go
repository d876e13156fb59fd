package webuitest

import (
	"net/netip"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/webui"
)

// Names that strangers may give a torrent, to see that they do no harm.
const (
	MarkupName   = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
	TerminalName = "clear\x1b[2J\x1b]0;owned\x07the\u009b2Jscreen\nand\tgo"
	RightToLeft  = "ספר \u202egpj.exe"
)

// Hash makes an info-hash that is easy to tell in a test: n, repeated.
func Hash(n byte) (h swarm.InfoHash) {
	for i := range h {
		h[i] = n
	}
	return h
}

// NewHousehold returns an agent as it may look after three weeks in a flat: 20 GiB lent, four downloads, four swarms
// helped, three candidates. It was built at now. Hash(0x1n) are downloads, Hash(0x2n) swarms, Hash(0x3n) candidates.
func NewHousehold(now time.Time) *Agent {
	const kib, mib, gib = 1 << 10, 1 << 20, 1 << 30
	midnight := time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, now.Location())
	a := NewAgent()
	a.preferences.Background.Storage = prefs.StorageOf(20 * gib)
	a.status = webui.Status{
		Version:       "0.1.0",
		UptimeSeconds: 21*86400 + 4*3600,
		State:         webui.StateYielding,
		Why:           "Somebody in the household is uploading, so the background holds back until the line is free again.",
		Background: webui.BackgroundStatus{
			UploadRate: 214 * kib, DownloadRate: 0, UploadLimit: 256 * kib, DownloadLimit: webui.Unlimited,
			Uploaded: 61 * gib, Downloaded: 23 * gib,
			StorageUsed: 11*gib + 300*mib, StorageLimit: 17 * gib, StorageAllotment: 20 * gib,
			Fragments: 5240, Swarms: 4, Candidates: 3,
			WriteBudget: 2 * gib, WrittenToday: 2 * gib, WriteBudgetRenews: midnight,
		},
		Foreground: webui.ForegroundStatus{
			Directory:  "/srv/downloads",
			UploadRate: 90 * kib, DownloadRate: 4*mib + 600*kib, UploadLimit: webui.Unlimited, DownloadLimit: webui.Unlimited,
			Uploaded: 9 * gib, Downloaded: 12 * gib, Torrents: 4, Active: 2,
		},
		Disk: webui.DiskStatus{
			Free: 21 * gib, Total: 114 * gib, Promised: 3 * gib, SameDisk: true, DownloadsFree: 21 * gib, DownloadsTotal: 114 * gib,
		},
		Link: webui.LinkStatus{
			Interface: "eth1", LineUp: 5 * mib, LineDown: 30 * mib, OthersUp: 4 * mib, OthersDown: 700 * kib, QueueDelayMS: 12.5,
		},
	}
	a.foreground = []webui.ForegroundTorrent{
		{
			Hash: Hash(0x11), Name: "debian-13.2.0-amd64-netinst.iso", State: "seeding", Why: "Complete; shared with whoever asks.",
			Length: 783 * mib, Completed: 783 * mib, UploadRate: 90 * kib, Downloaded: 783 * mib, Uploaded: 5 * gib, Peers: 7, Seeds: 2,
			Directory: "/srv/downloads", Added: now.Add(-20 * 24 * time.Hour),
		},
		{
			Hash: Hash(0x12), Name: "sentinel-2-mosaic-2025", State: "downloading", Why: "9 peers have what is missing.",
			Length: 9 * gib, Completed: 6*gib + 200*mib, DownloadRate: 4*mib + 600*kib, UploadRate: 0, Downloaded: 6 * gib, Uploaded: 90 * mib,
			Peers: 12, Seeds: 3, Directory: "/srv/downloads", Added: now.Add(-2 * time.Hour),
		},
		{
			Hash: Hash(0x13), State: "metadata", Why: "Asking peers what this magnet link stands for.",
			Peers: 1, Directory: "/srv/downloads", Added: now.Add(-time.Minute),
			Trouble: "the tracker https://tracker.example says: Unregistered torrent\x1b[2J",
			Trackers: []webui.Tracker{
				{Name: "DHT", State: webui.TrackerWorks, Asked: now.Add(-time.Minute)},
				{Name: "https://tracker.example", State: webui.TrackerRefuses, Text: "Unregistered torrent\x1b[2J", Asked: now.Add(-time.Minute)},
			},
		},
		{
			Hash: Hash(0x14), Name: MarkupName, State: "failed", Why: "The disk lacks 41 GiB for it: free some, or remove it.",
			Length: 62 * gib, Private: true, Directory: "/srv/downloads", Added: now.Add(-time.Hour),
		},
	}
	a.background = []webui.BackgroundSwarm{
		{
			Hash: Hash(0x21), Name: "Prelinger Archives, reels 120–180", State: "sharing",
			Why:    "Named by ebb 0.1.0 at 198.51.100.7, a peer of debian-13.2.0-amd64-netinst.iso; one seed was left.",
			Length: 38 * gib, Pieces: 9728, Fragments: 2210, Bytes: 8 * gib, Peers: 5, Seeds: 1, Leechers: 12,
			UploadRate: 214 * kib, Downloaded: 9 * gib, Uploaded: 44 * gib, Joined: now.Add(-18 * 24 * time.Hour),
		},
		{
			Hash: Hash(0x22), Name: "openstreetmap-planet-2025-11.osm.pbf", State: "fetching",
			Waiting: "today's write budget is spent",
			Why:     "You asked for it.",
			Length:  81 * gib, Pieces: 20736, Fragments: 610, Bytes: 2 * gib, Peers: 3, Seeds: 4, Leechers: 31,
			Downloaded: 3 * gib, Uploaded: 11 * gib, Joined: now.Add(-6 * 24 * time.Hour),
		},
		{
			Hash: Hash(0x23), Name: RightToLeft, State: "dormant",
			Why:    "Named by the feed https://feeds.example.org/books.xml.",
			Length: 700 * mib, Pieces: 2800, Fragments: 2400, Bytes: 600 * mib, Seeds: 0, Leechers: 2, Uploaded: 6 * gib,
			Joined: now.Add(-9 * 24 * time.Hour),
		},
		{
			Hash: Hash(0x24), Name: TerminalName, State: "metadata",
			Why:   "Named by a neighbour, 192.168.1.20.",
			Seeds: -1, Leechers: -1, Joined: now.Add(-3 * time.Minute),
		},
	}
	peer := swarm.Introducer{
		Kind: "peer", Addr: netip.MustParseAddrPort("198.51.100.7:51515"), PeerID: swarm.PeerID([]byte("-EB0100-\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c")),
		Client: "ebb 0.1.0", ViaHash: Hash(0x11), ViaName: "debian-13.2.0-amd64-netinst.iso",
		Heard: now.Add(-19 * 24 * time.Hour), Verified: now.Add(-19*24*time.Hour + 4*time.Second),
	}
	a.why = map[swarm.InfoHash]webui.Why{
		Hash(0x21): {
			Hash: Hash(0x21), Name: "Prelinger Archives, reels 120–180", State: "joined", Rule: `sources.peers = "auto"`,
			Joined: now.Add(-18 * 24 * time.Hour), Introducer: &peer,
			Sentence: "A peer of debian-13.2.0-amd64-netinst.iso said that it is in this swarm, and shook hands with us there; you let peers name swarms, and this one had a single seed left.",
		},
		Hash(0x31): {
			Hash: Hash(0x31), Name: "Apollo flight journals", State: swarm.CandidateWaiting, Rule: `sources.feeds = "ask"`,
			Introducer: &swarm.Introducer{Kind: "feed", Heard: now.Add(-time.Hour)},
			Sentence:   "A feed of yours named it, and you want to be asked.",
		},
	}
	for i := range 300 {
		moment := webui.LineMoment{
			At: now.Add(time.Duration(i-299) * 2 * time.Second), Up: 4 * mib, LineUp: 5 * mib, LineDown: 30 * mib, QueueDelayMS: 2,
			Why: "sharing: the line is free",
		}
		if i >= 200 && i < 230 {
			moment.Up, moment.OthersUp, moment.QueueDelayMS = 20*kib, 4*mib, 62
			moment.Why = "yielding: someone in the house is uploading at 33.6 Mbit/s"
		}
		a.line = append(a.line, moment)
	}
	a.candidates = []webui.Candidate{
		{
			Candidate: swarm.Candidate{
				Hash: Hash(0x31), Name: "Apollo flight journals", State: swarm.CandidateWaiting,
				Rule: `sources.feeds = "ask"`, Length: 3 * gib, Pieces: 1536, Health: swarm.Health{Seeds: 2, Leechers: 9, Copies: 2},
				Introducers: []swarm.Introducer{{Kind: swarm.KindFeed, Heard: now.Add(-time.Hour)}}, Heard: now.Add(-time.Hour),
			},
			Why: "A feed of yours named it, and you want to be asked.",
		},
		{
			Candidate: swarm.Candidate{
				Hash: Hash(0x32), Name: "linuxtracks-2024-flac", State: swarm.CandidateHeard,
				Rule: `sources.peers = "auto"`, Length: 44 * gib, Pieces: 11264, Health: swarm.Health{Seeds: 1, Leechers: 3, Copies: 1},
				Introducers: []swarm.Introducer{peer, peer}, Heard: now.Add(-10 * time.Minute),
			},
			Why: "Two peers named it; neither has shaken hands with us there yet.",
		},
		{
			Candidate: swarm.Candidate{
				Hash: Hash(0x33), Name: MarkupName, State: swarm.CandidateRefused,
				Rule: `sources.max_swarm_size = "500GiB"`, Length: 900 * gib, Health: swarm.UnknownHealth,
				Introducers: []swarm.Introducer{peer}, Heard: now.Add(-30 * time.Minute),
			},
			Why: "Larger than the 500 GiB that you allow.",
		},
	}
	a.findings = []webui.Finding{
		{About: "files", Level: webui.FindingOK, Text: "5,240 fragments of 4 swarms are there, each with the size that it should have"},
		{About: "index", Level: webui.FindingProblem, Text: "2 fragments are in the index and not on the disk"},
		{About: "drive", Level: webui.FindingNote, Text: "what kind of drive this is cannot be told, so it is never taken to be asleep"},
	}
	for i, e := range []swarm.Event{
		{Kind: "heard", Hash: Hash(0x32), Text: "linuxtracks-2024-flac: ebb 0.1.0 at 198.51.100.7 is in a swarm that we are not in"},
		{Kind: "joined", Hash: Hash(0x24), Text: "joined the swarm that 192.168.1.20 named"},
		{Kind: "stored", Hash: Hash(0x22), Text: "openstreetmap-planet-2025-11.osm.pbf: fragment 610 of 20736 stored"},
		{Kind: "refused", Hash: Hash(0x33), Text: MarkupName + " refused: larger than the 500 GiB that you allow"},
		{Kind: "yielding", Text: "gave way to an upload in the household within 0.4 s"},
		{Kind: "served", Hash: Hash(0x21), Text: "Prelinger Archives, reels 120–180: served 2.0 MiB to 203.0.113.90"},
	} {
		e.Time = now.Add(time.Duration(i-6) * 95 * time.Second)
		a.log.Publish(e)
	}
	return a
}
