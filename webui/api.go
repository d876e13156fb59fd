package webui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// listed is what lists are made of.
type listed interface {
	// called is what people call it, and its info-hash.
	called() (name string, hash swarm.InfoHash)
}

func (t ForegroundTorrent) called() (string, swarm.InfoHash) { return t.Name, t.Hash }
func (b BackgroundSwarm) called() (string, swarm.InfoHash)   { return b.Name, b.Hash }
func (c Candidate) called() (string, swarm.InfoHash)         { return c.Name, c.Hash }

// list answers with what get returns, as a List.
func list[T listed](s *server, get func(context.Context) ([]T, error)) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		limit, err := numberOf(r, "limit", math.MaxInt)
		if err != nil {
			return err
		}
		offset, err := numberOf(r, "offset", 0)
		if err != nil {
			return err
		}
		items, err := get(r.Context())
		if err != nil {
			return err
		}
		items = matching(items, r.URL.Query().Get("q"))
		l := List[T]{Total: len(items), Items: items[min(offset, len(items)):]}
		l.Items = l.Items[:min(limit, len(l.Items))]
		if l.Items == nil {
			l.Items = []T{} // [] and not null
		}
		s.answer(w, r, http.StatusOK, l)
		return nil
	}
}

func (s *server) getLine(w http.ResponseWriter, r *http.Request) error {
	moments, err := s.agent.Line(r.Context())
	if err != nil {
		return err
	}
	if moments == nil {
		moments = []LineMoment{}
	}
	s.answer(w, r, http.StatusOK, List[LineMoment]{Total: len(moments), Items: moments})
	return nil
}

// matching returns the items in whose name all words of a question stand, in any case, or whose info-hash begins with it.
func matching[T listed](items []T, question string) []T {
	words := strings.Fields(strings.ToLower(question))
	if len(words) == 0 {
		return items
	}
	return slices.DeleteFunc(slices.Clone(items), func(item T) bool {
		name, hash := item.called()
		name = strings.ToLower(name)
		return !strings.HasPrefix(hash.String(), words[0]) && slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(name, word) })
	})
}

// numberOf reads a number from 0 from a request's query.
func numberOf(r *http.Request, name string, otherwise int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, badRequest("%s is a number from 0, not %.60q", name, text)
	}
	return n, nil
}

// one answers with what get returns for the info-hash in the path.
func one[T any](s *server, get func(context.Context, swarm.InfoHash) (T, error)) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		h, err := hashOf(r)
		if err != nil {
			return err
		}
		v, err := get(r.Context(), h)
		if err != nil {
			return err
		}
		s.answer(w, r, http.StatusOK, v)
		return nil
	}
}

// act does something to the info-hash in the path.
func act(do func(context.Context, swarm.InfoHash) error) endpoint {
	return acting(http.StatusNoContent, do)
}

// begin begins to do something to the info-hash in the path, that is not done when it is answered.
func begin(do func(context.Context, swarm.InfoHash) error) endpoint {
	return acting(http.StatusAccepted, do)
}

func acting(status int, do func(context.Context, swarm.InfoHash) error) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		h, err := hashOf(r)
		if err != nil {
			return err
		}
		if err := do(r.Context(), h); err != nil {
			return err
		}
		w.WriteHeader(status)
		return nil
	}
}

func (s *server) getStatus(w http.ResponseWriter, r *http.Request) error {
	status, err := s.agent.Status(r.Context())
	if err != nil {
		return err
	}
	s.answer(w, r, http.StatusOK, status)
	return nil
}

// Added is the answer to a POST of something new.
type Added struct {
	Hash swarm.InfoHash `json:"hash"`
}

func (s *server) addForeground(w http.ResponseWriter, r *http.Request) error {
	start, err := flagOf(r, "start", true)
	if err != nil {
		return err
	}
	return s.add(w, r, func(ctx context.Context, source Source) (swarm.InfoHash, error) {
		return s.agent.AddForeground(ctx, source, start)
	})
}

func (s *server) addBackground(w http.ResponseWriter, r *http.Request) error {
	return s.add(w, r, s.agent.AddBackground)
}

func (s *server) add(w http.ResponseWriter, r *http.Request, add func(context.Context, Source) (swarm.InfoHash, error)) error {
	source, err := readSource(w, r)
	if err != nil {
		return err
	}
	h, err := add(r.Context(), source)
	if err != nil {
		return err
	}
	s.answer(w, r, http.StatusCreated, Added{h})
	return nil
}

func (s *server) moveForeground(w http.ResponseWriter, r *http.Request) error {
	h, err := hashOf(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, maxJSON)
	if err != nil {
		return err
	}
	var sent struct {
		Directory string `json:"directory"`
	}
	if err := decodeOnly(body, &sent, `{"directory": "/…"}`); err != nil {
		return err
	}
	if err := s.agent.MoveForeground(r.Context(), h, sent.Directory); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (s *server) removeForeground(w http.ResponseWriter, r *http.Request) error {
	var removal Removal
	switch data := r.URL.Query().Get("data"); data {
	case "", "keep":
	case "delete":
		removal.DeleteData = true
	default:
		return badRequest("data is keep or delete, not %.60q", data)
	}
	var err error
	if removal.KeepHelping, err = flagOf(r, "keep_helping", false); err != nil {
		return err
	}
	return act(func(ctx context.Context, h swarm.InfoHash) error {
		return s.agent.RemoveForeground(ctx, h, removal)
	})(w, r)
}

func (s *server) getPreferences(w http.ResponseWriter, r *http.Request) error {
	p, err := s.agent.Preferences(r.Context())
	if err != nil {
		return err
	}
	return s.answerPreferences(w, r, p)
}

// getKeys tells what preferences there are, and what they mean.
func (s *server) getKeys(w http.ResponseWriter, r *http.Request) error {
	keys := prefs.Keys()
	s.answer(w, r, http.StatusOK, List[prefs.Key]{Total: len(keys), Items: keys})
	return nil
}

// NextStartHeader is the header that names the preferences that wait for the next start, in the answer to a change: the
// page may be about to move elsewhere, and whoever changed them cannot ask again there.
const NextStartHeader = "Ebb-Next-Start"

// putPreferences replaces all preferences. With If-Match it does so only if they still are those that the sender saw,
// so that two editors do not undo each other's work (RFC 9110 §13.1.1).
func (s *server) putPreferences(w http.ResponseWriter, r *http.Request) error {
	return s.changePreferences(w, r, func(_ prefs.Preferences, body []byte) ([]byte, error) { return body, nil })
}

// patchPreferences changes those preferences that are sent, and leaves the others (RFC 7396; null: the default).
func (s *server) patchPreferences(w http.ResponseWriter, r *http.Request) error {
	return s.changePreferences(w, r, func(now prefs.Preferences, body []byte) ([]byte, error) {
		var before, patch map[string]any
		text, err := json.Marshal(now)
		if err == nil {
			err = decodeNumbers(text, &before)
		}
		if err != nil {
			return nil, fmt.Errorf("putting the preferences into JSON: %w", err)
		}
		if err := decodeNumbers(body, &patch); err != nil || patch == nil {
			return nil, badRequest(`expected some of the preferences, as in {"background": {"storage": "20GiB"}}`)
		}
		return json.Marshal(mergePatch(before, patch))
	})
}

// decodeNumbers decodes JSON and keeps the digits of numbers: a size in bytes may exceed what float64 can hold.
func decodeNumbers(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows")
	}
	return nil
}

// mergePatch changes target as RFC 7396 §2 says.
func mergePatch(target, patch map[string]any) map[string]any {
	if target == nil {
		target = make(map[string]any)
	}
	for name, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			inner, _ := target[name].(map[string]any)
			target[name] = mergePatch(inner, value)
		default:
			target[name] = value
		}
	}
	return target
}

// changePreferences puts into force what change makes of those in force and of what was sent.
func (s *server) changePreferences(w http.ResponseWriter, r *http.Request, change func(now prefs.Preferences, body []byte) ([]byte, error)) error {
	body, err := readBody(w, r, maxJSON)
	if err != nil {
		return err
	}
	s.preferences.Lock()
	defer s.preferences.Unlock()
	now, err := s.agent.Preferences(r.Context())
	if err != nil {
		return err
	}
	if seen := r.Header.Get("If-Match"); seen != "" && seen != "*" {
		if tag, err := preferencesTag(now); err != nil {
			return err
		} else if tag != seen {
			return &refusal{http.StatusPreconditionFailed, "the preferences have been changed in the meantime: look at them again"}
		}
	}
	if body, err = change(now, body); err != nil {
		return err
	}
	p, err := prefs.ParseJSON(body)
	if err != nil {
		return &BadRequest{err}
	}
	if err := s.agent.SetPreferences(r.Context(), p); err != nil {
		return err
	}
	status, err := s.agent.Status(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set(NextStartHeader, strings.Join(status.NextStart, ", "))
	return s.answerPreferences(w, r, p)
}

func (s *server) answerPreferences(w http.ResponseWriter, r *http.Request, p prefs.Preferences) error {
	tag, err := preferencesTag(p)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", tag)
	s.answer(w, r, http.StatusOK, p)
	return nil
}

// preferencesTag names one state of the preferences.
func preferencesTag(p prefs.Preferences) (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("putting the preferences into JSON: %w", err)
	}
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:8]) + `"`, nil
}
