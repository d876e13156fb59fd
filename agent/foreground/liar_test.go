package foreground_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"

	"github.com/anacrolix/torrent/bencode"

	"ebb/agent/foreground"
	"ebb/agent/swarm"
)

// liar is a peer that has nothing but an info dictionary to give (BEP 9), a bad one. It returns where it listens, and
// ends with the test.
func liar(t *testing.T, addr netip.Addr, h swarm.InfoHash, info []byte) netip.AddrPort {
	t.Helper()
	listener, err := net.Listen("tcp4", netip.AddrPortFrom(addr, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				// Whatever ends it: rain dials again, or the test is over.
				_ = lie(conn, h, info)
			})
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().(*net.TCPAddr).AddrPort()
}

// TestNestedMessageDoesNotEndTheProcess has a peer send the worst message that gets through: it makes rain use half of
// the stack that Go allows.
func TestNestedMessageDoesNotEndTheProcess(t *testing.T) {
	w := newWorld(t)
	c := w.content("film.bin", 1<<20, 64<<10)
	w.open()
	w.add(c)
	picture := w.await(c.Hash, "listening", func(now foreground.Torrent) bool { return w.announced(c.Hash) })
	for _, size := range []int{foreground.NestingLimit, foreground.NestingLimit + 1, 4 << 20} {
		conn, err := net.Dial("tcp4", net.JoinHostPort(w.cfg.Host, strconv.Itoa(int(picture.Port))))
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Write(append(append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x00"), c.Hash[:]...), "-LI0001-abcdefghijkl"...))
		if err != nil {
			t.Fatal(err)
		}
		payload := append([]byte{20, 0}, "d1:x"...) // an extension handshake (BEP 10)
		payload = append(payload, bytes.Repeat([]byte("l"), size-len(payload))...)
		// rain may close the connection before it has read everything.
		_, _ = conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...))
		_, _ = io.Copy(io.Discard, conn)
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// It still works, too.
	w.seed(c)
	w.complete(c)
}

// lie serves one connection. An encrypted handshake fails; rain then tries a plain one.
func lie(conn net.Conn, h swarm.InfoHash, info []byte) error {
	const (
		block    = 16 << 10
		extended = 20
		ours     = 3 // our number for ut_metadata
	)
	theirs := make([]byte, 68)
	if _, err := io.ReadFull(conn, theirs); err != nil {
		return err
	}
	if theirs[0] != 19 {
		return fmt.Errorf("not a plain handshake")
	}
	hello := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x00"), h[:]...)
	hello = append(hello, "-LI0001-abcdefghijkl"...)
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	send := func(number byte, payload string) error {
		message := binary.BigEndian.AppendUint32(nil, uint32(2+len(payload)))
		_, err := conn.Write(append(append(message, extended, number), payload...))
		return err
	}
	if err := send(0, fmt.Sprintf("d1:md11:ut_metadatai%dee13:metadata_sizei%dee", ours, len(info))); err != nil {
		return err
	}
	for {
		var length uint32
		if err := binary.Read(conn, binary.BigEndian, &length); err != nil {
			return err
		}
		message := make([]byte, length)
		if _, err := io.ReadFull(conn, message); err != nil {
			return err
		}
		if length < 2 || message[0] != extended || message[1] != ours {
			continue
		}
		var request struct {
			Piece int `bencode:"piece"`
		}
		if err := bencode.Unmarshal(message[2:], &request); err != nil {
			return err
		}
		begin := min(request.Piece*block, len(info))
		data := info[begin:min(begin+block, len(info))]
		if err := send(1, fmt.Sprintf("d8:msg_typei1e5:piecei%de10:total_sizei%dee%s", request.Piece, len(info), data)); err != nil {
			return err
		}
	}
}
