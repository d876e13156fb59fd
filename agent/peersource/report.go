package peersource

import (
	"time"

	"ebb/agent/swarm"
)

// Report is how the last announce of a torrent to one source, or its last look-up there, went.
type Report struct {
	Source  string    // tracker URL, or SourceDHT
	Asked   time.Time // when it began; zero: it has not been asked yet, or not answered for the first time
	Err     error     // why there is nothing; a *Refusal if the tracker said no
	Warning string    // what the tracker wants the owner to know, cleaned; at most 200 bytes
}

// trouble is what the owner should know of an announce. Most leave none, and there may be 50,000 entries.
type trouble struct {
	err     error
	warning string
}

// Reports returns how a torrent fares at each of its sources; nothing, if it is not announced.
func (a *Announcer) Reports(h swarm.InfoHash) []Report {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.schedule.torrents[h]
	if r == nil || r.leaving {
		return nil
	}
	reports := make([]Report, 0, len(r.entries))
	for _, e := range r.entries {
		if !e.wanted {
			continue
		}
		report := Report{Source: e.at.name}
		if e.tried {
			report.Asked = a.epoch.Add(e.last)
		}
		if e.trouble != nil {
			report.Err, report.Warning = e.trouble.err, e.trouble.warning
		}
		reports = append(reports, report)
	}
	return reports
}
