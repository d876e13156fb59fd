package records

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTheSocketWorksHoweverLongItsPathIs(t *testing.T) {
	for _, name := range []string{"s", strings.Repeat("long", 40)} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := DialSocket(t.Context(), dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("where none ever was: %v", err)
		}
		for range 2 { // the second finds what a killed one has left
			l, err := ListenSocket(dir)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				if c, err := l.Accept(); err == nil {
					_, _ = io.WriteString(c, "here")
					c.Close()
				}
			}()
			c, err := DialSocket(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(c); string(text) != "here" {
				t.Errorf("%q, %v", text, err)
			}
			c.Close()
			if info, err := os.Stat(filepath.Join(dir, SocketFile)); err != nil || info.Mode().Perm() != 0o660 {
				t.Errorf("its mode is %v, %v", info, err)
			}
			if err := l.(*socket).Listener.Close(); err != nil { // and leaves the file
				t.Fatal(err)
			}
			if _, err := DialSocket(t.Context(), dir); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("where one was killed: %v", err)
			}
		}
		l, err := ListenSocket(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, SocketFile)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("after closing it: %v", err)
		}
	}
}
