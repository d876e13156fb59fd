package webui

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"ebb/agent/swarm"

	"golang.org/x/crypto/bcrypt"
)

// PasswordFile is where the hash of the owner's password is, in the state directory; absent while there is none.
const PasswordFile = "password"

const (
	// leastPassword is how long a password must be, mostPassword how long it may be for bcrypt. Bytes.
	leastPassword, mostPassword = 8, 72
	// passwordCost makes a guess take 30 ms on a PC, and a second or so on a router of 580 MHz.
	passwordCost = 9
	// mostGuesses is how many wrong passwords one host may send within guessWindow, and all together ten times as
	// many.
	mostGuesses = 5
	guessWindow = 5 * time.Minute
)

// passwords checks the owner's password, and bounds how often it can be guessed.
type passwords struct {
	path string   // of PasswordFile; empty: there can be none
	key  [32]byte // of proofOf, another at each start

	hashing sync.Mutex // held while a password is hashed, so that guesses take one core at most

	mu      sync.Mutex // guards what follows
	hash    string     // empty: there is none
	since   time.Time  // when guesses began to be counted
	guesses map[netip.Prefix]int
	all     int

	proven    []byte // proofOf the password that was right last, nil for none
	provenFor string // the hash by which it was
}

func loadPasswords(path string) (*passwords, error) {
	p := &passwords{path: path}
	rand.Read(p.key[:]) // never fails: it ends the process rather than return
	if path == "" {
		return p, nil
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, fmt.Errorf("reading the password's hash: %w", err)
	}
	p.hash = strings.TrimSpace(string(text))
	return p, nil
}

// current returns the hash that is in force. A session ends with it.
func (p *passwords) current() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hash
}

// set makes password the owner's; an empty one is none.
func (p *passwords) set(password string) error {
	if p.path == "" {
		return &refusal{http.StatusConflict, "this agent keeps no password"}
	}
	hash := ""
	switch n := len(password); {
	case n == 0:
	case n < leastPassword:
		return badRequest("a password has at least %d characters", leastPassword)
	case n > mostPassword:
		return badRequest("a password has at most %d bytes", mostPassword)
	default:
		p.hashing.Lock()
		raw, err := bcrypt.GenerateFromPassword([]byte(password), passwordCost)
		p.hashing.Unlock()
		if err != nil {
			return fmt.Errorf("hashing the password: %w", err)
		}
		hash = string(raw)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if hash == "" {
		if err = os.Remove(p.path); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else {
		err = writeSecret(p.path, hash+"\n")
	}
	if err != nil {
		return fmt.Errorf("saving the password's hash: %w", err)
	}
	p.hash = hash
	return nil
}

// check returns nil if password is the owner's. from is who says so.
func (p *passwords) check(password string, from netip.Prefix, now time.Time) error {
	if !p.allow(from, now) {
		return &refusal{http.StatusTooManyRequests, fmt.Sprintf("too many wrong passwords: wait %v, or use 'ebb page' on the device", guessWindow)}
	}
	hash := p.current()
	if hash == "" {
		return &refusal{http.StatusUnauthorized, "no password has been set: 'ebb page' on the device prints a link that lets you in"}
	}
	p.hashing.Lock()
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	p.hashing.Unlock()
	if err != nil {
		return &refusal{http.StatusUnauthorized, "that is not the password"}
	}
	p.right(from)
	return nil
}

// checkAgain is check for programs that send the password with every request: the hash that tells which one was right
// last costs next to nothing.
func (p *passwords) checkAgain(password string, from netip.Prefix, now time.Time) error {
	hash, proof := p.current(), p.proofOf(password)
	p.mu.Lock()
	known := hash != "" && p.provenFor == hash && hmac.Equal(p.proven, proof)
	p.mu.Unlock()
	if known {
		return nil
	}
	if err := p.check(password, from, now); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proven, p.provenFor = proof, hash
	return nil
}

// proofOf is what is kept in memory in place of a password.
func (p *passwords) proofOf(password string) []byte {
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write([]byte(password))
	return mac.Sum(nil)
}

// allow counts a guess before it is looked at, so that many at once are not many more.
func (p *passwords) allow(from netip.Prefix, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.since) >= guessWindow {
		p.since, p.guesses, p.all = now, make(map[netip.Prefix]int), 0
	}
	if p.guesses[from] >= mostGuesses || p.all >= 10*mostGuesses {
		return false
	}
	p.guesses[from]++
	p.all++
	return true
}

// right takes a guess back, which was none.
func (p *passwords) right(from netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.guesses[from] > 0 { // else they have been counted anew since
		p.all -= p.guesses[from]
		delete(p.guesses, from)
	}
}

// guesser is whose guesses are counted together.
func guesser(r *http.Request) netip.Prefix {
	caller, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero one for the commands' socket
	return swarm.Host(caller.Addr())
}

// readPassword reads {"password": "…"}.
func readPassword(w http.ResponseWriter, r *http.Request) (string, error) {
	body, err := readBody(w, r, maxJSON)
	if err != nil {
		return "", err
	}
	var sent struct {
		Password *string `json:"password"`
	}
	if err := json.Unmarshal(body, &sent); err != nil || sent.Password == nil {
		return "", badRequest(`expected {"password": "…"}`)
	}
	return *sent.Password, nil
}

// putPassword sets the owner's password. Sessions end with the one before; who asks gets a new one by it.
func (s *server) putPassword(w http.ResponseWriter, r *http.Request) error {
	password, err := readPassword(w, r)
	if err != nil {
		return err
	}
	if err := s.sessions.passwords.set(password); err != nil {
		return err
	}
	s.giveSession(w, r)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
