package peerwire

import (
	"context"
	"io"
	"net"
	"runtime"
	"testing"
	"time"
)

// BenchmarkServe sends blocks over loopback to a peer that only reads.
func BenchmarkServe(b *testing.B) {
	data := randomBytes(1 << 20)
	for name, c := range map[string]struct {
		policy DialEncryption
		source func() (BlockSource, error)
	}{
		"sendfile": {PlainOnly, fromFile(b, data)},
		"copied":   {PlainOnly, fromMemory(data)},
		"RC4":      {EncryptedOnly, fromFile(b, data)},
	} {
		b.Run(name, func(b *testing.B) {
			from, to := tcpPair(b)
			port := &Port{cfg: Config{}.withDefaults(), conns: make(map[*Conn]struct{})}
			accepted := make(chan *Conn, 1)
			go func() {
				conn, err := port.open(context.Background(), from, true, func(s *stream) (hello, error) {
					return s.answer(newSwitchboard(swarmA), [20]byte{'A'}, c.policy.choose)
				})
				if err != nil {
					b.Error(err)
				}
				accepted <- conn
			}()
			if _, err := newStream(to).greet(swarmA, [20]byte{'B'}, c.policy.attempts()[0]); err != nil {
				b.Fatal(err)
			}
			conn := <-accepted
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				io.Copy(struct{ io.Writer }{io.Discard}, to)
			}()
			sent := make(chan int, maxBlocks)
			b.SetBytes(BlockSize)
			b.ReportAllocs()
			queued := 0
			for b.Loop() {
				if queued == 100 {
					<-sent
					queued--
				}
				block := BlockRequest{Begin: BlockSize, Length: BlockSize, Source: c.source, Sent: func(n int) { sent <- n }}
				if err := conn.SendBlock(block); err != nil {
					b.Fatal(err)
				}
				queued++
			}
			conn.Close()
			<-conn.Done()
			to.Close()
			<-drained
		})
	}
}

// BenchmarkReceive reads blocks that come over loopback.
func BenchmarkReceive(b *testing.B) {
	for name, policy := range map[string]DialEncryption{"plaintext": PlainOnly, "RC4": EncryptedOnly} {
		b.Run(name, func(b *testing.B) {
			from, to := tcpPair(b)
			ready := make(chan *stream, 1)
			go func() {
				s := newStream(from)
				if _, err := s.answer(newSwitchboard(swarmA), [20]byte{'A'}, policy.choose); err != nil {
					b.Error(err)
				}
				ready <- s
			}()
			s := newStream(to)
			theirs, err := s.greet(swarmA, [20]byte{'B'}, policy.attempts()[0])
			if err != nil {
				b.Fatal(err)
			}
			conn := newConn(s, &socket{Conn: to}, theirs)
			sender := <-ready
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				data := make([]byte, BlockSize)
				for {
					if sender.write(appendPieceHeader(nil, 0, 0, BlockSize)) != nil || sender.write(data) != nil {
						return
					}
				}
			}()
			b.SetBytes(BlockSize)
			b.ReportAllocs()
			for b.Loop() {
				m, err := conn.Read()
				if err != nil {
					b.Fatal(err)
				}
				m.Recycle()
			}
			conn.Close()
			from.Close()
			<-sent
		})
	}
}

// BenchmarkIdleConnections reports what a connection costs that does nothing.
func BenchmarkIdleConnections(b *testing.B) {
	const connections = 1000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		conns := make([]*Conn, connections)
		for n := range conns {
			ours, _ := net.Pipe()
			sock := &socket{Conn: ours, idle: time.Minute}
			conns[n] = newConn(newStream(sock), sock, hello{bits: allBits})
			go conns[n].write()
			go conns[n].Read()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		used := after.HeapInuse + after.StackInuse - before.HeapInuse - before.StackInuse
		b.ReportMetric(float64(used)/connections, "B/conn")
		for _, c := range conns {
			c.Close()
			<-c.Done()
		}
	}
}
