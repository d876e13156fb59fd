package swarm

import (
	"context"
	"log/slog"
	"time"
)

// Event is one thing that happened, in words for the owner. All events together are the agent's story.
type Event struct {
	ID   uint64    `json:"id"` // grows from one event to the next; given by whoever keeps the story
	Time time.Time `json:"time"`
	Kind string    `json:"kind"` // one word, such as heard, verified, joined, stored, served
	Hash InfoHash  `json:"hash,omitzero"`
	Text string    `json:"text"`
}

// The attributes by which a record of the log is known to be an event.
const (
	kindKey = "event"
	hashKey = "swarm"
)

// Tell writes an event to the log, which is how every part of ebb tells the owner what it does. The zero InfoHash
// stands for no swarm. It never blocks on whoever listens.
func Tell(log *slog.Logger, kind string, h InfoHash, text string) {
	attributes := []slog.Attr{slog.String(kindKey, kind)}
	if !h.IsZero() {
		attributes = append(attributes, slog.Any(hashKey, h))
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, text, attributes...)
}

// Listen returns a handler of log records that hands the events among them to heard, whatever next's level, and all that
// next wants to next. heard may be called by several goroutines at once.
func Listen(next slog.Handler, heard func(Event)) slog.Handler { return listener{next, heard} }

type listener struct {
	slog.Handler
	heard func(Event)
}

func (l listener) Enabled(ctx context.Context, level slog.Level) bool {
	return level == slog.LevelInfo || l.Handler.Enabled(ctx, level)
}

func (l listener) Handle(ctx context.Context, r slog.Record) error {
	if e, ok := eventOf(r); ok {
		l.heard(e)
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

func (l listener) WithAttrs(attributes []slog.Attr) slog.Handler {
	return listener{l.Handler.WithAttrs(attributes), l.heard}
}

func (l listener) WithGroup(name string) slog.Handler {
	return listener{l.Handler.WithGroup(name), l.heard}
}

// eventOf returns the event that a record is; ok is false if it is none.
func eventOf(r slog.Record) (e Event, ok bool) {
	e = Event{Time: r.Time, Text: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case kindKey:
			e.Kind, ok = a.Value.String(), true
		case hashKey:
			e.Hash, _ = a.Value.Any().(InfoHash)
		}
		return true
	})
	return e, ok
}
