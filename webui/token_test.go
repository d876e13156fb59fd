package webui_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ebb/webui"
)

func TestATokenIsMadeOnceAndIsTheOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), webui.TokenFile)
	made, err := webui.LoadToken(path)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(made) {
		t.Errorf("the token is %q", made)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v", info.Mode())
	}
	again, err := webui.LoadToken(path)
	if err != nil || again != made {
		t.Errorf("loaded %q, %v; made %q", again, err, made)
	}
	other, err := webui.LoadToken(filepath.Join(t.TempDir(), webui.TokenFile))
	if err != nil || other == made {
		t.Errorf("two agents have the token %q, %v", other, err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestATokenThatOthersCanReadIsClosedToThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), webui.TokenFile)
	if err := os.WriteFile(path, []byte(token+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := webui.LoadToken(path); err != nil || got != token {
		t.Fatalf("loaded %q, %v", got, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is %v, %v", info.Mode(), err)
	}
}

func TestABrokenTokenIsAnErrorThatSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), webui.TokenFile)
	for _, text := range []string{"", "\n", token[:63], token + "0", strings.Repeat("g", 64), strings.Repeat("0", 1<<20)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := webui.LoadToken(path); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "delete it") {
			t.Errorf("%.70q: %v", text, err)
		}
	}
}

func TestATokenThatCannotBeWrittenIsAnError(t *testing.T) {
	if _, err := webui.LoadToken(filepath.Join(t.TempDir(), "absent", webui.TokenFile)); err == nil {
		t.Error("no error")
	}
}
