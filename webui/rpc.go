package webui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// What programs that know Transmission expect, so that they can be pointed at ebb: its RPC as the file rpc-spec.md of
// release 4.0 describes it. The owner's downloads are its torrents. Background swarms are listed with them under the
// label background, and only to be looked at.

// rpcPath is where the programs of that family look.
const rpcPath = "/transmission/rpc"

const (
	// rpcVersion and rpcVersionMinimum are those of release 4.0.
	rpcVersion, rpcVersionMinimum = 17, 14
	// rpcRelease stands before our own name and version: programs look there for what they may ask for.
	rpcRelease = "4.0.0"
	// maxRPC bounds a request, bytes: a .torrent file in Base64, and what is around it.
	maxRPC = MaxTorrentFile/3*4 + 64<<10
	// rpcSessionHeader carries the word that only a reader of our answers knows, and so no other site's page.
	rpcSessionHeader = "X-Transmission-Session-Id"
)

// rpc is what the RPC remembers.
type rpc struct {
	*server
	session string // see rpcSessionHeader
	ids     rpcIDs
}

func newRPC(s *server) *rpc { return &rpc{server: s, session: newToken()} }

// rpcRequest is what is sent.
type rpcRequest struct {
	Method    string          `json:"method"`
	Arguments json.RawMessage `json:"arguments"`
	Tag       json.RawMessage `json:"tag"`
}

// rpcAnswer is what comes back, with status 200, whatever the result is.
type rpcAnswer struct {
	Result    string          `json:"result"` // success, or what is wrong
	Arguments any             `json:"arguments"`
	Tag       json.RawMessage `json:"tag,omitempty"`
}

// ServeHTTP answers one request: who asks, whether a page of another site does, what is asked for.
func (c *rpc) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := http.NewCrossOriginProtection().Check(r); err != nil && !throughProxy(r) {
		c.fail(w, r, &refusal{http.StatusForbidden, foreign(r)})
		return
	}
	has, err := c.enter(r)
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Basic realm="ebb", charset="UTF-8"`)
		c.fail(w, r, err)
		return
	}
	w.Header().Set(rpcSessionHeader, c.session)
	if !equal(r.Header.Get(rpcSessionHeader), c.session) {
		c.fail(w, r, &refusal{http.StatusConflict, "send the header " + rpcSessionHeader + " as it is in this answer"})
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		c.fail(w, r, &refusal{http.StatusMethodNotAllowed, "a call is sent by POST"})
		return
	}
	body, err := readBody(w, r, maxRPC)
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.answer(w, r, http.StatusOK, c.call(r.Context(), has, body))
}

// enter lets in who has a session, a token or the password. Programs send the latter two as the password of RFC 7617,
// with any name.
func (c *rpc) enter(r *http.Request) (access, error) {
	if has := c.access(r, time.Now()); has != accessNone {
		return has, nil
	}
	_, password, ok := r.BasicAuth()
	if !ok {
		return accessNone, &refusal{http.StatusUnauthorized, "the password of ebb's page is needed, or the API token in its place; any name will do"}
	}
	if has := c.accessOf(password); has != accessNone {
		return has, nil
	}
	return accessOwner, c.sessions.passwords.checkAgain(password, guesser(r), time.Now())
}

// rpcLooks are the methods that change nothing.
var rpcLooks = map[string]bool{"torrent-get": true, "session-get": true, "session-stats": true, "free-space": true, "group-get": true}

// call carries out a request. What is wrong with it is part of the answer.
func (c *rpc) call(ctx context.Context, has access, body []byte) (answer rpcAnswer) {
	var q rpcRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return rpcAnswer{Result: "the call is not in JSON as it should be: " + err.Error(), Arguments: struct{}{}}
	}
	var number json.Number
	if err := json.Unmarshal(q.Tag, &number); err == nil && number != "" {
		answer.Tag = q.Tag
	}
	do, known := rpcMethods[q.Method]
	if !known {
		answer.Result, answer.Arguments = fmt.Sprintf("method name not recognized: %.60q", q.Method), struct{}{}
		return answer
	}
	if has < accessAct && !rpcLooks[q.Method] {
		answer.Result, answer.Arguments = "this token may only look", struct{}{}
		return answer
	}
	result, err := do(c, ctx, rpcArguments{q.Arguments})
	if err != nil {
		answer.Result, answer.Arguments = err.Error(), struct{}{}
		if bad := (*BadRequest)(nil); !errors.As(err, &bad) && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrConflict) && ctx.Err() == nil {
			c.log.Error("a call failed", "method", q.Method, "err", err)
		}
		return answer
	}
	answer.Result, answer.Arguments = "success", result
	return answer
}

// rpcArguments are those of a call. What a method does not know is ignored, as Transmission does.
type rpcArguments struct{ raw json.RawMessage }

// into reads the arguments.
func (a rpcArguments) into(v any) error {
	if len(a.raw) == 0 || bytes.Equal(a.raw, []byte("null")) {
		return nil
	}
	if err := json.Unmarshal(a.raw, v); err != nil {
		return badRequest("the arguments are not as they should be: %w", err)
	}
	return nil
}

// rpcMethod is one method. Its result is put into JSON.
type rpcMethod func(c *rpc, ctx context.Context, a rpcArguments) (any, error)

// rpcMethods are the methods that there are.
var rpcMethods map[string]rpcMethod

func init() { // the methods refer to each other
	rpcMethods = map[string]rpcMethod{
		"torrent-get":          (*rpc).torrentGet,
		"torrent-add":          (*rpc).torrentAdd,
		"torrent-start":        (*rpc).torrentStart,
		"torrent-start-now":    (*rpc).torrentStart,
		"torrent-stop":         (*rpc).torrentStop,
		"torrent-verify":       (*rpc).torrentVerify,
		"torrent-remove":       (*rpc).torrentRemove,
		"torrent-set-location": (*rpc).torrentSetLocation,
		"torrent-rename-path":  rpcRefused("files keep their names: this version of ebb renames none"),
		"torrent-set":          (*rpc).torrentSet,
		"torrent-reannounce":   rpcRefused("trackers are asked when they want to be, no sooner"),
		"session-get":          (*rpc).sessionGet,
		"session-set":          (*rpc).sessionSet,
		"session-stats":        (*rpc).sessionStats,
		"session-close":        rpcRefused("ebb is ended on the device, not from afar"),
		"free-space":           (*rpc).freeSpace,
		"group-get":            func(*rpc, context.Context, rpcArguments) (any, error) { return map[string]any{"group": []any{}}, nil },
		"group-set":            rpcRefused("there are no bandwidth groups"),
		"port-test":            rpcRefused("nobody out there is asked whether the port is open: see 'ebb doctor'"),
		"blocklist-update":     rpcRefused("there is no blocklist"),
		"queue-move-top":       rpcRefused("there is no queue: all downloads run at once"),
		"queue-move-up":        rpcRefused("there is no queue: all downloads run at once"),
		"queue-move-down":      rpcRefused("there is no queue: all downloads run at once"),
		"queue-move-bottom":    rpcRefused("there is no queue: all downloads run at once"),
	}
}

// rpcRefused is a method that exists and that ebb does not carry out.
func rpcRefused(why string) rpcMethod {
	return func(*rpc, context.Context, rpcArguments) (any, error) { return nil, &BadRequest{errors.New(why)} }
}

// rpcVersionText is a version that programs can compare, and then what this really is.
func rpcVersionText(version string) string {
	return rpcRelease + " (ebb " + strings.TrimSpace(version) + ")"
}
