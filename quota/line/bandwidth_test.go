package line

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ebb/quota/line/govern"
)

// wire is a connection that takes and gives whatever it is asked for, at once, and remembers what went out and when.
type wire struct {
	net.Conn // nil: what is not overridden must not be called
	mu       sync.Mutex
	passed   []passage
	given    byte
	largest  int
	closed   bool
	sources  []io.Reader // what ReadFrom was given
}

type passage struct {
	at time.Time
	n  int
}

func (w *wire) note(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed = append(w.passed, passage{time.Now(), n})
}

func (w *wire) Write(p []byte) (int, error) {
	w.note(len(p))
	return len(p), nil
}

// Read gives as many bytes as are asked for, each by one larger than the one before, as far as anybody looks at them.
func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.largest = max(w.largest, len(p))
	for i := range p[:min(len(p), 4*kib)] {
		p[i] = w.given
		w.given++
	}
	return len(p), nil
}

func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
func (w *wire) Close() error                     { w.closed = true; return nil }

// fileWire is a wire that can copy by itself.
type fileWire struct{ wire }

func (w *fileWire) ReadFrom(r io.Reader) (int64, error) {
	w.mu.Lock()
	w.sources = append(w.sources, r)
	w.mu.Unlock()
	n, err := io.Copy(io.Discard, r)
	w.note(int(n))
	return n, err
}

// busiest returns the most that passed in any window of that length.
func busiest(passed []passage, window time.Duration) (most int64) {
	var sum int64
	first := 0
	for _, p := range passed {
		sum += int64(p.n)
		for p.at.Sub(passed[first].at) >= window {
			sum -= int64(passed[first].n)
			first++
		}
		most = max(most, sum)
	}
	return most
}

func total(passed []passage) (sum int64) {
	for _, p := range passed {
		sum += int64(p.n)
	}
	return sum
}

var rates = []int64{16 * kib, 100 * kib, mib, 10 * mib, 100 * mib}

func TestAnyTenSecondsOfWritingStayWithinTheLimit(t *testing.T) {
	for _, limit := range rates {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBandwidth(limit, 0)
				all := &fileWire{}
				began := time.Now()
				var writers sync.WaitGroup
				// Small messages, blocks and files, all at once, with a rest in between in which the bucket fills.
				for _, size := range []int{17, 13 + 16*kib, 16 * kib} {
					writers.Go(func() {
						c, block, rested := b.Wrap(all), make([]byte, size), false
						for time.Since(began) < 25*time.Second {
							if !rested && time.Since(began) > 11*time.Second {
								rested = true
								<-time.After(3 * time.Second)
							}
							if _, err := c.Write(block); err != nil {
								t.Error(err)
							}
							if _, err := c.(io.ReaderFrom).ReadFrom(io.LimitReader(zeros{}, int64(size))); err != nil {
								t.Error(err)
							}
						}
					})
				}
				writers.Wait()
				if most := busiest(all.passed, 10*time.Second); most > limit*10*105/100 {
					t.Errorf("%d bytes passed within 10 s, %.1f %% of the limit", most, float64(most)/float64(limit)*10)
				}
				if sum, want := total(all.passed), 22*limit*95/100; sum < want {
					t.Errorf("%d bytes passed in all, less than %d: the limit is not used", sum, want)
				}
				if up, _ := b.Totals(); up != total(all.passed) {
					t.Errorf("Totals = %d, passed were %d", up, total(all.passed))
				}
			})
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestAnyTenSecondsOfReadingStayWithinTheLimit(t *testing.T) {
	for _, limit := range rates {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBandwidth(0, limit)
				var all wire // notes what is handed over
				began := time.Now()
				var readers sync.WaitGroup
				for _, size := range []int{17, 16 * kib, mib} {
					readers.Go(func() {
						c := b.Wrap(&wire{})
						p := make([]byte, size)
						for time.Since(began) < 22*time.Second {
							n, err := c.Read(p)
							if err != nil {
								t.Error(err)
							}
							all.note(n)
						}
					})
				}
				readers.Wait()
				if most := busiest(all.passed, 10*time.Second); most > limit*10*105/100 {
					t.Errorf("%d bytes passed within 10 s, %.1f %% of the limit", most, float64(most)/float64(limit)*10)
				}
				if sum, want := total(all.passed), 22*limit*95/100; sum < want {
					t.Errorf("%d bytes passed in all, less than %d: the limit is not used", sum, want)
				}
			})
		})
	}
}

func TestConnectionsShareTheLimitEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(mib, 0)
		wires := make([]wire, 20)
		began := time.Now()
		var writers sync.WaitGroup
		for i := range wires {
			writers.Go(func() {
				c := b.Wrap(&wires[i])
				for time.Since(began) < 20*time.Second {
					if _, err := c.Write(make([]byte, 64*kib)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writers.Wait()
		for i := range wires {
			if got := total(wires[i].passed); got < mib*9/10 || got > mib*12/10 {
				t.Errorf("connection %d got %d of its %d", i, got, mib)
			}
		}
	})
}

func TestUnlimitedDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(Unlimited, Unlimited)
		c := b.Wrap(&wire{})
		began := time.Now()
		for range 1000 {
			if _, err := c.Write(make([]byte, mib)); err != nil {
				t.Error(err)
			}
			if _, err := c.Read(make([]byte, mib)); err != nil {
				t.Error(err)
			}
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestNewLimitsReachWhoWaitsAtOnce(t *testing.T) {
	for _, before := range []int64{0, 1, 16 * kib} {
		synctest.Test(t, func(t *testing.T) {
			b := NewBandwidth(before, before)
			var waiting sync.WaitGroup
			for range 10 { // one has the turn, the others queue for it
				c := b.Wrap(&wire{})
				waiting.Go(func() {
					if _, err := c.Write(make([]byte, 64*kib)); err != nil {
						t.Error(err)
					}
				})
				waiting.Go(func() {
					if _, err := io.ReadFull(c, make([]byte, 64*kib)); err != nil {
						t.Error(err)
					}
				})
			}
			<-time.After(300 * time.Millisecond)
			began := time.Now()
			b.SetLimits(100*mib, 100*mib)
			if up, down := b.Limits(); up != 100*mib || down != 100*mib {
				t.Errorf("Limits = %d, %d", up, down)
			}
			waiting.Wait()
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("from %d to 100 MiB/s: what waited took another %v", before, took)
			}
		})
	}
}

func TestALoweredLimitHoldsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(100*mib, 100*mib)
		var written, read wire
		began := time.Now()
		var busy sync.WaitGroup
		for range 5 {
			c := b.Wrap(&written)
			busy.Go(func() {
				for time.Since(began) < 20*time.Second {
					if _, err := c.Write(make([]byte, 128*kib)); err != nil {
						t.Error(err)
					}
				}
			})
			busy.Go(func() {
				p := make([]byte, mib)
				for time.Since(began) < 20*time.Second {
					n, err := c.Read(p)
					if err != nil {
						t.Error(err)
					}
					read.note(n)
				}
			})
		}
		<-time.After(time.Second)
		b.SetLimits(16*kib, 16*kib)
		lowered := time.Now()
		busy.Wait()
		for name, w := range map[string]*wire{"written": &written, "read": &read} {
			var after int64
			for _, p := range w.passed {
				if p.at.After(lowered) {
					after += int64(p.n)
				}
			}
			took := int64(time.Since(lowered) / time.Second)
			if most := 16*kib*(took+1)*105/100 + 5*1638; after > most || after == 0 {
				t.Errorf("%d bytes were %s in %d s at 16 KiB/s", after, name, took)
			}
		}
	})
}

func TestWithALimitOfZeroNothingPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(0, 0)
		inner := &wire{}
		c := b.Wrap(inner)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			if n, err := c.Write(make([]byte, 10)); n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write = %d, %v", n, err)
			}
		})
		waiting.Go(func() {
			if n, err := c.Read(make([]byte, 10)); n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read = %d, %v", n, err)
			}
		})
		<-time.After(24 * time.Hour)
		if len(inner.passed) > 0 || inner.given > 0 {
			t.Error("something passed")
		}
		must(t, c.Close())
		waiting.Wait()
	})
}

// waits are the states in which a read or write may be when it has to end.
var waits = map[string]struct{ limit, busy int64 }{
	"at zero":           {limit: 0},
	"at a slow rate":    {limit: 1},
	"queueing for turn": {limit: 1, busy: 3},
}

func TestCloseEndsWhatWaits(t *testing.T) {
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBandwidth(wait.limit, wait.limit)
				c := b.Wrap(&fileWire{})
				others, stopOthers := keepBusy(b, int(wait.busy))
				var waiting sync.WaitGroup
				for what, call := range calls(c) {
					waiting.Go(func() {
						if err := call(); !errors.Is(err, net.ErrClosed) {
							t.Errorf("%s: %v", what, err)
						}
					})
				}
				<-time.After(10 * time.Second)
				began := time.Now()
				must(t, c.Close())
				waiting.Wait()
				if took := time.Since(began); took != 0 {
					t.Errorf("it took %v", took)
				}
				stopOthers()
				others.Wait()
			})
		})
	}
}

func TestDeadlinesEndWhatWaits(t *testing.T) {
	for name, wait := range waits {
		for _, when := range []string{"set before", "set while waiting", "moved while waiting", "already over"} {
			t.Run(name+", "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := NewBandwidth(wait.limit, wait.limit)
					c := b.Wrap(&fileWire{})
					others, stopOthers := keepBusy(b, int(wait.busy))
					<-time.After(time.Second)
					due := time.Now().Add(5 * time.Second)
					switch when {
					case "set before":
						must(t, c.SetDeadline(due))
					case "moved while waiting":
						must(t, c.SetDeadline(due.Add(time.Hour)))
					}
					var waiting sync.WaitGroup
					for what, call := range calls(c) {
						waiting.Go(func() {
							if err := call(); !errors.Is(err, os.ErrDeadlineExceeded) {
								t.Errorf("%s: %v", what, err)
							}
							if !time.Now().Equal(due) {
								t.Errorf("%s ended %v after the deadline", what, time.Since(due))
							}
						})
					}
					<-time.After(2 * time.Second)
					switch when {
					case "set while waiting", "moved while waiting":
						must(t, c.SetDeadline(due))
					case "already over":
						due = time.Now()
						must(t, c.SetDeadline(due.Add(-time.Hour)))
					}
					waiting.Wait()
					stopOthers()
					others.Wait()
				})
			})
		}
	}
}

// calls are what waits in a direction each; a read needs more than what passes at once.
func calls(c net.Conn) map[string]func() error {
	return map[string]func() error{
		"Read":  func() error { _, err := io.ReadFull(c, make([]byte, 16*kib)); return err },
		"Write": func() error { _, err := c.Write(make([]byte, 16*kib)); return err },
	}
}

// keepBusy lets n other connections queue in both directions.
func keepBusy(b *Bandwidth, n int) (others *sync.WaitGroup, stop func()) {
	others = new(sync.WaitGroup)
	var conns []net.Conn
	for range n {
		c := b.Wrap(&wire{})
		conns = append(conns, c)
		for _, call := range calls(c) {
			others.Go(func() {
				for call() == nil {
				}
			})
		}
	}
	return others, func() {
		for _, c := range conns {
			c.Close()
		}
	}
}

func TestADeadlineInTheMiddleOfAReadLosesNoByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(0, 16*kib)
		c := b.Wrap(&wire{})
		next := byte(0)
		p := make([]byte, 64*kib)
		timeouts := 0
		for i := range 2000 {
			must(t, c.SetReadDeadline(time.Now().Add(7*time.Millisecond)))
			n, err := c.Read(p[:1+i*37%3000])
			for _, got := range p[:n] {
				if got != next {
					t.Fatalf("got %d where %d should come", got, next)
				}
				next++
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				timeouts++
			} else {
				must(t, err)
			}
		}
		if _, down := b.Totals(); timeouts < 100 || down < 100*kib {
			t.Errorf("%d deadlines passed and %d bytes: this test shows little", timeouts, down)
		}
	})
}

func TestReadingAsksForNoMoreThanMayPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &wire{}
		c := NewBandwidth(0, 16*kib).Wrap(inner)
		if _, err := io.ReadFull(c, make([]byte, 200*kib)); err != nil {
			t.Error(err)
		}
		if inner.largest > govern.SmallestGrant {
			t.Errorf("%d bytes were asked for at once, at 16 KiB/s", inner.largest)
		}
	})
}

func TestFilesAreHandedDownForSendfile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "fragment"))
	must(t, err)
	defer f.Close()
	must(t, f.Truncate(mib))
	synctest.Test(t, func(t *testing.T) {
		inner := &fileWire{}
		c := NewBandwidth(mib, 0).Wrap(inner)
		if n, err := io.Copy(c, io.LimitReader(f, 300*kib)); n != 300*kib || err != nil {
			t.Errorf("Copy = %d, %v", n, err)
		}
		for _, source := range inner.sources {
			limited, ok := source.(*io.LimitedReader)
			if !ok {
				t.Fatalf("the connection inside was given a %T", source)
			}
			if limited.R != io.Reader(f) {
				t.Fatalf("the connection inside was given a limited %T", limited.R)
			}
		}
		if n, err := io.Copy(c, bytes.NewBufferString("short")); n != 5 || err != nil {
			t.Errorf("Copy of something else = %d, %v", n, err)
		}
	})
}

func TestReadFromKeepsCountInTheLimitedReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, inner := range []net.Conn{&wire{}, &fileWire{}} {
			c := NewBandwidth(mib, 0).Wrap(inner)
			limited := io.LimitedReader{R: bytes.NewReader(make([]byte, 200*kib)), N: 150 * kib}
			if n, err := c.(io.ReaderFrom).ReadFrom(&limited); n != 150*kib || err != nil || limited.N != 0 {
				t.Errorf("ReadFrom = %d, %v; left %d", n, err, limited.N)
			}
			limited.N = 100 * kib
			if n, err := c.(io.ReaderFrom).ReadFrom(&limited); n != 50*kib || err != nil || limited.N != 50*kib {
				t.Errorf("ReadFrom of what ends = %d, %v; left %d", n, err, limited.N)
			}
		}
	})
}

func TestRatesAreOfTheLastFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(100*kib, 50*kib)
		c := b.Wrap(&wire{})
		if up, down := b.Rates(); up != 0 || down != 0 {
			t.Errorf("before anything passed: %d, %d", up, down)
		}
		if _, err := c.Write(make([]byte, mib)); err != nil {
			t.Error(err)
		}
		if up, down := b.Rates(); up < 90*kib || up > 110*kib || down != 0 {
			t.Errorf("after 10 s at 100 KiB/s: %d, %d", up, down)
		}
		if _, err := io.ReadFull(c, make([]byte, 200*kib)); err != nil {
			t.Error(err)
		}
		if up, down := b.Rates(); up >= 50*kib || down < 30*kib || down > 55*kib {
			t.Errorf("after another 4 s of reading at 50 KiB/s: %d, %d", up, down)
		}
		<-time.After(6 * time.Second)
		if up, down := b.Rates(); up != 0 || down != 0 {
			t.Errorf("after a rest: %d, %d", up, down)
		}
		if up, down := b.Totals(); up != mib || down != 200*kib {
			t.Errorf("Totals = %d, %d", up, down)
		}
	})
}

// On a real connection: a sender that is not read from stands still, and content comes through.
func TestPeersFeelBackpressureAndContentComesThrough(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	accepted, err := listener.Accept()
	must(t, err)
	must(t, accepted.(*net.TCPConn).SetReadBuffer(64*kib))

	up, down := NewBandwidth(Unlimited, 0), NewBandwidth(0, 0)
	sender, receiver := up.Wrap(dialled), down.Wrap(accepted)
	defer sender.Close()
	defer receiver.Close()
	if inner := sender.(interface{ NetConn() net.Conn }).NetConn(); inner != dialled {
		t.Errorf("NetConn = %v", inner)
	}

	content := make([]byte, 16*mib)
	_, _ = rand.Read(content) // never fails
	path := filepath.Join(t.TempDir(), "fragment")
	must(t, os.WriteFile(path, content, 0o600))
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()

	must(t, sender.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
	sent, err := io.Copy(sender, io.LimitReader(file, 16*mib))
	if !errors.Is(err, os.ErrDeadlineExceeded) || sent >= 16*mib {
		t.Errorf("sending to a peer that may not read: %d bytes, %v", sent, err)
	}
	if _, received := down.Totals(); received != 0 {
		t.Errorf("%d bytes were received", received)
	}

	down.SetLimits(0, Unlimited)
	must(t, sender.SetWriteDeadline(time.Now().Add(time.Minute)))
	must(t, receiver.SetReadDeadline(time.Now().Add(time.Minute)))
	done := make(chan error)
	go func() {
		if _, err := file.Seek(sent, io.SeekStart); err != nil {
			done <- err
			return
		}
		_, err := io.Copy(sender, io.LimitReader(file, 16*mib))
		done <- errors.Join(err, sender.Close())
	}()
	got, err := io.ReadAll(receiver)
	must(t, err)
	must(t, <-done)
	if !bytes.Equal(got, content) {
		t.Errorf("%d bytes came through, and not the %d that were sent", len(got), len(content))
	}
}

func TestTheOwnersConnectionsHaveLimitsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(0, 0)
		greet := func(own bool) net.Conn {
			w := &wire{}
			c := b.Wrap(w).(*conn)
			settle := c.Greet()
			if _, err := c.Write(make([]byte, 68)); err != nil { // a handshake
				t.Fatal(err)
			}
			settle(own)
			return c
		}
		theirs := greet(true)
		if _, err := theirs.Write(make([]byte, 1<<20)); err != nil {
			t.Error(err)
		}
		if up, _ := b.Totals(); up != 0 {
			t.Errorf("the owner's %d bytes count as the background's", up)
		}
		began := time.Now()
		b.SetOwnLimits(1<<20, Unlimited)
		if _, err := theirs.Write(make([]byte, 4<<20)); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 3*time.Second || took > 5*time.Second {
			t.Errorf("4 MiB at 1 MiB/s took %v", took)
		}
		ours := greet(false)
		if up, _ := b.Totals(); up != 68 {
			t.Errorf("the handshake of a background connection counts as %d bytes", up)
		}
		if err := ours.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if n, err := ours.Write(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes passed a limit of 0", n)
		}
	})
}
