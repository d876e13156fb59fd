package peerwire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"

	"ebb/agent/swarm"

	"github.com/anacrolix/torrent/mse"
)

// tcpPair returns both ends of a connection over loopback.
func tcpPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if a, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// exchange checks that what one side writes is what the other reads.
func exchange(t *testing.T, write func([]byte) error, read io.Reader) {
	t.Helper()
	data := randomBytes(10_000)
	written := make(chan error, 1)
	go func() { written <- write(bytes.Clone(data)) }()
	got := make([]byte, len(data))
	if _, err := io.ReadFull(read, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("data garbled: %v", err)
	}
	if err := within(t, written); err != nil {
		t.Error(err)
	}
}

// theirWrite adapts a stream of the other library.
func theirWrite(w io.Writer) func([]byte) error {
	return func(p []byte) error { _, err := w.Write(p); return err }
}

var methods = map[string]struct {
	provide, want uint32
	choose        func(uint32) uint32
}{
	"plaintext preferred":  {cryptoPlain | cryptoRC4, cryptoPlain, PlainFirst.choose},
	"RC4 preferred":        {cryptoPlain | cryptoRC4, cryptoRC4, EncryptedOnly.choose},
	"RC4 is all there is":  {cryptoRC4, cryptoRC4, PlainFirst.choose},
	"only plaintext there": {cryptoPlain, cryptoPlain, EncryptedOnly.choose},
}

func TestEncryptedHandshakeOfAnotherLibraryIsReceived(t *testing.T) {
	for name, c := range methods {
		for _, initial := range []string{"", "first words"} {
			t.Run(fmt.Sprint(name, " ", len(initial)), func(t *testing.T) {
				a, b := tcpPair(t)
				type result struct {
					stream io.ReadWriter
					method mse.CryptoMethod
					err    error
				}
				theirs := make(chan result, 1)
				go func() {
					s, method, err := mse.InitiateHandshake(a, swarmA[:], []byte(initial), mse.CryptoMethod(c.provide))
					theirs <- result{s, method, err}
				}()
				ours := newStream(b)
				hash, err := ours.receiveMSE(slices.Values([]swarm.InfoHash{swarmB, swarmA}), c.choose)
				if err != nil || hash != swarmA {
					t.Fatalf("%v, %v", hash, err)
				}
				other := within(t, theirs)
				if other.err != nil || uint32(other.method) != c.want {
					t.Fatalf("they got %v, %v", other.method, other.err)
				}
				got := make([]byte, len(initial))
				if _, err := io.ReadFull(ours, got); err != nil || string(got) != initial {
					t.Errorf("initial payload %q, %v", got, err)
				}
				exchange(t, theirWrite(other.stream), ours)
				exchange(t, ours.write, other.stream)
				if (ours.encrypt != nil) != (c.want == cryptoRC4) {
					t.Errorf("encrypted: %v", ours.encrypt != nil)
				}
			})
		}
	}
}

func TestEncryptedHandshakeIsReceivedByAnotherLibrary(t *testing.T) {
	for name, c := range methods {
		t.Run(name, func(t *testing.T) {
			a, b := tcpPair(t)
			theirs := make(chan mse.HandshakeResult, 1)
			go func() {
				theirs <- mse.ReceiveHandshakeEx(context.Background(), b, func(yield func([]byte) bool) {
					_ = yield(swarmB[:]) && yield(swarmA[:])
				}, func(m mse.CryptoMethod) mse.CryptoMethod { return mse.CryptoMethod(c.choose(uint32(m))) })
			}()
			ours := newStream(a)
			if err := ours.initiateMSE(swarmA, c.provide, []byte("first words")); err != nil {
				t.Fatal(err)
			}
			other := within(t, theirs)
			if !bytes.Equal(other.SecretKey, swarmA[:]) || uint32(other.CryptoMethod) != c.want {
				t.Fatalf("they got %x, %v", other.SecretKey, other.CryptoMethod)
			}
			got := make([]byte, len("first words"))
			if _, err := io.ReadFull(other, got); err != nil || string(got) != "first words" {
				t.Errorf("initial payload %q, %v", got, err)
			}
			exchange(t, theirWrite(other), ours)
			exchange(t, ours.write, other)
			if (ours.encrypt != nil) != (c.want == cryptoRC4) {
				t.Errorf("encrypted: %v", ours.encrypt != nil)
			}
		})
	}
}

func TestEncryptedHandshakeForUnknownSwarmFails(t *testing.T) {
	a, b := tcpPair(t)
	received := make(chan error, 1)
	go func() {
		_, err := newStream(b).receiveMSE(slices.Values([]swarm.InfoHash{swarmB}), PlainFirst.choose)
		b.Close()
		received <- err
	}()
	if err := newStream(a).initiateMSE(swarmA, cryptoRC4, nil); err == nil {
		t.Error("the dialling side saw no error")
	}
	if err := within(t, received); !errors.Is(err, ErrSwarm) {
		t.Errorf("the receiving side saw %v", err)
	}
}

func TestPublicKeysThatGiveTheSecretAwayAreRefused(t *testing.T) {
	minusOne := new(big.Int).Sub(msePrime, big.NewInt(1))
	for _, key := range []*big.Int{big.NewInt(0), big.NewInt(1), minusOne, msePrime, new(big.Int).Add(msePrime, big.NewInt(1))} {
		a, b := tcpPair(t)
		if _, err := a.Write(key.FillBytes(make([]byte, keyLength))); err != nil {
			t.Fatal(err)
		}
		if _, err := newStream(b).receiveMSE(slices.Values([]swarm.InfoHash{swarmA}), PlainFirst.choose); !errors.Is(err, ErrProtocol) {
			t.Errorf("%v: %v", key, err)
		}
	}
}

func TestGarbageIsNoEncryptedHandshake(t *testing.T) {
	garbage := strings.Repeat("GET / HTTP/1.1\r\n", 100)
	for name, run := range map[string]func(*stream) error{
		"received": func(s *stream) error {
			_, err := s.receiveMSE(slices.Values([]swarm.InfoHash{swarmA}), PlainFirst.choose)
			return err
		},
		"dialled": func(s *stream) error { return s.initiateMSE(swarmA, cryptoRC4, nil) },
	} {
		a, b := tcpPair(t)
		if _, err := io.WriteString(a, garbage); err != nil {
			t.Fatal(err)
		}
		if err := run(newStream(b)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMethodsThatWereNotOfferedAreRefused(t *testing.T) {
	for _, choice := range []uint32{0, cryptoPlain, cryptoRC4 | cryptoPlain, 4} {
		a, b := tcpPair(t)
		received := make(chan error, 1)
		go func() {
			// A receiver that does not keep to what it is offered.
			s := newStream(b)
			_, err := s.receiveMSE(slices.Values([]swarm.InfoHash{swarmA}), func(provided uint32) uint32 { return choice })
			b.Close()
			received <- err
		}()
		if err := newStream(a).initiateMSE(swarmA, cryptoRC4, nil); err == nil {
			t.Errorf("method %d was taken", choice)
		}
		within(t, received)
	}
}

func TestHandshakeIsSentInOneFlightAfterTheKeys(t *testing.T) {
	// Over a pipe, which has no buffer, two sides that wrote at the wrong time would wait for each other for ever.
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	received := make(chan error, 1)
	go func() {
		_, err := newStream(b).receiveMSE(slices.Values([]swarm.InfoHash{swarmA}), PlainFirst.choose)
		received <- err
	}()
	if err := newStream(a).initiateMSE(swarmA, cryptoRC4, []byte("hello")); err != nil {
		t.Error(err)
	}
	if err := within(t, received); err != nil {
		t.Error(err)
	}
}
