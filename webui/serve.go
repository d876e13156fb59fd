package webui

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 2 * time.Minute // 10 MiB at 90 kB/s
	answerTimeout = 2 * time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10 // bytes

	// goodbye is how long requests that are under way may take to end after their context has.
	goodbye = time.Second
)

// Serve serves handler on l until ctx ends, and returns nil then; or until the listener fails. It closes l. Requests
// see ctx end in their own context. When Serve returns, every connection and its goroutine are gone.
func Serve(ctx context.Context, l net.Listener, handler http.Handler, log *slog.Logger) error {
	requests, stop := context.WithCancel(ctx)
	defer stop()
	var connections sync.WaitGroup
	server := &http.Server{
		Handler:           handler,
		BaseContext:       func(net.Listener) context.Context { return requests },
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew: // called before the connection's goroutine is started
				connections.Add(1)
			case http.StateClosed, http.StateHijacked:
				connections.Done()
			}
		},
	}
	var stopping sync.WaitGroup
	stopping.Go(func() {
		<-requests.Done()
		within, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		if server.Shutdown(within) != nil {
			server.Close()
		}
	})
	err := server.Serve(newCrowd(l))
	stop()
	stopping.Wait()
	connections.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving the page on %s: %w", l.Addr(), err)
}
