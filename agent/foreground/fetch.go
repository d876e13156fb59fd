package foreground

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// fetchTimeout bounds the whole fetch of a .torrent file.
	fetchTimeout = 30 * time.Second
	maxRedirects = 5
)

// Fetch gets the .torrent file at an http or https URL, and checks it. Errors wrap ErrBadSource, and name no more of
// the URL than its host: the rest may hold a pass key.
func (s *Session) Fetch(ctx context.Context, uri string) ([]byte, error) {
	target, err := url.Parse(strings.TrimSpace(uri))
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, fmt.Errorf("%w: not an http or https URL with a host", ErrBadSource)
	}
	file, err := s.fetch(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("%w: fetching a torrent file from %s: %w", ErrBadSource, target.Host, err)
	}
	return file, nil
}

func (s *Session) fetch(ctx context.Context, target *url.URL) ([]byte, error) {
	transport := s.cfg.Transport
	if transport == nil {
		own := &http.Transport{Proxy: http.ProxyFromEnvironment}
		defer own.CloseIdleConnections()
		transport = own
	}
	client := http.Client{
		Transport: transport,
		Timeout:   fetchTimeout,
		CheckRedirect: func(r *http.Request, before []*http.Request) error {
			if len(before) > maxRedirects {
				return fmt.Errorf("it redirects more than %d times", maxRedirects)
			}
			return nil
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/x-bittorrent, */*;q=0.5")
	response, err := client.Do(request)
	if err != nil {
		var wrapped *url.Error // repeats the whole URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %q", response.Status)
	}
	if response.ContentLength > maxTorrentFile {
		return nil, fmt.Errorf("it is longer than %d MiB", maxTorrentFile>>20)
	}
	file, err := io.ReadAll(io.LimitReader(response.Body, maxTorrentFile+1))
	if err != nil {
		return nil, err
	}
	if len(file) > maxTorrentFile {
		return nil, fmt.Errorf("it is longer than %d MiB", maxTorrentFile>>20)
	}
	if _, err := parseTorrent(file); err != nil {
		if kind := response.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/html") {
			return nil, fmt.Errorf("it is a web page: the link to the torrent file itself is needed (%w)", err)
		}
		return nil, err
	}
	return file, nil
}
