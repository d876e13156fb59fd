package owner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ebb/agent/peerwire"
	"ebb/webui"
)

const (
	// fetchTimeout bounds the whole fetch of a .torrent file.
	fetchTimeout = 30 * time.Second
	maxRedirects = 5
)

// fetch gets what an http or https URL leads to: a .torrent file, which is not checked, or a magnet link, in which
// redirects and short texts may end. Errors name no more of the URL than its host: the rest may hold a pass key.
func fetch(ctx context.Context, transport http.RoundTripper, text string) (file []byte, magnet string, err error) {
	target, err := url.Parse(mendURL(text))
	if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
		return nil, "", errors.New("not an http or https URL with a host")
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	file, magnet, err = follow(ctx, transport, target)
	if err != nil {
		return nil, "", fmt.Errorf("fetching a torrent file from %s: %w", target.Host, err)
	}
	return file, magnet, nil
}

// follow goes from redirect to redirect. They are looked at here, as http.Client cannot read every magnet link.
func follow(ctx context.Context, transport http.RoundTripper, target *url.URL) (file []byte, magnet string, err error) {
	client := http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for range 1 + maxRedirects {
		file, next, err := fetchOnce(ctx, &client, target)
		switch {
		case err != nil || next == "":
			return file, "", err
		case isMagnet(next):
			return nil, next, nil
		}
		reference, err := url.Parse(mendURL(next))
		if err != nil {
			return nil, "", errors.New("it redirects to what is no URL")
		}
		target = target.ResolveReference(reference)
		if target.Scheme != "http" && target.Scheme != "https" {
			return nil, "", fmt.Errorf("it redirects to a URL of the scheme %.20q: unsupported protocol scheme", target.Scheme)
		}
	}
	return nil, "", fmt.Errorf("it redirects more than %d times", maxRedirects)
}

// fetchOnce asks one URL, which answers with a file, or names where to look next.
func fetchOnce(ctx context.Context, client *http.Client, target *url.URL) (file []byte, next string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, "", errors.New("the URL cannot be asked for")
	}
	request.Header.Set("Accept", "application/x-bittorrent, */*;q=0.5")
	response, err := client.Do(request)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) { // repeats the whole URL
			err = wrapped.Err
		}
		return nil, "", err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if location := strings.TrimSpace(response.Header.Get("Location")); location != "" && len(location) <= webui.MaxURI {
			return nil, location, nil
		}
		return nil, "", fmt.Errorf("it answers %q and does not say where to", response.Status)
	default:
		return nil, "", fmt.Errorf("it answers %q", response.Status)
	}
	tooLong := fmt.Errorf("it is longer than %d MiB", webui.MaxTorrentFile>>20)
	if response.ContentLength > webui.MaxTorrentFile {
		return nil, "", tooLong
	}
	file, err = io.ReadAll(io.LimitReader(response.Body, webui.MaxTorrentFile+1))
	switch {
	case err != nil:
		return nil, "", err
	case len(file) > webui.MaxTorrentFile:
		return nil, "", tooLong
	}
	if text := tidy(string(file[:min(len(file), webui.MaxURI)])); len(file) <= webui.MaxURI && isMagnet(text) {
		return nil, text, nil
	}
	if _, err := peerwire.ParseTorrentPieces(file); err != nil {
		if kind := response.Header.Get("Content-Type"); strings.HasPrefix(kind, "text/html") || bytes.HasPrefix(bytes.TrimSpace(file), []byte("<")) {
			return nil, "", fmt.Errorf("it is a web page: the link to the torrent file itself is needed (%w)", err)
		}
		return nil, "", err
	}
	return file, "", nil
}

// mendURL encodes what no URL may hold, and people's URLs do: spaces, letters beyond ASCII, a '%' that means itself. It
// takes &amp; for what it stands for.
func mendURL(text string) string {
	text = strings.ReplaceAll(text, "&amp;", "&")
	host := len(text) // where it ends; names beyond ASCII are for the resolver
	if begin := strings.Index(text, "://"); begin >= 0 {
		if length := strings.IndexAny(text[begin+3:], "/?#"); length >= 0 {
			host = begin + 3 + length
		}
	} else {
		host = 0
	}
	var out strings.Builder
	out.WriteString(text[:host])
	for i := host; i < len(text); i++ {
		c := text[i]
		if c <= ' ' || c >= 0x7f || c == '%' && (i+2 >= len(text) || !isHex(text[i+1]) || !isHex(text[i+2])) {
			fmt.Fprintf(&out, "%%%02X", c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
