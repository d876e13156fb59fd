//go:build linux

package interop

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"ebb/agent/swarm"
)

// Transmission is a transmission-daemon (3.00 in Debian 12). bind-address-ipv4 is where it listens, and where its
// connections to peers and its announces, HTTP and UDP, leave from. It announces to every tier. It keeps one connection
// per IP address and torrent. It never dials a loopback address, wherever it has it from: here it only ever answers, so
// the tracker must know it before those ask who are to find it.
type Transmission struct {
	*Process
	addr    netip.AddrPort // for peers
	rpc     string         // URL
	session string         // X-Transmission-Session-Id, of the last 409 answer
}

// StartTransmission starts a daemon with no torrents.
func StartTransmission(ctx context.Context, at Place) (*Transmission, error) {
	peerPort, err := freePort(at.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting transmission: %w", err)
	}
	rpcPort, err := freePort(at.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting transmission: %w", err)
	}
	// Everything else is the program's own default. What is switched off would leave the loopback interface
	// (DHT, local discovery, port mapping) or hold torrents back (queues).
	settings, err := json.MarshalIndent(map[string]any{
		"bind-address-ipv4":       at.Addr.String(),
		"bind-address-ipv6":       "::1",
		"peer-port":               peerPort,
		"dht-enabled":             false,
		"utp-enabled":             false, // over loopback, and its 64 KiB packets, it stalls against libtorrent's
		"lpd-enabled":             false,
		"port-forwarding-enabled": false,
		"download-queue-enabled":  false,
		"queue-stalled-enabled":   false,
		"download-dir":            at.Dir,
		"rpc-bind-address":        at.Addr.String(),
		"rpc-port":                rpcPort,
		"rpc-whitelist":           "127.*.*.*",
	}, "", "    ")
	if err != nil {
		return nil, fmt.Errorf("starting transmission: %w", err)
	}
	if err := os.WriteFile(filepath.Join(at.Dir, "settings.json"), settings, 0o600); err != nil {
		return nil, fmt.Errorf("starting transmission: %w", err)
	}
	process, err := start(command{name: "transmission", dir: at.Dir,
		args: []string{"transmission-daemon", "--foreground", "--log-info", "--no-watch-dir", "--config-dir", at.Dir}})
	if err != nil {
		return nil, err
	}
	t := &Transmission{
		Process: process,
		addr:    netip.AddrPortFrom(at.Addr, peerPort),
		rpc:     fmt.Sprintf("http://%v/transmission/rpc", netip.AddrPortFrom(at.Addr, rpcPort)),
	}
	return t, t.ready(ctx, func(ctx context.Context) error {
		return t.call(ctx, "session-get", nil, nil)
	})
}

// Addr is where peers reach it.
func (t *Transmission) Addr() netip.AddrPort { return t.addr }

// Seed adds a torrent whose content is in dir, and returns when the daemon has verified every piece and seeds it.
func (t *Transmission) Seed(ctx context.Context, c *Content, dir string, limit time.Duration) error {
	err := t.call(ctx, "torrent-add", map[string]any{
		"metainfo":     base64.StdEncoding.EncodeToString(c.Torrent),
		"download-dir": dir,
	}, nil)
	if err != nil {
		return err
	}
	return t.await(ctx, limit, "to seed "+c.Name, func(ctx context.Context) error {
		s, err := t.Torrent(ctx, c.Hash)
		if err != nil {
			return err
		}
		const seeding = 6 // rpc-spec.txt, torrent-get, status
		if s.PercentDone != 1 || s.Status != seeding {
			return fmt.Errorf("%.0f %% verified, status %d, %s", 100*s.PercentDone, s.Status, s.ErrorString)
		}
		return nil
	})
}

// Remove stops seeding a torrent, tells its trackers so, and leaves the files.
func (t *Transmission) Remove(ctx context.Context, h swarm.InfoHash) error {
	return t.call(ctx, "torrent-remove", map[string]any{"ids": []string{h.String()}}, nil)
}

// TransmissionTorrent is what the daemon says about a torrent (rpc-spec.txt, torrent-get).
type TransmissionTorrent struct {
	PercentDone  float64            `json:"percentDone"` // 0 to 1
	Status       int                `json:"status"`
	ErrorString  string             `json:"errorString"`
	UploadedEver int64              `json:"uploadedEver"` // bytes
	Peers        []TransmissionPeer `json:"peers"`
}

// TransmissionPeer is a peer that the daemon is connected to.
type TransmissionPeer struct {
	Address     string  `json:"address"`
	ClientName  string  `json:"clientName"`
	IsIncoming  bool    `json:"isIncoming"`
	IsEncrypted bool    `json:"isEncrypted"`
	IsUTP       bool    `json:"isUTP"`
	Progress    float64 `json:"progress"` // 0 to 1
}

// Torrent is what the daemon says about the torrent now.
func (t *Transmission) Torrent(ctx context.Context, h swarm.InfoHash) (TransmissionTorrent, error) {
	var answer struct {
		Torrents []TransmissionTorrent `json:"torrents"`
	}
	err := t.call(ctx, "torrent-get", map[string]any{
		"ids":    []string{h.String()},
		"fields": []string{"percentDone", "status", "errorString", "uploadedEver", "peers"},
	}, &answer)
	if err != nil {
		return TransmissionTorrent{}, err
	}
	if len(answer.Torrents) != 1 {
		return TransmissionTorrent{}, fmt.Errorf("transmission knows %d torrents with info-hash %v", len(answer.Torrents), h)
	}
	return answer.Torrents[0], nil
}

// call is one RPC. A session id that is missing or has expired is answered with status 409 and a new one.
func (t *Transmission) call(ctx context.Context, method string, arguments map[string]any, result any) error {
	body, err := json.Marshal(map[string]any{"method": method, "arguments": arguments})
	if err != nil {
		return fmt.Errorf("transmission %s: %w", method, err)
	}
	for range 2 {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.rpc, bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("transmission %s: %w", method, err)
		}
		request.Header.Set("X-Transmission-Session-Id", t.session)
		status, answer, header, err := exchange(request)
		if err != nil {
			return fmt.Errorf("transmission %s: %w", method, err)
		}
		switch status {
		case http.StatusConflict:
			t.session = header.Get("X-Transmission-Session-Id")
		case http.StatusOK:
			reply := struct {
				Result    string `json:"result"`
				Arguments any    `json:"arguments"`
			}{Arguments: result}
			if err := json.Unmarshal(answer, &reply); err != nil {
				return fmt.Errorf("transmission %s: %w", method, err)
			}
			if reply.Result != "success" {
				return fmt.Errorf("transmission %s: %s", method, reply.Result)
			}
			return nil
		default:
			return fmt.Errorf("transmission %s: status %d: %s", method, status, answer)
		}
	}
	return fmt.Errorf("transmission %s: no session id", method)
}

// exchange is one HTTP request with its whole answer.
func exchange(request *http.Request) (status int, body []byte, header http.Header, err error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, response.Header, err
}
