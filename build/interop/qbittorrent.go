//go:build linux

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"ebb/agent/swarm"
)

// QBittorrent is a qbittorrent-nox (4.5.2 with libtorrent 2.0.8 in Debian 12). Bound to the interface lo and an address
// on it, it listens there, over TCP, and its connections and announces leave from there; that its log calls an
// address other than 127.0.0.1 'not found' changes nothing. libtorrent keeps one connection per IP address and torrent.
type QBittorrent struct {
	*Process
	addr netip.AddrPort // for peers
	api  string         // URL, without a final slash
	dir  string
}

// qbittorrentConfig switches off what would leave the loopback interface, and lets the tests in.
const qbittorrentConfig = `[BitTorrent]
Session\Interface=lo
Session\InterfaceName=lo
Session\InterfaceAddress=%[1]s
Session\Port=%[2]d
Session\DefaultSavePath=%[4]s
Session\DHTEnabled=false
Session\LSDEnabled=false
Session\BTProtocol=TCP
Session\QueueingSystemEnabled=false
Session\AnnounceToAllTrackers=true
Session\AnnounceToAllTiers=true

[LegalNotice]
Accepted=true

[Network]
PortForwardingEnabled=false

[Preferences]
Connection\ResolvePeerCountries=false
WebUI\Address=%[1]s
WebUI\Port=%[3]d
WebUI\LocalHostAuth=false
WebUI\UseUPnP=false
`

// StartQBittorrent starts a client with no torrents and a profile of its own.
func StartQBittorrent(ctx context.Context, at Place) (*QBittorrent, error) {
	peerPort, err := freePort(at.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting qbittorrent: %w", err)
	}
	apiPort, err := freePort(at.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting qbittorrent: %w", err)
	}
	config := filepath.Join(at.Dir, "profile", "qBittorrent", "config", "qBittorrent.conf")
	if err := os.MkdirAll(filepath.Dir(config), 0o755); err != nil {
		return nil, fmt.Errorf("starting qbittorrent: %w", err)
	}
	text := fmt.Sprintf(qbittorrentConfig, at.Addr, peerPort, apiPort, at.Dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("starting qbittorrent: %w", err)
	}
	process, err := start(command{name: "qbittorrent", dir: at.Dir,
		args: []string{"qbittorrent-nox", "--profile=" + filepath.Join(at.Dir, "profile")}})
	if err != nil {
		return nil, err
	}
	q := &QBittorrent{
		Process: process,
		addr:    netip.AddrPortFrom(at.Addr, peerPort),
		api:     fmt.Sprintf("http://%v/api/v2", netip.AddrPortFrom(at.Addr, apiPort)),
		dir:     at.Dir,
	}
	return q, q.ready(ctx, func(ctx context.Context) error {
		_, err := q.get(ctx, "/app/version", nil)
		return err
	})
}

// Addr is where peers reach it.
func (q *QBittorrent) Addr() netip.AddrPort { return q.addr }

// Add starts downloading the content into the client's directory.
func (q *QBittorrent) Add(ctx context.Context, c *Content) error {
	if err := q.add(ctx, c); err != nil {
		return fmt.Errorf("adding %s to qbittorrent: %w", c.Name, err)
	}
	return nil
}

// Downloaded waits until what was added is complete and the same bytes as the content.
func (q *QBittorrent) Downloaded(ctx context.Context, c *Content, limit time.Duration) error {
	err := q.await(ctx, limit, "to download "+c.Name, func(ctx context.Context) error {
		t, err := q.torrent(ctx, c.Hash)
		if err == nil && (t.Progress != 1 || t.AmountLeft != 0) {
			err = fmt.Errorf("state %s, %.1f %%, %d seeds, %d leechers", t.State, 100*t.Progress, t.Seeds, t.Leechers)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Check(q.dir)
}

func (q *QBittorrent) add(ctx context.Context, c *Content) error {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	file, err := w.CreateFormFile("torrents", c.Name+".torrent")
	if err != nil {
		return err
	}
	if _, err := file.Write(c.Torrent); err != nil {
		return err
	}
	if err := w.WriteField("savepath", q.dir); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, q.api+"/torrents/add", &form)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	status, answer, _, err := exchange(request)
	if err != nil {
		return err
	}
	if status != http.StatusOK || string(answer) != "Ok." {
		return fmt.Errorf("status %d: %s", status, answer)
	}
	return nil
}

// qbittorrentTorrent is what the client says about a torrent (its Web API, torrents/info).
type qbittorrentTorrent struct {
	State      string  `json:"state"`
	Progress   float64 `json:"progress"`    // 0 to 1
	AmountLeft int64   `json:"amount_left"` // bytes
	Seeds      int     `json:"num_seeds"`
	Leechers   int     `json:"num_leechs"`
}

func (q *QBittorrent) torrent(ctx context.Context, h swarm.InfoHash) (qbittorrentTorrent, error) {
	body, err := q.get(ctx, "/torrents/info", url.Values{"hashes": {h.String()}})
	if err != nil {
		return qbittorrentTorrent{}, err
	}
	var torrents []qbittorrentTorrent
	if err := json.Unmarshal(body, &torrents); err != nil {
		return qbittorrentTorrent{}, err
	}
	if len(torrents) != 1 {
		return qbittorrentTorrent{}, errors.New("not added yet") // it adds them asynchronously
	}
	return torrents[0], nil
}

func (q *QBittorrent) get(ctx context.Context, path string, query url.Values) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.api+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	status, body, _, err := exchange(request)
	if err != nil {
		return nil, fmt.Errorf("qbittorrent %s: %w", path, err)
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("qbittorrent %s: status %d: %s", path, status, body)
	}
	return body, nil
}
