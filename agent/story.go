package agent

import (
	"log/slog"

	"ebb/agent/swarm"
	"ebb/webui"
)

// story is what happens, in sentences for the owner. It goes to the log, and
// to everybody who follows the event stream.
type story struct {
	log    *slog.Logger
	events *webui.EventLog
}

// tell adds a sentence. kind is one word, such as joined or served; h may be
// zero. It never blocks.
func (s *story) tell(kind string, h swarm.InfoHash, text string) {
	attributes := []any{"event", kind}
	if !h.IsZero() {
		attributes = append(attributes, "swarm", h.String())
	}
	s.log.Info(text, attributes...)
	s.events.Publish(webui.Event{Kind: kind, Hash: h, Text: text})
}
