package fragstore

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Parts that the test binary plays when it runs itself.
const (
	roleVariable  = "EBB_FRAGSTORE_TEST_ROLE"
	stateVariable = "EBB_FRAGSTORE_TEST_STATE"

	holder  = "hold"   // has the store open until its standard input ends
	churner = "churn"  // puts and deletes until it is killed
	weigher = "weigh"  // says how much memory the open store takes
	refused = "refuse" // may not write long files
)

// kills are dealt to stores of their own, several at a time: most of a life is spent waiting for a process to start.
const (
	kills      = 200
	killStores = 5
)

func act(role, state string) int {
	before := resident()
	s, err := Open(filepath.Join(state, "fragments"), filepath.Join(state, "fragments.db"), Options{Log: quiet})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println("ready")
	switch role {
	case holder:
		_, err = io.Copy(io.Discard, os.Stdin)
	case weigher:
		fmt.Println(resident() - before)
		runtime.KeepAlive(s)
	case refused:
		err = refuse(s)
	case churner:
		go func() { // should the test end without killing us
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
		err = churn(s, state)
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// resident returns what the process has in memory, in bytes, when all that is not needed was given back; 0 where /proc
// does not say.
func resident() (bytes int64) {
	runtime.GC()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if n, err := fmt.Sscanf(line, "VmRSS: %d kB", &bytes); n == 1 && err == nil {
			return bytes << 10
		}
	}
	return 0
}

// The budget: 24 MB for 100,000 fragments in 10,000 swarms.
func BenchmarkMemory100000(b *testing.B) {
	state := memoryDir(b)
	plant(b, state, 10000, 10, 16<<10)
	grown := int64(0)
	for b.Loop() {
		grown = weigh(b, state)
	}
	b.ReportMetric(float64(grown)/1e6, "rss-MB")
	if grown > 24e6 {
		b.Errorf("100,000 fragments take %d bytes of memory", grown)
	}
}

// weigh has a child open a store, and returns by how many bytes that makes it grow.
func weigh(tb testing.TB, state string) (grown int64) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd, _, out := child(ctx, tb, weigher, state)
	if !out.Scan() {
		tb.Fatalf("the child says nothing (%v)", out.Err())
	}
	grown, err := strconv.ParseInt(out.Text(), 10, 64)
	must(tb, err)
	must(tb, cmd.Wait())
	return grown
}

// lengthOf makes the length of a fragment follow from its key, so that whoever comes later can verify it.
func lengthOf(k Key) int64 { return 1 + int64(k.Index)*7919%60000 }

// churn does everything that a store is used for, and says each time when it has done it.
func churn(s *Store, state string) error {
	for n := 0; ; n++ {
		k := key(string(rune('a'+rand.IntN(4))), rand.Uint32N(12))
		var err error
		switch rand.IntN(14) {
		case 0, 1, 2, 3, 4, 5:
			if err = put(s, k, lengthOf(k)); errors.Is(err, ErrHeld) {
				err = nil
			}
		case 6:
			_, err = s.Delete(k, key("a", k.Index), key("b", k.Index+1))
		case 7:
			_, err = s.DeleteSwarm(k.Hash)
		case 8:
			if _, err = read(s, k, lengthOf(k)); errors.Is(err, ErrNotHeld) {
				err = nil
			}
		case 9:
			_, err = s.Create(key("incomplete", uint32(n)), 50000, [20]byte{})
		case 10:
			err = s.Sync()
		case 11:
			if err = s.Close(); err == nil {
				s, err = Open(filepath.Join(state, "fragments"), filepath.Join(state, "fragments.db"), Options{Log: quiet})
			}
		case 12:
			s.Served(k, 1)
			s.settle()
		case 13:
			var mended []string
			if mended, err = s.Mend(); err == nil && mended != nil {
				err = fmt.Errorf("there was something to mend: %v", mended)
			}
		}
		if err != nil {
			return err
		}
		vow := strconv.FormatUint(rand.Uint64(), 10)
		if err := s.PutMeta("vow", vow, []byte(vow)); err != nil {
			return err
		}
		fmt.Println(vow)
	}
}

// child starts the test binary in a role. It dies with ctx.
func child(ctx context.Context, t testing.TB, role, state string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd = exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, stateVariable+"="+state)
	cmd.Stderr = os.Stderr
	in, err = cmd.StdinPipe()
	must(t, err)
	pipe, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	out = bufio.NewScanner(pipe)
	if !out.Scan() || out.Text() != "ready" {
		t.Fatalf("the child says %q (%v)", out.Text(), out.Err())
	}
	return cmd, in, out
}

func TestKilledAtAnyMomentOnlyVerifiedFragmentsAreServed(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	parent := memoryDir(t)
	var served, killed atomic.Int64
	t.Run("stores", func(t *testing.T) {
		for store := range killStores {
			t.Run(strconv.Itoa(store), func(t *testing.T) {
				t.Parallel()
				state := filepath.Join(parent, strconv.Itoa(store))
				for life := range kills / killStores {
					served.Add(int64(killOnce(ctx, t, state, life)))
					killed.Add(1)
				}
			})
		}
	})
	if killed.Load() != kills || served.Load() < kills {
		t.Errorf("%d kills, and %d fragments were served in all: this test shows nothing", killed.Load(), served.Load())
	}
}

// killOnce lets a child use a store for a moment, kills it, and looks at what it has left. It returns how many
// fragments that is.
func killOnce(ctx context.Context, t *testing.T, state string, life int) (fragments int) {
	cmd, _, out := child(ctx, t, churner, state)
	var vows []string
	for range 1 + rand.IntN(60) {
		if !out.Scan() || strings.HasPrefix(out.Text(), "error") {
			t.Fatalf("life %d: the child says %q (%v)", life, out.Text(), out.Err())
		}
		vows = append(vows, out.Text())
	}
	// It goes on meanwhile: wherever it has got to, that is where it ends.
	<-time.After(rand.N(5 * time.Millisecond))
	must(t, cmd.Process.Kill())
	for out.Scan() {
		if strings.HasPrefix(out.Text(), "error") {
			t.Errorf("life %d: the child says %q", life, out.Text())
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	s := reopen(t, state)
	fragments = verifyServed(t, s, state)
	for _, vow := range vows {
		if got, ok := s.Meta("vow", vow); !ok || string(got) != vow {
			t.Errorf("life %d: %s was on disk, and is not any more", life, vow)
		}
	}
	for _, vow := range s.MetaKeys("vow") { // else the index would grow from life to life
		s.index.put(metaBucket, "vow\x00"+vow, nil)
	}
	if life%2 == 0 {
		must(t, s.Close())
	} else {
		crash(t, s)
	}
	return fragments
}

// verifyServed reads every fragment, and compares index, tree and Used. It returns how many fragments there are.
func verifyServed(t *testing.T, s *Store, state string) (n int) {
	t.Helper()
	must(t, s.Check())
	var sum int64
	for f := range s.Fragments() {
		n++
		sum += f.Bytes
		got, err := read(s, f.Key, lengthOf(f.Key))
		if err != nil || !bytes.Equal(got, content(f.Key, lengthOf(f.Key))) {
			t.Errorf("fragment %s is not served as it was stored: %v", f.Key, err)
		}
	}
	must(t, s.Check())
	if used := s.Used(); used != sum {
		t.Errorf("Used = %d, the fragments have %d", used, sum)
	}
	if got := onDisk(t, filepath.Join(state, "fragments")); got > sum {
		t.Errorf("the files take %d bytes, more than the %d counted", got, sum)
	}
	return n
}

func TestStoreInUseIsAClearErrorAndLeftAlone(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	state := stopped(t)
	cmd, in, _ := child(ctx, t, holder, state)
	incoming := filepath.Join(state, "fragments", incomingPath(key("a", 0)))
	must(t, os.WriteFile(incoming, []byte("the other's"), 0o600))

	_, err := Open(filepath.Join(state, "fragments"), filepath.Join(state, "fragments.db"), Options{Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "in use by another process: stop the other ebb") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Open: %v", err)
	}
	if _, err := os.Stat(incoming); err != nil {
		t.Errorf("what the other is receiving: %v", err)
	}
	must(t, in.Close())
	must(t, cmd.Wait())
	s := open(t, state)
	must(t, s.Check())
}
