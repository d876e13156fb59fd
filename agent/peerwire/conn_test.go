package peerwire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pp "github.com/anacrolix/torrent/peer_protocol"
)

// peerReads decodes what a Conn has sent to the other end of a pipe. The type of the next n messages is returned.
func peerReads(t *testing.T, peer net.Conn, n int) (types []MessageType, messages []Message) {
	t.Helper()
	r := &wireReader{in: peer, fast: true, extended: true}
	for range n {
		m, err := r.next()
		if err != nil {
			t.Fatalf("after %v: %v", types, err)
		}
		types, messages = append(types, m.Type), append(messages, m)
	}
	return types, messages
}

func block(index uint32, source func() (BlockSource, error)) BlockRequest {
	return BlockRequest{Index: index, Length: BlockSize, Source: source}
}

func TestControlMessagesOvertakeQueuedBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, nil)
		data := fromMemory(make([]byte, BlockSize))
		for n := range uint32(3) {
			if err := c.SendBlock(block(n, data)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // the writer is in the middle of the first block
		for _, m := range []MessageType{Choke, Unchoke} {
			if err := c.Send(Message{Type: m}); err != nil {
				t.Fatal(err)
			}
		}
		if c.QueuedBlocks() != 2 {
			t.Errorf("%d blocks queued", c.QueuedBlocks())
		}
		types, messages := peerReads(t, peer, 5)
		if want := []MessageType{Piece, Choke, Unchoke, Piece, Piece}; !reflect.DeepEqual(types, want) {
			t.Errorf("%v", types)
		}
		if messages[0].Index != 0 || messages[3].Index != 1 || messages[4].Index != 2 {
			t.Error("blocks out of order")
		}
	})
}

func TestControlMessagesAreSentInOneWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var writes atomic.Int32
		gate := make(chan struct{})
		c, peer := pipeConn(t, allBits, func(nc net.Conn) net.Conn {
			return hookConn{Conn: nc, write: func() {
				<-gate
				writes.Add(1)
			}}
		})
		for range 100 {
			if err := c.Send(Message{Type: Have}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the first is being written, the others wait
		}
		close(gate)
		peerReads(t, peer, 100)
		if n := writes.Load(); n != 2 {
			t.Errorf("%d writes", n)
		}
	})
}

// hookConn does something before each write.
type hookConn struct {
	net.Conn
	write func()
}

func (c hookConn) Write(p []byte) (int, error) {
	c.write()
	return c.Conn.Write(p)
}

func TestKeepAliveIsSentAfterTwoMinutesOfSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, nil)
		start := time.Now()
		keepAlive := make([]byte, 4)
		for n := 1; n <= 3; n++ {
			if _, err := io.ReadFull(peer, keepAlive); err != nil || !bytes.Equal(keepAlive, make([]byte, 4)) {
				t.Fatalf("%x, %v", keepAlive, err)
			}
			if got, want := time.Since(start), time.Duration(n)*2*time.Minute; got != want {
				t.Errorf("after %v, want %v", got, want)
			}
		}
		// Anything else that is sent takes its place.
		timer := time.NewTimer(time.Minute)
		<-timer.C
		if err := c.Send(Message{Type: Choke}); err != nil {
			t.Fatal(err)
		}
		peerReads(t, peer, 1)
		start = time.Now()
		if _, err := io.ReadFull(peer, keepAlive); err != nil || time.Since(start) != 2*time.Minute {
			t.Errorf("after %v, %v", time.Since(start), err)
		}
	})
}

func TestSilentPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, nil)
		go io.Copy(io.Discard, peer)
		start := time.Now()
		if _, err := c.Read(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != defaultIdleTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestPeerThatSendsSlowlyIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, nil)
		go io.Copy(io.Discard, peer)
		go func() {
			every := time.NewTicker(time.Minute)
			defer every.Stop()
			for _, b := range wire(pp.Message{Type: pp.Request, Length: 5}) {
				<-every.C
				peer.Write([]byte{b})
			}
		}()
		if m, err := c.Read(); err != nil || m.Type != Request {
			t.Errorf("%+v, %v", m, err)
		}
	})
}

func TestPeerThatTakesNothingIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pipeConn(t, allBits, nil)
		start := time.Now()
		if err := c.Send(Message{Type: Choke}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != stallTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := c.Send(Message{Type: Choke}); !errors.Is(err, ErrClosed) {
			t.Errorf("Send afterwards: %v", err)
		}
	})
}

func TestWaitingForBandwidthIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, func(nc net.Conn) net.Conn {
			return hookConn{Conn: nc, write: func() {
				timer := time.NewTimer(time.Hour)
				<-timer.C
			}}
		})
		start := time.Now()
		if err := c.Send(Message{Type: Unchoke}); err != nil {
			t.Fatal(err)
		}
		if types, _ := peerReads(t, peer, 1); types[0] != Unchoke || time.Since(start) != time.Hour {
			t.Errorf("%v after %v", types, time.Since(start))
		}
	})
}

func TestQueuesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pipeConn(t, allBits, nil)
		if err := c.Send(Message{Type: Choke}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the writer has taken it, and waits for the peer
		for n := range maxControls {
			if err := c.Send(Message{Type: Have, Index: uint32(n)}); err != nil {
				t.Fatalf("message %d: %v", n, err)
			}
		}
		if err := c.Send(Message{Type: Have}); !errors.Is(err, ErrQueueFull) {
			t.Errorf("one message too many: %v", err)
		}
		source := fromMemory(nil)
		for n := range maxBlocks {
			if err := c.SendBlock(block(uint32(n), source)); err != nil {
				t.Fatalf("block %d: %v", n, err)
			}
		}
		if err := c.SendBlock(block(0, source)); !errors.Is(err, ErrQueueFull) {
			t.Errorf("one block too many: %v", err)
		}

		c, _ = pipeConn(t, allBits, nil)
		large := make([]byte, 100<<10)
		c.peer.M = map[string]uint8{ExtensionList: 1}
		for n := 0; ; n++ {
			if err := c.SendExtended(ExtensionList, large); errors.Is(err, ErrQueueFull) {
				if n != 3 { // one with the writer, two in the queue
					t.Errorf("full after %d messages", n)
				}
				break
			} else if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
	})
}

func TestSourceIsOpenedWhenItsTurnComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, nil)
		var open, closed atomic.Int32
		source := func() (BlockSource, error) {
			open.Add(1)
			return &closingSource{memorySource{bytes.NewReader(make([]byte, BlockSize))}, &closed}, nil
		}
		for n := range uint32(10) {
			if err := c.SendBlock(block(n, source)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if open.Load() != 1 || closed.Load() != 0 {
			t.Errorf("%d opened, %d closed", open.Load(), closed.Load())
		}
		peerReads(t, peer, 10)
		synctest.Wait()
		if open.Load() != 10 || closed.Load() != 10 {
			t.Errorf("%d opened, %d closed", open.Load(), closed.Load())
		}
	})
}

type closingSource struct {
	memorySource
	closed *atomic.Int32
}

func (s *closingSource) Close() error {
	s.closed.Add(1)
	return nil
}

func TestCancelledBlocksAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, nil)
		source := fromMemory(make([]byte, BlockSize))
		for n := range uint32(5) {
			if err := c.SendBlock(block(n, source)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if c.CancelBlock(0, 0, BlockSize) {
			t.Error("a block on its way was cancelled")
		}
		if c.CancelBlock(2, 0, 1) || c.CancelBlock(9, 0, BlockSize) {
			t.Error("a block that is not there was cancelled")
		}
		if !c.CancelBlock(2, 0, BlockSize) || c.CancelBlock(2, 0, BlockSize) {
			t.Error("a queued block was not cancelled once")
		}
		_, messages := peerReads(t, peer, 4)
		for n, index := range []uint32{0, 1, 3, 4} {
			if messages[n].Index != index {
				t.Errorf("block %d instead of %d", messages[n].Index, index)
			}
		}
	})
}

func TestDroppedBlocksAreHandedBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, nil)
		source := fromMemory(make([]byte, BlockSize))
		for n := range uint32(4) {
			if err := c.SendBlock(block(n, source)); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		dropped := c.DropBlocks()
		if len(dropped) != 3 || dropped[0].Index != 1 || dropped[2].Index != 3 || c.QueuedBlocks() != 0 {
			t.Errorf("%d dropped, %d queued", len(dropped), c.QueuedBlocks())
		}
		if err := c.Send(Message{Type: Choke}); err != nil {
			t.Fatal(err)
		}
		if types, _ := peerReads(t, peer, 2); !reflect.DeepEqual(types, []MessageType{Piece, Choke}) {
			t.Errorf("%v", types)
		}
	})
}

func TestPostponedMessagesTakeNoMemoryBeforeTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, nil)
		c.peer.M = map[string]uint8{ExtensionMetadata: 1}
		var made atomic.Int64
		later := func() error {
			return c.SendExtendedLater(ExtensionMetadata, func() []byte { made.Add(1); return make([]byte, MetadataPiece) })
		}
		for n := range maxBlocks {
			if err := later(); err != nil {
				t.Fatalf("message %d: %v", n, err)
			}
		}
		synctest.Wait()
		if err := later(); err != nil { // in place of the one that is with the writer
			t.Fatal(err)
		}
		if err := later(); !errors.Is(err, ErrQueueFull) {
			t.Errorf("one too many: %v", err)
		}
		if n := made.Load(); n != 1 {
			t.Errorf("%d were made before the peer read anything", n)
		}
		if c.CancelBlock(0, 0, 0) || len(c.DropBlocks()) != 0 {
			t.Error("they went with the blocks")
		}
		if err := c.Send(Message{Type: Choke}); err != nil {
			t.Fatal(err)
		}
		types, _ := peerReads(t, peer, 3)
		if !reflect.DeepEqual(types, []MessageType{Extended, Choke, Extended}) || made.Load() > 3 {
			t.Errorf("the peer got %v, and %d were made", types, made.Load())
		}
	})
}

var errGone = errors.New("fragment is gone")

// badSources fail before anything is sent.
func badSources(t *testing.T) map[string]func() (BlockSource, error) {
	path := filepath.Join(t.TempDir(), "closed")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]func() (BlockSource, error){
		"gone":      func() (BlockSource, error) { return nil, errGone },
		"too short": fromMemory(make([]byte, BlockSize-1)),
		"closed": func() (BlockSource, error) {
			file, err := os.Open(path)
			if err == nil {
				err = file.Close()
			}
			return fileSource{file}, err
		},
	}
}

func TestUnreadableBlockIsRejected(t *testing.T) {
	for name, source := range badSources(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := pipeConn(t, allBits, nil)
				bad := BlockRequest{Index: 7, Begin: 5, Length: BlockSize - 5, Source: source, Sent: func(int) { t.Error("told that it was sent") }}
				if name == "too short" {
					bad.Length = BlockSize
				}
				if err := c.SendBlock(bad); err != nil {
					t.Fatal(err)
				}
				if err := c.SendBlock(block(8, fromMemory(make([]byte, BlockSize)))); err != nil {
					t.Fatal(err)
				}
				_, messages := peerReads(t, peer, 2)
				if m := messages[0]; m.Type != Reject || m.Index != 7 || m.Begin != 5 || m.Length != bad.Length {
					t.Errorf("%+v", m)
				}
				if m := messages[1]; m.Type != Piece || m.Index != 8 {
					t.Errorf("then %v %d", m.Type, m.Index)
				}
			})
		})
	}
}

func TestUnreadableBlockClosesAConnectionThatCannotReject(t *testing.T) {
	for name, source := range badSources(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := pipeConn(t, noBits, nil)
				if err := c.SendBlock(block(7, source)); err != nil {
					t.Fatal(err)
				}
				if n, err := peer.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("the peer got %d bytes, %v", n, err)
				}
				if _, err := c.Read(); !errors.Is(err, errSource) || errors.Is(err, io.EOF) {
					t.Errorf("we got %v", err)
				}
			})
		})
	}
}

func TestBlockThatEndsEarlyClosesTheConnection(t *testing.T) {
	// Its header has been sent by then, so nothing else could follow.
	for name, c := range map[string]struct {
		source func() (BlockSource, error)
		length uint32
	}{
		"file":   {fromFile(t, make([]byte, BlockSize-1)), BlockSize},
		"memory": {fromMemory(make([]byte, 2*BlockSize-1)), 2 * BlockSize},
	} {
		t.Run(name, func(t *testing.T) {
			dialled, accepted := connect(t, Config{}, Config{})
			if err := accepted.SendBlock(BlockRequest{Length: c.length, Source: c.source}); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(dialled.stream)
			if err != nil || len(got) >= pieceHeader+int(c.length) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			within(t, accepted.Done())
			if _, err := accepted.Read(); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("Read: %v", err)
			}
		})
	}
}

func TestFilesAreHandedToTheKernel(t *testing.T) {
	// TCP knows how to send a file only in this very form.
	received := make(chan int64, 2)
	wrap := func(nc net.Conn) net.Conn { return kernelConn{nc, received} }
	dialled, accepted := connect(t, Config{}, Config{Wrap: wrap})
	data := randomBytes(2 * BlockSize)
	if err := accepted.SendBlock(BlockRequest{Begin: 100, Length: BlockSize, Source: fromFile(t, data)}); err != nil {
		t.Fatal(err)
	}
	if m := readMessage(t, dialled); !bytes.Equal(m.Block, data[100:100+BlockSize]) {
		t.Error("block garbled")
	}
	if n := within(t, received); n != BlockSize {
		t.Errorf("%d bytes of a file", n)
	}
}

// kernelConn reports the files that it gets.
type kernelConn struct {
	net.Conn
	received chan int64
}

func (c kernelConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if _, ok := limited.R.(*os.File); ok {
			c.received <- limited.N
		}
	}
	return c.Conn.(io.ReaderFrom).ReadFrom(r)
}

func TestWhatCannotBeSentIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, noBits, nil)
		for _, m := range []MessageType{Piece, Extended, ExtensionHandshake, 99} {
			if err := c.Send(Message{Type: m}); err == nil {
				t.Errorf("%v was sent", m)
			}
		}
		source := fromMemory(nil)
		for _, b := range []BlockRequest{
			{Length: 1}, {Source: source}, {Length: MaxRequest + 1, Source: source}, {Index: MaxPieces, Length: 1, Source: source},
			{Begin: MaxPieceLength, Length: 1, Source: source},
		} {
			if err := c.SendBlock(b); err == nil {
				t.Errorf("block %+v was sent", b)
			}
		}
		if err := c.SendExtensionHandshake(Extensions{}); !errors.Is(err, ErrNotSupported) {
			t.Errorf("extension handshake: %v", err)
		}
		if err := c.SendExtended(ExtensionList, nil); !errors.Is(err, ErrNotSupported) {
			t.Errorf("extension: %v", err)
		}
		if err := c.Send(Message{Type: Choke}); err != nil {
			t.Error(err)
		}
		if types, _ := peerReads(t, peer, 1); types[0] != Choke {
			t.Errorf("the peer got %v", types)
		}
	})
}

func TestExtensionHandshakeSaysWhoWeAre(t *testing.T) {
	dialled, accepted := connect(t, Config{Client: "ebb 0.1.0"}, Config{})
	if err := dialled.SendExtensionHandshake(Extensions{MetadataSize: 123, UploadOnly: true}); err != nil {
		t.Fatal(err)
	}
	m := readMessage(t, accepted)
	want := Extensions{
		M: map[string]uint8{"ut_metadata": 1, "ut_pex": 2, "ebb_list": 3, "lt_donthave": 4}, V: "ebb 0.1.0", Reqq: maxBlocks,
		MetadataSize: 123, Port: dialled.listenPort, UploadOnly: true, YourIP: dialled.RemoteAddr().Addr(),
	}
	if m.Type != ExtensionHandshake || !reflect.DeepEqual(*m.Extensions, want) || !reflect.DeepEqual(accepted.Peer(), want) {
		t.Errorf("%+v, want %+v", m.Extensions, want)
	}
	if dialled.listenPort == 0 {
		t.Error("no listening port")
	}
}

func TestExtensionsCanBeOfferedSelectively(t *testing.T) {
	dialled, accepted := connect(t, Config{}, Config{})
	if err := accepted.SendExtended(ExtensionList, nil); !errors.Is(err, ErrNotSupported) {
		t.Errorf("before the handshake: %v", err)
	}
	if err := dialled.SendExtensionHandshake(Extensions{M: map[string]uint8{ExtensionList: 77, "unknown": 9}}); err != nil {
		t.Fatal(err)
	}
	readMessage(t, accepted)
	if want := map[string]uint8{ExtensionList: 3}; !reflect.DeepEqual(accepted.Peer().M, want) {
		t.Errorf("offered %v", accepted.Peer().M)
	}
	if err := accepted.SendExtended(ExtensionMetadata, nil); !errors.Is(err, ErrNotSupported) {
		t.Errorf("what was not offered: %v", err)
	}
	if err := accepted.SendExtended(ExtensionList, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if m := readMessage(t, dialled); m.Name != ExtensionList || string(m.Payload) != "hello" {
		t.Errorf("%+v", m)
	}
}

func TestPeerThatHangsUpIsACleanEnd(t *testing.T) {
	dialled, accepted := connect(t, Config{}, Config{})
	dialled.Close()
	if err := readError(t, accepted); err != io.EOF {
		t.Errorf("%v", err)
	}
}

func TestCloseEndsReadingAndSending(t *testing.T) {
	dialled, accepted := connect(t, Config{}, Config{})
	read := make(chan error, 1)
	go func() {
		_, err := dialled.Read()
		read <- err
	}()
	for range 2 {
		if err := dialled.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := within(t, read); !errors.Is(err, ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	within(t, dialled.Done())
	if err := dialled.Send(Message{Type: Choke}); !errors.Is(err, ErrClosed) {
		t.Errorf("Send: %v", err)
	}
	if err := dialled.SendBlock(block(0, fromMemory(nil))); !errors.Is(err, ErrClosed) {
		t.Errorf("SendBlock: %v", err)
	}
	if err := dialled.Flush(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Flush: %v", err)
	}
	if dialled.DropBlocks() != nil || dialled.CancelBlock(0, 0, 1) {
		t.Error("blocks are left")
	}
	accepted.Close()
}

func TestFlushWaitsUntilEverythingIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, nil)
		if err := c.Flush(t.Context()); err != nil {
			t.Errorf("nothing to write: %v", err)
		}
		if err := c.SendBlock(block(1, fromMemory(make([]byte, BlockSize)))); err != nil {
			t.Fatal(err)
		}
		if err := c.Send(Message{Type: Choke}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the peer has read nothing: %v", err)
		}
		flushed := make(chan error, 1)
		go func() { flushed <- c.Flush(t.Context()) }()
		types, _ := peerReads(t, peer, 1)
		synctest.Wait()
		if len(flushed) != 0 {
			t.Errorf("flushed after %v", types)
		}
		peerReads(t, peer, 1)
		if err := <-flushed; err != nil {
			t.Error(err)
		}

		if err := c.Send(Message{Type: Choke}); err != nil {
			t.Fatal(err)
		}
		go func() { flushed <- c.Flush(t.Context()) }()
		synctest.Wait()
		c.Close()
		if err := <-flushed; !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

func TestProtocolErrorsReachTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pipeConn(t, allBits, nil)
		go peer.Write(raw(byte(pp.Choke), 1))
		if _, err := c.Read(); !errors.Is(err, ErrProtocol) {
			t.Errorf("%v", err)
		}
	})
}
