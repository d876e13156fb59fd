package webui

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// torrents lists all downloads and swarms, each with its number.
func (c *rpc) torrents(ctx context.Context) ([]rpcTorrent, error) {
	downloads, err := c.agent.Foreground(ctx)
	if err != nil {
		return nil, err
	}
	helped, err := c.agent.Background(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]rpcTorrent, 0, len(downloads)+len(helped))
	there := make(map[swarm.InfoHash]bool, len(downloads))
	for _, t := range downloads {
		there[t.Hash] = true
		list = append(list, rpcDownload(t))
	}
	for _, b := range helped {
		if !there[b.Hash] { // else it is being made a download
			list = append(list, rpcHelped(b))
		}
	}
	c.ids.note(list, time.Now())
	return list, nil
}

// selected lists those that a call is about.
func (c *rpc) selected(ctx context.Context, s rpcSelection) ([]rpcTorrent, error) {
	list, err := c.torrents(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	chosen := list[:0]
	for _, t := range list {
		if s.has(t, now) {
			chosen = append(chosen, t)
		}
	}
	return chosen, nil
}

func (c *rpc) torrentGet(ctx context.Context, a rpcArguments) (any, error) {
	sent := struct {
		IDs    rpcSelection `json:"ids"`
		Fields []string     `json:"fields"`
		Format string       `json:"format"`
	}{IDs: rpcSelection{all: true}}
	if err := a.into(&sent); err != nil {
		return nil, err
	}
	var fields []string
	detailed := false
	for _, name := range sent.Fields {
		if rpcFields[name] != nil {
			fields = append(fields, name)
			detailed = detailed || rpcDetailed[name]
		}
	}
	if len(fields) == 0 {
		return nil, badRequest("no fields are named")
	}
	list, err := c.selected(ctx, sent.IDs)
	if err != nil {
		return nil, err
	}
	rows := make([]any, 0, len(list)+1)
	table := sent.Format == "table"
	if table {
		rows = append(rows, fields)
	}
	for i := range list {
		t := &list[i]
		if detailed && !t.help {
			if t.details, err = c.agent.ForegroundDetails(ctx, t.hash); err != nil && !errors.Is(err, ErrNotFound) {
				return nil, err
			}
		}
		rows = append(rows, rpcRow(t, fields, table))
	}
	answer := map[string]any{"torrents": rows}
	if sent.IDs.recently {
		answer["removed"] = c.ids.removed()
	}
	return answer, nil
}

// rpcRow is one torrent, as an object or as a row of a table.
func rpcRow(t *rpcTorrent, fields []string, table bool) any {
	if table {
		row := make([]any, len(fields))
		for i, name := range fields {
			row[i] = rpcFields[name](t)
		}
		return row
	}
	row := make(map[string]any, len(fields))
	for _, name := range fields {
		row[name] = rpcFields[name](t)
	}
	return row
}

func (c *rpc) torrentAdd(ctx context.Context, a rpcArguments) (any, error) {
	var sent struct {
		Filename  string `json:"filename"`
		Metainfo  string `json:"metainfo"`
		Paused    bool   `json:"paused"`
		Directory string `json:"download-dir"`
	}
	if err := a.into(&sent); err != nil {
		return nil, err
	}
	if err := c.checkDirectory(ctx, sent.Directory); err != nil {
		return nil, err
	}
	var source Source
	switch {
	case sent.Metainfo != "":
		file, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(sent.Metainfo), ""))
		if err != nil {
			return nil, badRequest("metainfo is no Base64: %w", err)
		}
		if len(file) > MaxTorrentFile {
			return nil, badRequest("the .torrent file is longer than %d bytes", MaxTorrentFile)
		}
		source.File = file
	case len(sent.Filename) > MaxURI:
		return nil, badRequest("the link is longer than %d bytes", MaxURI)
	case strings.TrimSpace(sent.Filename) != "":
		source.URI = sent.Filename
	default:
		return nil, badRequest("there is neither a filename nor metainfo")
	}
	h, err := c.agent.AddForeground(ctx, source, !sent.Paused)
	what := "torrent-added"
	if errors.Is(err, ErrConflict) && h != (swarm.InfoHash{}) {
		what = "torrent-duplicate"
	} else if err != nil {
		return nil, err
	}
	list, listErr := c.torrents(ctx)
	if listErr != nil {
		return nil, listErr
	}
	for _, t := range list {
		if t.hash == h {
			return map[string]any{what: map[string]any{"id": t.id, "name": t.shownName(), "hashString": h.String()}}, nil
		}
	}
	if err != nil {
		return nil, err // it is not there after all
	}
	return nil, fmt.Errorf("%s was added, and is not there any more: %w", h, ErrConflict)
}

// checkDirectory refuses a directory other than the one for downloads: files would not be where a program expects them.
func (c *rpc) checkDirectory(ctx context.Context, wanted string) error {
	if wanted == "" {
		return nil
	}
	status, err := c.agent.Status(ctx)
	if err != nil {
		return err
	}
	where := status.Foreground.Directory
	if filepath.Clean(wanted) != filepath.Clean(where) {
		return badRequest("downloads go to %s (foreground.directory), not to %.200q", where, wanted)
	}
	return nil
}

// each does something to the downloads that a call is about. Those of the background are only to be looked at: named
// by their number or hash they are an error, else they are passed over.
func (c *rpc) each(ctx context.Context, s rpcSelection, do func(context.Context, swarm.InfoHash) error) error {
	list, err := c.selected(ctx, s)
	if err != nil {
		return err
	}
	for _, t := range list {
		switch {
		case !t.help:
			err = do(ctx, t.hash)
		case s.numbers[t.id] || s.hashes[t.hash]:
			err = badRequest("%s is a swarm that is helped in the background: see to it on ebb's own page, or by 'ebb'", t.shownName())
		default:
			continue
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return fmt.Errorf("%s: %w", t.shownName(), err)
		}
	}
	return nil
}

// act does something to what a call is about.
func (c *rpc) act(ctx context.Context, a rpcArguments, do func(context.Context, swarm.InfoHash) error) (any, error) {
	sent := struct {
		IDs rpcSelection `json:"ids"`
	}{rpcSelection{all: true}}
	if err := a.into(&sent); err != nil {
		return nil, err
	}
	return struct{}{}, c.each(ctx, sent.IDs, do)
}

func (c *rpc) torrentStart(ctx context.Context, a rpcArguments) (any, error) {
	return c.act(ctx, a, c.agent.StartForeground)
}

func (c *rpc) torrentStop(ctx context.Context, a rpcArguments) (any, error) {
	return c.act(ctx, a, c.agent.StopForeground)
}

func (c *rpc) torrentVerify(ctx context.Context, a rpcArguments) (any, error) {
	return c.act(ctx, a, c.agent.VerifyForeground)
}

// torrentSetLocation moves the files of downloads. What a program has moved itself ebb cannot be told: it would take the
// directory's word for files that it has never seen.
func (c *rpc) torrentSetLocation(ctx context.Context, a rpcArguments) (any, error) {
	sent := struct {
		IDs      *rpcSelection `json:"ids"`
		Location string        `json:"location"`
		Move     bool          `json:"move"`
	}{}
	if err := a.into(&sent); err != nil {
		return nil, err
	}
	switch {
	case sent.IDs == nil || sent.IDs.all:
		return nil, badRequest("name the torrents that are to be moved")
	case !sent.Move:
		return nil, badRequest("ebb moves files itself: set move, or leave the files where they are")
	}
	return struct{}{}, c.each(ctx, *sent.IDs, func(ctx context.Context, h swarm.InfoHash) error {
		return c.agent.MoveForeground(ctx, h, sent.Location)
	})
}

// torrentRemove removes downloads. Unlike what else is done to torrents, it wants them named: a program that forgot
// them must not empty the list.
func (c *rpc) torrentRemove(ctx context.Context, a rpcArguments) (any, error) {
	var sent struct {
		IDs    *rpcSelection `json:"ids"`
		Delete bool          `json:"delete-local-data"`
	}
	if err := a.into(&sent); err != nil {
		return nil, err
	}
	if sent.IDs == nil || sent.IDs.all {
		return nil, badRequest("name the torrents that are to be removed")
	}
	return struct{}{}, c.each(ctx, *sent.IDs, func(ctx context.Context, h swarm.InfoHash) error {
		return c.agent.RemoveForeground(ctx, h, Removal{DeleteData: sent.Delete})
	})
}

// torrentSet changes nothing: there are no settings of single torrents. What would have an effect that is missed is
// refused, and the rest passed over.
func (c *rpc) torrentSet(_ context.Context, a rpcArguments) (any, error) {
	var sent map[string]any
	if err := a.into(&sent); err != nil {
		return nil, err
	}
	for _, name := range []string{"files-unwanted", "labels", "location", "trackerAdd", "trackerList", "trackerRemove", "trackerReplace"} {
		if list, empty := sent[name].([]any); sent[name] != nil && (!empty || len(list) > 0) {
			return nil, badRequest("this version of ebb cannot change %s", name)
		}
	}
	return struct{}{}, nil
}

// rpcKilobyte is what rates are counted in, in bytes per second.
const rpcKilobyte = 1000

// sessionGet is asked for by every program first.
func (c *rpc) sessionGet(ctx context.Context, a rpcArguments) (any, error) {
	var sent struct {
		Fields []string `json:"fields"`
	}
	if err := a.into(&sent); err != nil {
		return nil, err
	}
	status, err := c.agent.Status(ctx)
	if err != nil {
		return nil, err
	}
	p, err := c.agent.Preferences(ctx)
	if err != nil {
		return nil, err
	}
	up, upLimited := rpcLimit(p.Foreground.Upload)
	down, downLimited := rpcLimit(p.Foreground.Download)
	all := map[string]any{
		"version": rpcVersionText(status.Version), "rpc-version": rpcVersion, "rpc-version-minimum": rpcVersionMinimum,
		"rpc-version-semver": "5.3.0", "session-id": c.session,
		"download-dir": status.Foreground.Directory, "download-dir-free-space": status.downloadsFree(), "config-dir": p.State.Directory,
		"speed-limit-up": up, "speed-limit-up-enabled": upLimited, "speed-limit-down": down, "speed-limit-down-enabled": downLimited,
		"alt-speed-enabled": false, "alt-speed-up": 0, "alt-speed-down": 0, "alt-speed-time-enabled": false,
		"alt-speed-time-begin": 0, "alt-speed-time-end": 0, "alt-speed-time-day": 0,
		"blocklist-enabled": false, "blocklist-size": 0, "blocklist-url": "", "cache-size-mb": 0,
		"default-trackers": "", "dht-enabled": p.Network.DHT, "pex-enabled": true, "lpd-enabled": false, "utp-enabled": false,
		"encryption": "preferred", "peer-port": rpcPort(p.Network.PeerAddress), "peer-port-random-on-start": false, "port-forwarding-enabled": false,
		"peer-limit-global": 0, "peer-limit-per-torrent": 0,
		"download-queue-enabled": false, "download-queue-size": 0, "seed-queue-enabled": false, "seed-queue-size": 0,
		"queue-stalled-enabled": false, "queue-stalled-minutes": 0,
		"idle-seeding-limit": 0, "idle-seeding-limit-enabled": false, "seedRatioLimit": 0, "seedRatioLimited": false,
		"incomplete-dir": "", "incomplete-dir-enabled": false, "rename-partial-files": false,
		"script-torrent-added-enabled": false, "script-torrent-added-filename": "",
		"script-torrent-done-enabled": false, "script-torrent-done-filename": "",
		"script-torrent-done-seeding-enabled": false, "script-torrent-done-seeding-filename": "",
		"start-added-torrents": true, "trash-original-torrent-files": false,
		"units": map[string]any{
			"speed-units": []string{"kB/s", "MB/s", "GB/s", "TB/s"}, "speed-bytes": rpcKilobyte,
			"size-units": []string{"kB", "MB", "GB", "TB"}, "size-bytes": 1000,
			"memory-units": []string{"KiB", "MiB", "GiB", "TiB"}, "memory-bytes": 1024,
		},
	}
	if len(sent.Fields) == 0 {
		return all, nil
	}
	some := make(map[string]any, len(sent.Fields))
	for _, name := range sent.Fields {
		if v, ok := all[name]; ok {
			some[name] = v
		}
	}
	return some, nil
}

// rpcLimit is a rate limit in kilobytes per second, and whether there is one.
func rpcLimit(r prefs.Rate) (kilobytes int64, limited bool) {
	if n := r.BytesPerSecond(); n >= 0 {
		return n / rpcKilobyte, true
	}
	return 0, false
}

// rpcPort is the port of an address, 0 if it is left to the system.
func rpcPort(address string) int {
	_, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	return port
}

// downloadsFree is how many bytes are free where downloads go.
func (s Status) downloadsFree() int64 {
	if s.Disk.SameDisk {
		return s.Disk.Free
	}
	return s.Disk.DownloadsFree
}

// sessionSet sets the limits of the owner's downloads and where they go, which are preferences like any other. The rest
// is passed over.
func (c *rpc) sessionSet(ctx context.Context, a rpcArguments) (any, error) {
	var sent struct {
		Up          *int64  `json:"speed-limit-up"`
		UpEnabled   *bool   `json:"speed-limit-up-enabled"`
		Down        *int64  `json:"speed-limit-down"`
		DownEnabled *bool   `json:"speed-limit-down-enabled"`
		Directory   *string `json:"download-dir"`
	}
	if err := a.into(&sent); err != nil {
		return nil, err
	}
	c.preferences.Lock()
	defer c.preferences.Unlock()
	p, err := c.agent.Preferences(ctx)
	if err != nil {
		return nil, err
	}
	before := p
	p.Foreground.Upload = rpcLimited(p.Foreground.Upload, sent.Up, sent.UpEnabled)
	p.Foreground.Download = rpcLimited(p.Foreground.Download, sent.Down, sent.DownEnabled)
	status, err := c.agent.Status(ctx)
	if err != nil {
		return nil, err
	}
	if sent.Directory != nil && filepath.Clean(*sent.Directory) != filepath.Clean(status.Foreground.Directory) {
		p.Foreground.Directory = *sent.Directory // from the next start on
	}
	if p.Equal(before) {
		return struct{}{}, nil
	}
	if err := p.Validate(); err != nil {
		return nil, &BadRequest{err}
	}
	return struct{}{}, c.agent.SetPreferences(ctx, p)
}

// rpcLimited is a limit as a call wants it. A limit that is named without being switched on or off counts from when it
// is switched on, and ebb keeps none for later: it is taken only if there is one now.
func rpcLimited(now prefs.Rate, kilobytes *int64, enabled *bool) prefs.Rate {
	switch {
	case enabled != nil && !*enabled:
		return prefs.UnlimitedRate()
	case enabled == nil && now.Unlimited():
		return now
	case kilobytes != nil:
		return prefs.FixedRate(min(max(*kilobytes, 0), 1<<40) * rpcKilobyte)
	}
	return now
}

func (c *rpc) sessionStats(ctx context.Context, _ rpcArguments) (any, error) {
	list, err := c.torrents(ctx)
	if err != nil {
		return nil, err
	}
	status, err := c.agent.Status(ctx)
	if err != nil {
		return nil, err
	}
	paused := 0
	for _, t := range list {
		if t.status == rpcStopped {
			paused++
		}
	}
	up, down := status.Foreground.Uploaded+status.Background.Uploaded, status.Foreground.Downloaded+status.Background.Downloaded
	stats := map[string]any{
		"uploadedBytes": up, "downloadedBytes": down, "filesAdded": len(list), "sessionCount": 1, "secondsActive": status.UptimeSeconds,
	}
	return map[string]any{
		"activeTorrentCount": len(list) - paused, "pausedTorrentCount": paused, "torrentCount": len(list),
		"uploadSpeed":      status.Foreground.UploadRate + status.Background.UploadRate,
		"downloadSpeed":    status.Foreground.DownloadRate + status.Background.DownloadRate,
		"cumulative-stats": stats, "current-stats": stats,
	}, nil
}

// freeSpace tells how much is free where downloads go. Of other places a program is told nothing.
func (c *rpc) freeSpace(ctx context.Context, a rpcArguments) (any, error) {
	var sent struct {
		Path string `json:"path"`
	}
	if err := a.into(&sent); err != nil {
		return nil, err
	}
	if err := c.checkDirectory(ctx, sent.Path); err != nil {
		return nil, err
	}
	status, err := c.agent.Status(ctx)
	if err != nil {
		return nil, err
	}
	total := status.Disk.DownloadsTotal
	if status.Disk.SameDisk {
		total = status.Disk.Total
	}
	return map[string]any{"path": sent.Path, "size-bytes": status.downloadsFree(), "total_size": total}, nil
}
