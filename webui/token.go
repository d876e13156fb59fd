package webui

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// TokenFile is what LoadToken makes in the state directory, so that the command can use the API.
const TokenFile = "api-token"

// tokenDigits is the length of a token: 32 random bytes in hex.
const tokenDigits = 64

// othersMode is what users may do with a file that are neither its owner nor in its group.
const othersMode fs.FileMode = 0o007

// sessionLife is how long a browser stays let in. An owner looks in every few weeks; a browser that was lent is
// forgotten in a month.
const sessionLife = 30 * 24 * time.Hour

// LoadToken is for the agent: it reads the API token from path, and closes the file to all but its user and group. If
// there is none it makes one, which only the agent's user can read.
func LoadToken(path string) (string, error) {
	token, err := ReadToken(path)
	if errors.Is(err, fs.ErrNotExist) {
		token = newToken()
		if err := writeSecret(path, token+"\n"); err != nil {
			return "", fmt.Errorf("making the API token: %w", err)
		}
		return token, nil
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err == nil && info.Mode()&othersMode != 0 {
		err = os.Chmod(path, info.Mode()&^othersMode)
	}
	if err != nil {
		return "", fmt.Errorf("closing the API token to other users: %w", err)
	}
	return token, nil
}

// ReadToken is for the command: it reads the API token from path.
func ReadToken(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the API token: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 2*tokenDigits))
	if err != nil {
		return "", fmt.Errorf("reading the API token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if _, err := hex.DecodeString(token); err != nil || len(token) != tokenDigits {
		return "", fmt.Errorf("%s does not hold an API token of %d hex digits: delete it, and the agent makes a new one when it starts", path, tokenDigits)
	}
	return token, nil
}

func newToken() string {
	var secret [tokenDigits / 2]byte
	rand.Read(secret[:]) // never fails: it ends the process rather than return
	return hex.EncodeToString(secret[:])
}

// writeSecret writes a file that a power cut leaves either whole or absent.
func writeSecret(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// sessions lets in browsers. A session is a date of expiry, signed with the API token: nothing is kept here, the token
// itself never is in a cookie, and a new token or password ends all sessions.
type sessions struct {
	token     string
	passwords *passwords
}

// cookieName differs from agent to agent, as cookies do not heed the port, and one machine may run several agents.
func (s sessions) cookieName() string {
	return "ebb_" + s.sign("cookie name")[:8]
}

func (s sessions) open(now time.Time) string {
	expiry := strconv.FormatInt(now.Add(sessionLife).Unix(), 10)
	return expiry + "." + s.sign("session "+expiry+s.passwords.current())
}

func (s sessions) valid(session string, now time.Time) bool {
	expiry, signature, _ := strings.Cut(session, ".")
	if !equal(signature, s.sign("session "+expiry+s.passwords.current())) {
		return false
	}
	seconds, err := strconv.ParseInt(expiry, 10, 64)
	return err == nil && now.Before(time.Unix(seconds, 0))
}

func (s sessions) sign(text string) string {
	mac := hmac.New(sha256.New, []byte(s.token))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// equal compares secrets in a time that does not tell where they differ.
func equal(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
