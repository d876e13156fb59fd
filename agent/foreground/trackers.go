package foreground

import (
	"errors"
	"strings"

	"github.com/cenkalti/rain/v2/torrent"

	"ebb/agent/peersource"
)

// report turns what rain says of a tracker into what ebb says of one. rain's own words are taken and not its errors,
// which may hold the whole URL, pass key and all.
func report(t torrent.Tracker) peersource.Report {
	r := peersource.Report{Source: t.URL, Asked: t.LastAnnounce, Warning: displayName(t.Warning)}
	if t.Error != nil {
		text := displayName(t.Error.Error())
		if reason, refused := strings.CutPrefix(text, "announce error: "); refused {
			r.Err = &peersource.Refusal{Reason: reason}
		} else {
			r.Err = errors.New(text)
		}
	}
	return r
}
