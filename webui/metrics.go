package webui

import (
	"fmt"
	"net/http"
	"runtime/metrics"
	"strings"
)

// exposition is text in Prometheus' format, version 0.0.4.
type exposition struct{ strings.Builder }

// value is one value of a metric, and what tells it from the others: empty, or such as direction="up".
type value struct {
	label  string
	number float64
}

// add adds a metric with all of its values.
func (e *exposition) add(name, kind, help string, values ...value) {
	fmt.Fprintf(e, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	for _, v := range values {
		label := v.label
		if label != "" {
			label = "{" + label + "}"
		}
		fmt.Fprintf(e, "%s%s %v\n", name, label, v.number)
	}
}

func (e *exposition) gauge(name, help string, values ...value) { e.add(name, "gauge", help, values...) }

func (e *exposition) counter(name, help string, values ...value) {
	e.add(name, "counter", help, values...)
}

func of[N int | int64 | float64](n N) value { return value{"", float64(n)} }

// upDown are the values of what goes both ways.
func upDown(up, down int64) []value {
	return []value{{`direction="up"`, float64(up)}, {`direction="down"`, float64(down)}}
}

// limits are the same for rate limits, of which those that do not exist are left out.
func limits(up, down int64) (values []value) {
	for _, v := range upDown(up, down) {
		if v.number != float64(Unlimited) {
			values = append(values, v)
		}
	}
	return values
}

// getMetrics answers with the status in Prometheus' format. It names no torrent: who scrapes keeps it for years.
func (s *server) getMetrics(w http.ResponseWriter, r *http.Request) error {
	status, err := s.agent.Status(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, err = w.Write([]byte(expose(status)))
	if err != nil {
		s.log.Debug("metrics were not wanted any more", "err", err)
	}
	return nil
}

func expose(s Status) string {
	var e exposition
	b, f, d, l := s.Background, s.Foreground, s.Disk, s.Link
	e.gauge("ebb_info", "Which ebb this is.", value{fmt.Sprintf("version=%q", s.Version), 1})
	e.gauge("ebb_uptime_seconds", "How long it has been running.", of(s.UptimeSeconds))
	var states []value
	for _, state := range []State{StateSetup, StateSharing, StateYielding, StatePaused, StateOff} {
		now := value{fmt.Sprintf("state=%q", state), 0}
		if state == s.State {
			now.number = 1
		}
		states = append(states, now)
	}
	e.gauge("ebb_state", "What the background does: 1 for the state that it is in.", states...)

	e.counter("ebb_background_bytes_total", "What the background has transferred.", upDown(b.Uploaded, b.Downloaded)...)
	e.gauge("ebb_background_rate_bytes_per_second", "How fast the background is.", upDown(b.UploadRate, b.DownloadRate)...)
	e.gauge("ebb_background_limit_bytes_per_second", "How fast the governor lets the background be; absent without a limit.", limits(b.UploadLimit, b.DownloadLimit)...)
	e.gauge("ebb_storage_used_bytes", "What fragments take.", of(b.StorageUsed))
	e.gauge("ebb_storage_limit_bytes", "What fragments may take now.", of(b.StorageLimit))
	e.gauge("ebb_storage_allotment_bytes", "What the owner lends.", of(b.StorageAllotment))
	e.gauge("ebb_fragments", "Fragments held.", of(b.Fragments))
	e.gauge("ebb_swarms", "Swarms helped.", of(b.Swarms))
	e.gauge("ebb_candidates", "Swarms known and not joined.", of(b.Candidates))
	e.gauge("ebb_written_today_bytes", "What the background has written today.", of(b.WrittenToday))

	// The downloads that are there now: one that is removed takes its share along, so that this is no counter.
	e.gauge("ebb_downloads_bytes", "What the owner's downloads, as they are now, have transferred.", upDown(f.Uploaded, f.Downloaded)...)
	e.gauge("ebb_downloads_rate_bytes_per_second", "How fast the owner's downloads are.", upDown(f.UploadRate, f.DownloadRate)...)
	e.gauge("ebb_downloads", "The owner's downloads.", of(f.Torrents))
	e.gauge("ebb_downloads_active", "Those that are not stopped, complete or failed.", of(f.Active))

	e.gauge("ebb_disk_free_bytes", "Free on the disk with the fragments.", of(d.Free))
	e.gauge("ebb_disk_total_bytes", "Its size.", of(d.Total))
	e.gauge("ebb_disk_promised_bytes", "Promised to downloads, and not on disk yet.", of(d.Promised))
	if l.Interface != "" {
		e.gauge("ebb_line_bytes_per_second", "What the line can carry.", upDown(l.LineUp, l.LineDown)...)
		e.gauge("ebb_line_others_bytes_per_second", "What others in the household use of it.", upDown(l.OthersUp, l.OthersDown)...)
		e.gauge("ebb_line_queue_seconds", "The delay in the line's queue.", of(l.QueueDelayMS/1000))
	}
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindUint64 {
		e.gauge("ebb_memory_bytes", "Memory that ebb has mapped, apart from the program itself.", value{"", float64(sample[0].Value.Uint64())})
	}
	return e.String()
}
