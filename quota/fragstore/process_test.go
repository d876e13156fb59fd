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
	"strconv"
	"strings"
	"testing"
	"time"
)

// Parts that the test binary plays when it runs itself.
const (
	roleVariable  = "EBB_FRAGSTORE_TEST_ROLE"
	stateVariable = "EBB_FRAGSTORE_TEST_STATE"

	holder  = "hold"  // has the store open until its standard input ends
	churner = "churn" // puts and deletes until it is killed
)

const kills = 25

func act(role, state string) int {
	s, err := Open(filepath.Join(state, "fragments"), filepath.Join(state, "fragments.db"), Options{Log: quiet})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println("ready")
	switch role {
	case holder:
		_, err = io.Copy(io.Discard, os.Stdin)
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

// lengthOf makes the length of a fragment follow from its key, so that whoever comes later can verify it.
func lengthOf(k Key) int64 { return 1 + int64(k.Index)*7919%60000 }

// churn does everything that a store is used for, and says each time when it has done it.
func churn(s *Store, state string) error {
	for n := 0; ; n++ {
		k := key(string(rune('a'+rand.IntN(4))), rand.Uint32N(12))
		var err error
		switch rand.IntN(12) {
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
func child(ctx context.Context, t *testing.T, role, state string) (cmd *exec.Cmd, in io.WriteCloser, out *bufio.Scanner) {
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
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	state := t.TempDir()
	served := 0
	for kill := range kills {
		cmd, _, out := child(ctx, t, churner, state)
		var vows []string
		for range 1 + rand.IntN(60) {
			if !out.Scan() || strings.HasPrefix(out.Text(), "error") {
				t.Fatalf("kill %d: the child says %q (%v)", kill, out.Text(), out.Err())
			}
			vows = append(vows, out.Text())
		}
		// It goes on meanwhile: wherever it has got to, that is where it ends.
		<-time.After(rand.N(5 * time.Millisecond))
		must(t, cmd.Process.Kill())
		for out.Scan() {
			if strings.HasPrefix(out.Text(), "error") {
				t.Errorf("kill %d: the child says %q", kill, out.Text())
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Error("the child ended by itself")
		}
		s := reopen(t, state)
		served += verifyServed(t, s, state)
		for _, vow := range vows {
			if got, ok := s.Meta("vow", vow); !ok || string(got) != vow {
				t.Errorf("kill %d: %s was on disk, and is not any more", kill, vow)
			}
		}
		if kill%2 == 0 {
			must(t, s.Close())
		} else {
			crash(t, s)
		}
	}
	if served < kills {
		t.Errorf("only %d fragments were served in all: this test shows nothing", served)
	}
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
