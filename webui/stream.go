package webui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// maxStreams is how many event streams may be open: some pages and a script or two. Each holds a connection and a
	// goroutine.
	maxStreams = 32
	// heartbeat is how often a silent stream says that it is alive: sooner than proxies and phones give up on one.
	heartbeat = 15 * time.Second
	// streamWrite is how long a listener may take for what is sent at once.
	streamWrite = 10 * time.Second
	// streamRetry is when a browser should come back after a stream has ended.
	streamRetry = 3 * time.Second
)

// getEvents sends the events that are kept, then each as it happens, in the format of
// https://html.spec.whatwg.org/multipage/server-sent-events.html. A browser that comes back says where it was in
// Last-Event-ID.
func (s *server) getEvents(w http.ResponseWriter, r *http.Request) error {
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		return &refusal{http.StatusServiceUnavailable, fmt.Sprintf("%d event streams are open, and no more are allowed", maxStreams)}
	}
	defer s.streams.Add(-1)
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		return nil
	}

	var seen uint64
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		var err error
		if seen, err = strconv.ParseUint(id, 10, 64); err != nil {
			return badRequest("Last-Event-ID is a number, not %.60q", id)
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would wait for 4 kB of events

	out := http.NewResponseController(w)
	text := fmt.Appendf(nil, "retry: %d\n\n", streamRetry.Milliseconds())
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		events, more := s.agent.Events().After(seen)
		for _, e := range events {
			data, err := json.Marshal(e) // one line: JSON escapes line ends
			if err != nil {
				return s.streamEnds(fmt.Errorf("putting an event into JSON: %w", err))
			}
			text = fmt.Appendf(text, "id: %d\ndata: %s\n\n", e.ID, data)
			seen = e.ID
		}
		if len(text) > 0 {
			// In place of the server's time limit, which is for short answers.
			err := out.SetWriteDeadline(time.Now().Add(streamWrite))
			if err == nil {
				_, err = w.Write(text)
			}
			if err == nil {
				err = out.Flush()
			}
			if err != nil {
				return s.streamEnds(err)
			}
		}
		text = text[:0]
		select {
		case <-more:
		case <-beat.C:
			text = append(text, ": still here\n\n"...)
		case <-r.Context().Done():
			return nil
		}
	}
}

// streamEnds notes why a stream that has begun has to end. It is too late for an error to be an answer.
func (s *server) streamEnds(err error) error {
	s.log.Debug("an event stream ended", "err", err)
	return nil
}
