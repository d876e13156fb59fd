package webui

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Config is what New needs.
type Config struct {
	Agent        Agent
	PasswordPath string          // of the file with the hash of the owner's password; empty: there is none
	TokensPath   string          // of the file with the tokens that the owner has made; empty: there are none
	Token        string          // from LoadToken; while it is empty, nobody is let in
	AllowedHosts func() []string // names that we go by, besides addresses, localhost, the machine's own and local ones; nil: none
	AllowPublic  func() bool     // whether callers outside the household are answered; nil: no
	Log          *slog.Logger
}

type server struct {
	agent    Agent
	hosts    hosts
	public   func() bool
	sessions sessions
	tokens   *tokens
	log      *slog.Logger

	checkup     sync.Mutex   // held while the doctor is at work
	preferences sync.Mutex   // held from reading the preferences to having set new ones
	streams     atomic.Int32 // event streams that are open
}

// New returns the whole of the API and the page. It holds no goroutines.
func New(c Config) http.Handler {
	s := &server{
		agent:    c.Agent,
		hosts:    newHosts(c.AllowedHosts),
		public:   c.AllowPublic,
		sessions: sessions{token: c.Token},
		log:      c.Log,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}

	var err error
	if s.sessions.passwords, err = loadPasswords(c.PasswordPath); err != nil {
		s.log.Warn("nobody is let in by a password", "err", err)
	}
	if s.tokens, err = loadTokens(c.TokensPath); err != nil {
		s.log.Warn("programs are let in by no token but the agent's", "err", err)
	}
	if s.hosts.allowed == nil {
		s.hosts.allowed = func() []string { return nil }
	}
	if s.public == nil {
		s.public = func() bool { return false }
	}

	gated := http.NewServeMux()
	gated.Handle("/api/", s.guard(s.api()))
	gated.Handle("/metrics", s.guard(s.serve(methods{"GET": s.getMetrics})))
	rpc := newRPC(s)
	gated.Handle(rpcPath, rpc)
	gated.Handle(rpcPath+"/{$}", rpc) // transmission-remote ends it so
	gated.Handle("/", s.newPage())

	all := http.NewServeMux()
	all.HandleFunc("GET /healthz", healthz)
	all.Handle("/", s.gate(gated))
	return all
}

// healthz tells a watchdog that we are here, and nobody anything else: no name and no token is asked for.
func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Write([]byte("ok\n"))
}

// endpoint answers one method of one path. What it returns is sent by fail.
type endpoint func(w http.ResponseWriter, r *http.Request) error

// methods are the endpoints of one path.
type methods map[string]endpoint

func (s *server) api() http.Handler {
	mux := http.NewServeMux()
	for path, m := range map[string]methods{
		"session":          {"POST": s.openSession},
		"password":         {"PUT": s.putPassword},
		"tokens":           {"GET": s.getTokens, "POST": s.addToken},
		"tokens/{name}":    {"DELETE": s.revokeToken},
		"status":           {"GET": s.getStatus},
		"events":           {"GET": s.getEvents},
		"preferences":      {"GET": s.getPreferences, "PUT": s.putPreferences, "PATCH": s.patchPreferences},
		"preferences/keys": {"GET": s.getKeys},

		"foreground":                {"GET": list(s, s.agent.Foreground), "POST": s.addForeground},
		"foreground/{hash}":         {"GET": one(s, s.agent.ForegroundTorrent), "DELETE": s.removeForeground},
		"foreground/{hash}/details": {"GET": one(s, s.agent.ForegroundDetails)},
		"foreground/{hash}/start":   {"POST": act(s.agent.StartForeground)},
		"foreground/{hash}/stop":    {"POST": act(s.agent.StopForeground)},
		"foreground/{hash}/verify":  {"POST": begin(s.agent.VerifyForeground)},
		"foreground/{hash}/move":    {"POST": s.moveForeground},

		"background":                {"GET": list(s, s.agent.Background), "POST": s.addBackground},
		"background/{hash}":         {"GET": one(s, s.agent.BackgroundSwarm), "DELETE": act(s.agent.LeaveBackground)},
		"background/{hash}/promote": {"POST": begin(s.agent.Promote)},
		"background/{hash}/veto":    {"POST": act(s.agent.Veto)},
		"background/{hash}/why":     {"GET": one(s, s.agent.Why)},

		"line":                      {"GET": s.getLine},
		"candidates":                {"GET": list(s, s.agent.Candidates)},
		"candidates/{hash}/approve": {"POST": act(s.agent.Approve)},

		"doctor": {"GET": s.doctor(false), "POST": s.doctor(true)},

		"openapi.yaml": {"GET": getDescription},
	} {
		mux.Handle("/api/v1/"+path, s.serve(m))
	}
	mux.HandleFunc("/", s.nothing)
	return mux
}

func (s *server) nothing(w http.ResponseWriter, r *http.Request) {
	text := "there is no " + r.URL.Path + " here"
	if r.Header.Get("X-Forwarded-For") != "" {
		text += "; a reverse proxy has to leave out the path below which it puts ebb (nginx: proxy_pass with a / at its end)"
	}
	s.fail(w, r, &refusal{http.StatusNotFound, text})
}

func (s *server) serve(m methods) http.Handler {
	var allowed []string
	for method := range m {
		allowed = append(allowed, method)
	}
	slices.Sort(allowed)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead { // a GET, of which net/http does not send the body
			method = http.MethodGet
		}
		answer, ok := m[method]
		if !ok {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			s.fail(w, r, &refusal{http.StatusMethodNotAllowed, "this path allows " + strings.Join(allowed, " and ") + ", not " + r.Method})
			return
		}
		if err := answer(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}
