package quota

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// arrival is a read that brought something.
type arrival struct {
	at time.Time
	n  int
}

// drain reads everything from c and notes when how much came.
func drain(c net.Conn) <-chan []arrival {
	result := make(chan []arrival, 1)
	go func() {
		var list []arrival
		buf := make([]byte, 256<<10)
		for {
			n, err := c.Read(buf)
			if n > 0 {
				list = append(list, arrival{time.Now(), n})
			}
			if err != nil {
				result <- list
				return
			}
		}
	}()
	return result
}

// most is the largest number of bytes that came within any span.
func most(list []arrival, span time.Duration) (largest int64) {
	var sum int64
	first := 0
	for _, a := range list {
		sum += int64(a.n)
		for a.at.Sub(list[first].at) >= span {
			sum -= int64(list[first].n)
			first++
		}
		largest = max(largest, sum)
	}
	return largest
}

func TestAnyTenSecondsStayWithinTheLimit(t *testing.T) {
	for _, limit := range []int64{4 << 10, 16 << 10, 625_000, 4 << 20, 20 << 20} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBandwidth(limit, Unlimited)
				// Three connections, of which one starts after a long silence.
				var results []<-chan []arrival
				for i := range 3 {
					here, there := net.Pipe()
					results = append(results, drain(there))
					c := b.Wrap(here)
					go func() {
						defer c.Close()
						time.Sleep(time.Duration(i) * 3 * time.Second)
						c.SetDeadline(time.Now().Add(15 * time.Second))
						block := make([]byte, 16<<10)
						for {
							if _, err := c.Write(block); err != nil {
								return
							}
						}
					}()
				}
				var all []arrival
				for _, r := range results {
					all = append(all, <-r...)
				}
				slices.SortStableFunc(all, func(a, b arrival) int { return a.at.Compare(b.at) })
				got, allowed := most(all, 10*time.Second), limit*10*105/100
				if got > allowed || got < limit*10*90/100 {
					t.Errorf("%d bytes in the busiest 10 s, want 90 %% to 105 %% of %d", got, limit*10)
				}
			})
		})
	}
}

func TestReadingHoldsThePeerBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 64 << 10
		b := NewBandwidth(Unlimited, limit)
		here, there := net.Pipe()
		c := b.Wrap(here)
		go func() {
			there.Write(make([]byte, 10*limit))
			there.Close()
		}()
		began := time.Now()
		n, err := io.Copy(io.Discard, struct{ io.Reader }{c})
		if n != 10*limit || err != nil {
			t.Fatalf("read %d bytes: %v", n, err)
		}
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("ten seconds' worth took %v", took)
		}
		c.Close()
	})
}

func TestNewLimitHoldsForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(0, Unlimited)
		here, there := net.Pipe()
		result := drain(there)
		c := b.Wrap(here)
		done := make(chan time.Time)
		go func() {
			c.Write(make([]byte, 1000))
			done <- time.Now()
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("a write passed a limit of nothing")
		default:
		}
		time.Sleep(time.Minute)
		raised := time.Now()
		b.SetLimits(1<<20, Unlimited)
		if waited := (<-done).Sub(raised); waited > 100*time.Millisecond {
			t.Errorf("the write went on %v after the limit was raised", waited)
		}
		b.SetLimits(1, Unlimited) // a byte per second: the next write takes for ever
		go func() {
			c.Write(make([]byte, 10_000))
			done <- time.Now()
		}()
		time.Sleep(time.Minute)
		raised = time.Now()
		b.SetLimits(Unlimited, Unlimited)
		if waited := (<-done).Sub(raised); waited > 100*time.Millisecond {
			t.Errorf("the write went on %v after the limit was lifted", waited)
		}
		c.Close()
		<-result
	})
}

func TestWaitForBandwidthEndsWithTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(0, 0)
		here, there := net.Pipe()
		defer there.Close()
		c := b.Wrap(here)
		failed := make(chan error)
		go func() {
			_, err := c.Write([]byte("x"))
			failed <- err
		}()
		synctest.Wait()
		c.Close()
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close the write failed with %v", err)
		}
	})
}

func TestWaitForBandwidthEndsAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(0, Unlimited)
		here, there := net.Pipe()
		defer there.Close()
		c := b.Wrap(here)
		defer c.Close()
		began := time.Now()
		c.SetWriteDeadline(began.Add(time.Hour))
		c.SetWriteDeadline(began.Add(3 * time.Second)) // the later call counts
		_, err := c.Write([]byte("x"))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("after %v: %v, want a timeout after 3 s", time.Since(began), err)
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%v is not a timeout as the net package has them", err)
		}
		// A new deadline makes the connection usable again.
		c.SetWriteDeadline(time.Now().Add(time.Hour))
		b.SetLimits(Unlimited, Unlimited)
		go there.Read(make([]byte, 10))
		if _, err := c.Write([]byte("x")); err != nil {
			t.Errorf("with a later deadline: %v", err)
		}
	})
}

func TestTotalsAndRatesTellWhatPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBandwidth(Unlimited, Unlimited)
		here, there := net.Pipe()
		result := drain(there)
		c := b.Wrap(here)
		for range 10 {
			c.Write(make([]byte, 1000))
			time.Sleep(time.Second)
		}
		if up, down := b.Totals(); up != 10_000 || down != 0 {
			t.Errorf("totals %d up, %d down; want 10000 and 0", up, down)
		}
		if up, _ := b.Rates(); up != 1000 {
			t.Errorf("rate %d, want 1000", up)
		}
		time.Sleep(time.Minute)
		if up, _ := b.Rates(); up != 0 {
			t.Errorf("rate %d after a minute of silence", up)
		}
		c.Close()
		<-result
	})
}

// TestFileGoesOutThroughTheLimit sends a file through the limits over real TCP: the
// connection below must be given the file itself.
func TestFileGoesOutThroughTheLimit(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	path := t.TempDir() + "/file"
	content := make([]byte, 300<<10)
	for i := range content {
		content[i] = byte(i * 7)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	received := make(chan []byte, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			received <- nil
			return
		}
		defer c.Close()
		all, _ := io.ReadAll(c)
		received <- all
	}()
	here, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	below := &seesFiles{TCPConn: here.(*net.TCPConn)}
	b := NewBandwidth(100<<20, Unlimited)
	c := b.Wrap(below)
	if n, err := io.CopyN(c, f, int64(len(content))); n != int64(len(content)) || err != nil {
		t.Fatalf("sent %d bytes: %v", n, err)
	}
	c.Close()
	if got := <-received; string(got) != string(content) {
		t.Errorf("received %d bytes that differ from the %d sent", len(got), len(content))
	}
	if !below.file {
		t.Error("the connection below did not see the file")
	}
	if up, _ := b.Totals(); up != int64(len(content)) {
		t.Errorf("%d bytes counted, want %d", up, len(content))
	}
}

// seesFiles notes whether it is asked to send from a file.
type seesFiles struct {
	*net.TCPConn
	file bool
}

func (s *seesFiles) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		_, s.file = l.R.(*os.File)
	}
	return s.TCPConn.ReadFrom(r)
}
