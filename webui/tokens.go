package webui

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// TokensFile is where the tokens are that the owner has made for programs, as hashes, in the state directory; absent
// while there are none.
const TokensFile = "api-tokens"

const (
	maxTokens    = 32 // that the owner may make
	maxTokenName = 64 // characters
)

// Token is what is known of a token that the owner has made. The token itself is shown once, when it is made.
type Token struct {
	Name     string    `json:"name"`
	ReadOnly bool      `json:"read_only"` // it may look at everything, and change nothing
	Made     time.Time `json:"made"`
}

// storedToken is one in the file. The token is random and long, so that a plain hash gives nothing away.
type storedToken struct {
	Token
	Hash string `json:"sha256"`
}

// tokens are those that the owner has made.
type tokens struct {
	path string // of TokensFile; empty: there can be none

	mu   sync.Mutex // guards what follows
	made []storedToken
}

func loadTokens(path string) (*tokens, error) {
	t := &tokens{path: path}
	if path == "" {
		return t, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &t.made)
	}
	if err != nil {
		t.made = nil
		return t, fmt.Errorf("reading the tokens of programs (if %s is damaged, delete it and make them anew): %w", path, err)
	}
	return t, nil
}

// list returns what is known of them, oldest first.
func (t *tokens) list() []Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Token, len(t.made))
	for i, m := range t.made {
		list[i] = m.Token
	}
	return list
}

// find returns what is known of a token.
func (t *tokens) find(token string) (Token, bool) {
	hash := hashToken(token)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.made {
		if equal(m.Hash, hash) {
			return m.Token, true
		}
	}
	return Token{}, false
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// add makes a token.
func (t *tokens) add(name string, readOnly bool, now time.Time) (token string, err error) {
	switch {
	case t.path == "":
		return "", &refusal{http.StatusConflict, "this agent keeps no tokens"}
	case name == "" || utf8.RuneCountInString(name) > maxTokenName || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", badRequest("a token has a name of 1 to %d characters: what it is for", maxTokenName)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.ContainsFunc(t.made, func(m storedToken) bool { return m.Name == name }) {
		return "", &refusal{http.StatusConflict, fmt.Sprintf("there is a token %q: revoke it first, or choose another name", name)}
	}
	if len(t.made) == maxTokens {
		return "", &refusal{http.StatusConflict, fmt.Sprintf("there are %d tokens: revoke one that is not needed any more", maxTokens)}
	}
	token = newToken()
	made := append(slices.Clone(t.made), storedToken{Token{name, readOnly, now.UTC().Truncate(time.Second)}, hashToken(token)})
	return token, t.save(made)
}

// revoke forgets a token.
func (t *tokens) revoke(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	made := slices.DeleteFunc(slices.Clone(t.made), func(m storedToken) bool { return m.Name == name })
	if len(made) == len(t.made) {
		return &refusal{http.StatusNotFound, fmt.Sprintf("no token is called %.80q", name)}
	}
	return t.save(made)
}

// save puts other tokens into force once they are on the disk. t.mu is held.
func (t *tokens) save(made []storedToken) error {
	text, err := json.MarshalIndent(made, "", "\t")
	if err == nil {
		err = writeSecret(t.path, string(text)+"\n")
	}
	if err != nil {
		return fmt.Errorf("saving the tokens of programs: %w", err)
	}
	t.made = made
	return nil
}

// access is what somebody may do who has been let in.
type access int

const (
	accessNone access = iota
	accessLook        // see everything
	accessAct         // and change everything, but for who else may
	accessOwner
)

// of returns what a token is good for.
func (t *tokens) of(token string) access {
	switch made, ok := t.find(token); {
	case !ok:
		return accessNone
	case made.ReadOnly:
		return accessLook
	default:
		return accessAct
	}
}

// needed is what a request of the API takes.
func needed(r *http.Request) access {
	switch {
	case r.URL.Path == passwordPath, r.URL.Path == tokensPath, strings.HasPrefix(r.URL.Path, tokensPath+"/"):
		return accessOwner
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return accessLook
	}
	return accessAct
}

const (
	passwordPath = "/api/v1/password"
	tokensPath   = "/api/v1/tokens"
)

// MadeToken is the answer to the making of a token.
type MadeToken struct {
	Token string `json:"token"`
}

func (s *server) getTokens(w http.ResponseWriter, r *http.Request) error {
	list := s.tokens.list()
	s.answer(w, r, http.StatusOK, List[Token]{Total: len(list), Items: list})
	return nil
}

func (s *server) addToken(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r, maxJSON)
	if err != nil {
		return err
	}
	var sent struct {
		Name     string `json:"name"`
		ReadOnly bool   `json:"read_only"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return badRequest(`expected {"name": "…", "read_only": true}: %w`, err)
	}
	token, err := s.tokens.add(strings.TrimSpace(sent.Name), sent.ReadOnly, time.Now())
	if err != nil {
		return err
	}
	s.answer(w, r, http.StatusCreated, MadeToken{token})
	return nil
}

func (s *server) revokeToken(w http.ResponseWriter, r *http.Request) error {
	if err := s.tokens.revoke(r.PathValue("name")); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
