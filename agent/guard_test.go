package agent

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"ebb/agent/peersource"
	"ebb/agent/swarm"
)

// Whoever asks the peer port to dial, the guard is asked.
func TestPeerPortDialsNothingInside(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	config := filepath.Join(t.TempDir(), "ebb.toml")
	text := "[network]\npeer_address = \"127.0.0.1:0\"\ndht = false\n[web]\naddress = \"127.0.0.1:0\"\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(Options{ConfigPath: config, StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	inside := netip.MustParseAddrPort(listener.Addr().String())
	if _, err := a.port.Dial(context.Background(), inside, swarm.InfoHash{1}); !errors.Is(err, peersource.ErrRefused) {
		t.Errorf("dialled %s: %v", inside, err)
	}
}
