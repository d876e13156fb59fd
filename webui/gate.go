package webui

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// The gate decides which requests get through to the API and the page:
//
//  0. It comes from the household, unless web.allow_public says otherwise: a
//     router that listens on every address listens to the internet, too.
//  1. Host names us. A stranger's page that has its own name resolve to our
//     address (DNS rebinding) is, to the browser, the same origin as we are;
//     only the Host header tells.
//  2. What changes something does not come from another origin. The browser
//     says so in Sec-Fetch-Site or Origin; the command sends neither.
//  3. The API needs the token, a session made with it, or a token that the owner
//     has made, which may be good for less. The page itself holds no secrets, and
//     needs none of them.

// gate applies rules 0 and 1, and sets the headers that hold for every answer.
func (s *server) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if !s.public() && !fromInside(r, ownNetworks) {
			s.fail(w, r, &refusal{http.StatusForbidden,
				"this agent answers to its household only: if it should answer to the whole internet, set web.allow_public"})
			return
		}
		if !s.hosts.allow(r.Host) {
			s.fail(w, r, &refusal{http.StatusForbidden, fmt.Sprintf(
				"this agent does not go by the name %q: if it should, add that to web.allowed_hosts", r.Host)})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guard applies rules 2 and 3.
func (s *server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := origin.Check(r); err != nil && !throughProxy(r) {
			s.fail(w, r, &refusal{http.StatusForbidden, foreign(r)})
			return
		}
		entering := r.Method == http.MethodPost && r.URL.Path == sessionPath // and has to say by what
		if has := s.access(r, time.Now()); !entering && has == accessNone {
			s.fail(w, r, &refusal{http.StatusUnauthorized, "the password or the API token is needed: that is in the file " + TokenFile + " in the state directory"})
			return
		} else if !entering && has < needed(r) {
			s.fail(w, r, &refusal{http.StatusForbidden, "this token is not good for that: the owner can make one that is, or do it on the page"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// throughProxy reports whether a page of ours sent the request and a reverse proxy, which replaced its Host, says so. No
// other site's page can add that header: its browser would have to ask us first (CORS), and is not allowed to.
func throughProxy(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") != "" {
		return false // then the browser knows better
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	asked, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ",")
	return err == nil && origin.Host != "" && strings.EqualFold(origin.Host, strings.TrimSpace(asked))
}

// foreign says why a request is taken for another site's, and what would help if it is not.
func foreign(r *http.Request) string {
	const refused = "refused: this was sent by a page of another site"
	origin := r.Header.Get("Origin")
	if r.Header.Get("Sec-Fetch-Site") != "" || len(origin) > maxShown || len(r.Host) > maxShown {
		return refused
	}
	return fmt.Sprintf("%s: the header Origin says %q, and Host says %q. If a reverse proxy is in between, have it pass Host on "+
		"as the browser sent it, port and all (nginx: proxy_set_header Host $http_host;)", refused, origin, r.Host)
}

// maxShown is how much of a header is shown in an answer, bytes.
const maxShown = 255

// secure sets what a browser enforces for us: nothing from elsewhere, nothing inline, no markup made from strings, no
// frames around us.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
}

// access is what the sender of a request may do.
func (s *server) access(r *http.Request, now time.Time) access {
	if s.sessions.token == "" {
		return accessNone
	}
	if token, ok := bearerToken(r); ok {
		return s.accessOf(token)
	}
	if cookie, err := r.Cookie(s.sessions.cookieName()); err == nil && s.sessions.valid(cookie.Value, now) {
		return accessOwner
	}
	return accessNone
}

// accessOf is what a token is good for: the agent's own, or one that the owner has made.
func (s *server) accessOf(token string) access {
	if s.sessions.token != "" && equal(token, s.sessions.token) {
		return accessOwner
	}
	return s.tokens.of(token)
}

// bearerToken is the token that a request carries (RFC 6750 §2.1).
func bearerToken(r *http.Request) (token string, ok bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, strings.EqualFold(scheme, "Bearer")
}

// bearer reports whether the request carries the agent's own token.
func (s *server) bearer(r *http.Request) bool {
	token, ok := bearerToken(r)
	return ok && s.sessions.token != "" && equal(token, s.sessions.token)
}

const sessionPath = "/api/v1/session"

// openSession gives a browser that has the token or the password a session in its place, which its scripts cannot read
// and other sites cannot use.
func (s *server) openSession(w http.ResponseWriter, r *http.Request) error {
	switch {
	case s.bearer(r):
	case r.Header.Get("Authorization") != "":
		return &refusal{http.StatusUnauthorized, "a session is opened with the API token, and that is not it"}
	default:
		password, err := readPassword(w, r)
		if err != nil {
			return &refusal{http.StatusUnauthorized, `a session is opened with the API token, or with {"password": "…"}`}
		}
		if err := s.sessions.passwords.check(password, guesser(r), time.Now()); err != nil {
			return err
		}
	}
	s.giveSession(w, r)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// giveSession adds a new session to an answer.
func (s *server) giveSession(w http.ResponseWriter, r *http.Request) {
	// Without a path the browser takes that of the API as it sees it (RFC 6265 §5.1.4): only it knows below which path a
	// reverse proxy has put us.
	http.SetCookie(w, &http.Cookie{
		Name:     s.sessions.cookieName(),
		Value:    s.sessions.open(time.Now()),
		MaxAge:   int(sessionLife / time.Second),
		HttpOnly: true,
		SameSite: http.SameSiteStrictMode,
		Secure:   r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	})
}

// hosts are the names that we go by. Addresses need no list: nobody can have an address resolve to us.
type hosts struct {
	own     map[string]bool
	allowed func() []string // by the owner, at the moment
}

func newHosts(allowed func() []string) hosts {
	h := hosts{map[string]bool{"localhost": true}, allowed}
	if name, err := os.Hostname(); err == nil && name != "" {
		h.own[canonicalHost(name)] = true
	}
	return h
}

func (h hosts) allow(hostport string) bool {
	host := withoutPort(hostport)
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	host = canonicalHost(host)
	return host != "" && (isLocalName(host) || h.own[host] || slices.ContainsFunc(h.allowed(), func(name string) bool {
		return canonicalHost(withoutPort(name)) == host
	}))
}

// isLocalName reports whether a name is one that only the household's own resolvers give an address (RFC 6762, RFC 8375,
// and .lan by the custom of routers), so that no stranger can have it lead to us.
func isLocalName(host string) bool {
	for _, suffix := range []string{".local", ".lan", ".home.arpa"} {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

func withoutPort(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}

func canonicalHost(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
