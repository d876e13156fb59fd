package peersource

import (
	"context"
	"io"
	"log"
	"net/netip"
	"testing"
	"time"

	"ebb/agent/swarm"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for real I/O; only a failing test uses it up.
const patience = 20 * time.Second

// patient is a context that ends with the test, or with its patience.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func hash(b byte) swarm.InfoHash {
	var h swarm.InfoHash
	for i := range h {
		h[i] = b
	}
	return h
}

func addrs(texts ...string) []netip.AddrPort {
	var all []netip.AddrPort
	for _, text := range texts {
		all = append(all, netip.MustParseAddrPort(text))
	}
	return all
}

// quiet is for servers that would complain about what a test does to them.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
