package webui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"ebb/agent/swarm"
)

const (
	// MaxURI bounds a magnet link or URL, in bytes. A magnet with a hundred trackers is about 8 KiB.
	MaxURI = 32 << 10
	// MaxTorrentFile bounds a .torrent file, in bytes. 10 MiB is half a million pieces.
	MaxTorrentFile = 10 << 20
	// maxJSON bounds every other body, in bytes. Preferences with a thousand denied hashes are 50 KiB.
	maxJSON = 256 << 10
)

const torrentType = "application/x-bittorrent"

// List is the answer to all that asks for many. With ?q=words only those are listed whose names have these words, or whose
// info-hash begins so; with ?offset=m&limit=n, only the n after the first m of Total are in Items.
type List[T any] struct {
	Total int `json:"total"`
	Items []T `json:"items"`
}

// answer sends v as JSON.
func (s *server) answer(w http.ResponseWriter, r *http.Request, status int, v any) {
	s.answerAs(w, r, "application/json", status, v)
}

// answerAs sends v as a kind of JSON.
func (s *server) answerAs(w http.ResponseWriter, r *http.Request, kind string, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.log.Error("an answer cannot be put into JSON", "method", r.Method, "path", r.URL.Path, "err", err)
		http.Error(w, "the answer cannot be put into JSON", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	if _, err := w.Write(append(body, '\n')); err != nil {
		s.log.Debug("an answer was not wanted any more", "path", r.URL.Path, "err", err)
	}
}

// refusal is an answer other than the ones that Agent's errors stand for.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// Problem is the answer to what cannot be done (RFC 9457).
type Problem struct {
	Title  string `json:"title"` // what Status means
	Status int    `json:"status"`
	Detail string `json:"detail"` // what is wrong, and what would be right
}

const problemType = "application/problem+json"

// fail answers with an error as a Problem.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var (
		refused *refusal
		bad     *BadRequest
		tooBig  *http.MaxBytesError
		status  = http.StatusInternalServerError
		text    = err.Error()
	)
	switch {
	case errors.As(err, &refused):
		status = refused.status
	case errors.As(err, &bad):
		status = http.StatusBadRequest
	case errors.As(err, &tooBig):
		status = http.StatusRequestEntityTooLarge
		text = fmt.Sprintf("more than %d bytes were sent", tooBig.Limit)
	case errors.Is(err, ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, ErrConflict):
		status = http.StatusConflict
	case r.Context().Err() != nil:
		status = http.StatusServiceUnavailable
		text = "the agent is stopping"
	default:
		s.log.Error("a request failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	if status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="ebb"`)
	}
	s.answerAs(w, r, problemType, status, Problem{http.StatusText(status), status, text})
}

func badRequest(format string, args ...any) error {
	return &BadRequest{fmt.Errorf(format, args...)}
}

// readBody reads a whole body of at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooBig := (*http.MaxBytesError)(nil); err != nil && !errors.As(err, &tooBig) {
		return nil, badRequest("reading what was sent: %w", err)
	}
	return body, err
}

// readSource reads what the owner wants added: a .torrent file, or {"uri": "…"}.
func readSource(w http.ResponseWriter, r *http.Request) (Source, error) {
	switch kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind {
	case torrentType:
		file, err := readBody(w, r, MaxTorrentFile)
		if err == nil && len(file) == 0 {
			err = badRequest("the .torrent file is empty")
		}
		return Source{File: file}, err
	case "application/json":
		body, err := readBody(w, r, maxJSON)
		if err != nil {
			return Source{}, err
		}
		return parseSource(body)
	default:
		return Source{}, &refusal{http.StatusUnsupportedMediaType,
			`send {"uri": "…"} as application/json, or a .torrent file as ` + torrentType}
	}
}

// decodeOnly decodes JSON that is of one form only, which form shows.
func decodeOnly(body []byte, v any, form string) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return badRequest("expected %s: %w", form, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return badRequest("expected %s and nothing after it", form)
	}
	return nil
}

func parseSource(body []byte) (Source, error) {
	var sent struct {
		URI string `json:"uri"`
	}
	if err := decodeOnly(body, &sent, `{"uri": "…"}`); err != nil {
		return Source{}, err
	}
	uri := strings.TrimSpace(sent.URI)
	if len(uri) > MaxURI {
		return Source{}, badRequest("the link is longer than %d bytes", MaxURI)
	}
	if uri == "" {
		return Source{}, badRequest("the link is empty")
	}
	return Source{URI: uri}, nil
}

// hashOf reads the info-hash in a request's path.
func hashOf(r *http.Request) (h swarm.InfoHash, err error) {
	if h, err = swarm.ParseInfoHash(r.PathValue("hash")); err != nil {
		return h, badRequest("an info-hash is 40 hex digits, not %.60q", r.PathValue("hash"))
	}
	return h, nil
}

// flagOf reads a true or false from a request's query.
func flagOf(r *http.Request, name string, otherwise bool) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	flag, err := strconv.ParseBool(text)
	if err != nil {
		return false, badRequest("%s is true or false, not %.60q", name, text)
	}
	return flag, nil
}
