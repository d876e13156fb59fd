package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"ebb/agent/records"
	"ebb/webui"
)

const (
	// answerTimeout is as long as an agent may take: it may have to fetch a .torrent file from the web first.
	answerTimeout = 2 * time.Minute
	// maxAnswer bounds an answer, in bytes. Ten thousand swarms are about 6 MB.
	maxAnswer = 64 << 20
)

// client asks one agent.
type client struct {
	token string
	state string // the agent's state directory, for messages
	http  *http.Client
}

func newClient(token, state string) *client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return records.DialSocket(ctx, state) }
	return &client{token, state, &http.Client{
		Timeout: answerTimeout,
		// No proxy: the token is for the agent only. No redirects, for the same reason.
		Transport:     &http.Transport{DisableKeepAlives: true, DialContext: dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// statusError is an answer that is an error.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// do sends a request and returns the body of its answer, if that is no error.
func (cl *client) do(ctx context.Context, method, path string, header http.Header, body []byte) ([]byte, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://localhost/api/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("asking the agent: %w", err)
	}
	if header != nil {
		r.Header = header
	}
	r.Header.Set("Authorization", "Bearer "+cl.token)
	response, err := cl.http.Do(r)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil, nil, notRunning(cl.state)
	case errors.Is(err, fs.ErrPermission):
		return nil, nil, fmt.Errorf("asking the agent: %w: be the user that runs the agent, or root", err)
	case err != nil:
		return nil, nil, fmt.Errorf("asking the agent: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("reading the agent's answer: %w", err)
	case len(answer) > maxAnswer:
		return nil, nil, fmt.Errorf("the agent's answer is longer than %d bytes", maxAnswer)
	case response.StatusCode >= 300:
		return nil, nil, cl.refusal(response, answer)
	}
	return answer, response.Header, nil
}

func (cl *client) refusal(response *http.Response, answer []byte) error {
	var p webui.Problem
	if json.Unmarshal(answer, &p) != nil || p.Detail == "" {
		p.Detail = fmt.Sprintf("what answers in %s is not an ebb agent: %s", cl.state, response.Status)
	}
	return &statusError{response.StatusCode, p.Detail}
}

// get asks for something and reads the answer into v.
func (cl *client) get(ctx context.Context, path string, v any) error {
	answer, _, err := cl.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("reading the agent's answer: %w", err)
	}
	return nil
}

// act asks for something to be done.
func (cl *client) act(ctx context.Context, method, path string) error {
	_, _, err := cl.do(ctx, method, path, nil, nil)
	return err
}
