package webui_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/swarm"
	"ebb/webui"
	"ebb/webui/webuitest"
)

// served is an API that is being served on a listener of its own.
type served struct {
	*world
	url  string
	stop context.CancelFunc
	done chan error // what Serve returned
}

func serve(t *testing.T) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &served{newWorld(t), "http://" + l.Addr().String(), stop, make(chan error, 1)}
	go func() { s.done <- webui.Serve(ctx, l, s.api, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(s.end)
	return s
}

func (s *served) end() {
	s.stop()
	select {
	case err := <-s.done:
		if err != nil {
			s.t.Error(err)
		}
		s.done <- nil
	case <-time.After(patience):
		s.t.Error("still serving")
	}
}

// stream opens a stream of events, after the event with the given ID if it is not empty.
func (s *served) stream(lastID string) (*http.Response, *bufio.Reader) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(bounded(s.t), http.MethodGet, s.url+"/api/v1/events", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Last-Event-ID", lastID)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { response.Body.Close() })
	return response, bufio.NewReader(response.Body)
}

// next reads lines up to one that begins with prefix, and returns the rest of it.
func next(t *testing.T, r *bufio.Reader, prefix string) string {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %q: %v", prefix, err)
		}
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
}

func nextEvent(t *testing.T, r *bufio.Reader) swarm.Event {
	t.Helper()
	return decode[swarm.Event](t, strings.NewReader(next(t, r, "data: ")))
}

func TestEventsComeAsTheyHappen(t *testing.T) {
	s := serve(t)
	kept, _ := s.agent.Events().After(0)
	response, r := s.stream("")
	if kind := response.Header.Get("Content-Type"); response.StatusCode != 200 || kind != "text/event-stream" {
		t.Fatalf("status %d, %s", response.StatusCode, kind)
	}
	for _, want := range kept {
		if got := nextEvent(t, r); got.ID != want.ID || got.Text != want.Text {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	for _, text := range []string{"one", "two\nlines, and data: more", webuitest.MarkupName} {
		s.agent.Events().Publish(swarm.Event{Kind: "served", Text: text, Hash: webuitest.Hash(0x21)})
		if got := nextEvent(t, r); got.Text != text || got.Hash != webuitest.Hash(0x21) {
			t.Errorf("got %v, want %q", got, text)
		}
	}
}

func TestAStreamGoesOnWhereItBroke(t *testing.T) {
	s := serve(t)
	_, r := s.stream("")
	id := next(t, r, "id: ")
	second := next(t, r, "id: ")
	_, r = s.stream(id)
	if got := next(t, r, "id: "); got != second {
		t.Errorf("goes on at %s, want %s", got, second)
	}
	if response, _ := s.stream("x"); response.StatusCode != 400 {
		t.Errorf("status %d for a bad ID", response.StatusCode)
	}
}

func TestStreamsAreLimitedInNumber(t *testing.T) {
	s := serve(t)
	var last *http.Response
	for range 32 {
		var r *bufio.Reader
		last, r = s.stream("")
		next(t, r, "retry: ")
	}
	if response, _ := s.stream(""); response.StatusCode != 503 {
		t.Errorf("status %d for one too many", response.StatusCode)
	}
	last.Body.Close()
	for deadline := time.Now().Add(patience); ; {
		if response, _ := s.stream(""); response.StatusCode == 200 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a stream that was closed still counts")
		}
	}
}

func TestServeEndsWithItsContextStreamsIncluded(t *testing.T) {
	s := serve(t)
	_, r := s.stream("")
	next(t, r, "data: ")
	idle, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	s.end()
	for {
		if _, err := r.ReadString('\n'); err != nil {
			break
		}
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err == nil {
		t.Error("somebody still listens")
	}
}

func TestServeReportsABrokenListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	err = webui.Serve(t.Context(), l, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// pipes is a net.Listener in memory, for tests with a fake clock.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// serveInMemory serves handler with a fake clock. It returns the client's end of a connection, and a function that has
// Serve end and waits until it has.
func serveInMemory(t *testing.T, handler http.Handler) (client net.Conn, end func()) {
	t.Helper()
	l := &pipes{make(chan net.Conn), make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- webui.Serve(ctx, l, handler, slog.New(slog.DiscardHandler)) }()
	client, server := net.Pipe()
	l.conns <- server
	return client, func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		client.Close()
	}
}

const getEvents = "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token + "\r\n\r\n"

func TestServeWaitsForRequestsThatAreSlowToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, ended := make(chan struct{}), false
		client, end := serveInMemory(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(asked)
			<-r.Context().Done()
			<-time.After(time.Minute)
			ended = true
		}))
		io.WriteString(client, getEvents)
		<-asked
		end()
		if !ended {
			t.Error("a request is still being answered")
		}
	})
}

func TestASilentStreamStaysAliveByItsHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		client, end := serveInMemory(t, w.api)
		io.WriteString(client, getEvents)
		r := bufio.NewReader(client)
		next(t, r, "retry: ")
		began := time.Now()
		for range 100 { // 25 minutes: longer than any time limit of the server
			next(t, r, ": still here")
		}
		if beat := time.Since(began) / 100; beat != 15*time.Second {
			t.Errorf("a heartbeat every %v", beat)
		}
		w.agent.Events().Publish(swarm.Event{Text: "late"})
		if e := nextEvent(t, r); e.Text != "late" {
			t.Errorf("got %v", e)
		}
		go func() { // the stream's last words have to be read
			for _, err := r.ReadByte(); err == nil; _, err = r.ReadByte() {
			}
		}()
		end()
	})
}

func TestAListenerThatReadsNothingIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		client, end := serveInMemory(t, w.api)
		io.WriteString(client, getEvents) // a pipe without any buffer, so that each write waits for its reader
		<-time.After(time.Minute)
		if _, err := bufio.NewReader(client).ReadString('\n'); err != io.EOF {
			t.Errorf("still connected: %v", err)
		}
		end()
	})
}
