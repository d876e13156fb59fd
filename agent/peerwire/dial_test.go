package peerwire

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"ebb/agent/swarm"
)

// Whoever hands an address to Dial, it is asked before the first packet leaves.
func TestDialAsksBeforeItConnects(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	inside := errors.New("inside the household")
	var asked []string
	port, err := Listen("127.0.0.1:0", Config{Control: func(_, address string, _ syscall.RawConn) error {
		asked = append(asked, address)
		return inside
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	if c, err := port.Dial(context.Background(), addrPort(listener.Addr()), swarm.InfoHash{1}); !errors.Is(err, inside) {
		t.Fatalf("dialled %v, %v", c, err)
	}
	if len(asked) != 1 || asked[0] != listener.Addr().String() {
		t.Errorf("asked about %v", asked)
	}
}
