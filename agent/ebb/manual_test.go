package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ebb/agent/prefs"
)

func TestTheManualHasAllThatHelpHas(t *testing.T) {
	code, page, errOut := ebb(t, "manual")
	if code != 0 || errOut != "" {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	for _, cmd := range commands() {
		expect(t, page, roff(strings.TrimSpace("ebb "+cmd.name+" "+cmd.args))+"\n")
	}
	for _, key := range prefs.Keys() {
		expect(t, page, roff(key.Name))
	}
	expect(t, page, "Exit codes", `\-keep\-helping`)
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "'") {
			t.Errorf("roff would obey %q", line)
		}
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		return
	}
	format := exec.Command(groff, "-man", "-Tutf8", "-ww")
	format.Stdin = strings.NewReader(page)
	var complaints strings.Builder
	format.Stderr = &complaints
	if _, err := format.Output(); err != nil || complaints.Len() > 0 {
		t.Errorf("groff: %v: %s", err, complaints.String())
	}
}

func TestTheManualDoesNotDependOnWhoMakesIt(t *testing.T) {
	_, before, _ := ebb(t, "manual")
	t.Setenv("HOME", "/home/somebody")
	t.Setenv("XDG_STATE_HOME", "/elsewhere")
	_, page, _ := ebb(t, "manual")
	if page != before || strings.Contains(page, "elsewhere") {
		t.Error("it does")
	}
	expect(t, page, `directory = "/var/lib/ebb"`)
}

// TestBashCompletesCommands asks bash what it would complete.
func TestBashCompletesCommands(t *testing.T) {
	_, script, _ := ebb(t, "completion", "bash")
	for line, want := range map[string]string{
		"ebb sta": "start status", "ebb add -b": "-background", "ebb prefs network.dht": "network.dht= network.dht_bootstrap=",
		"ebb completion z": "zsh", "ebb why 2121": strings.Repeat("21", 20), "ebb nosuch x": "",
	} {
		words := strings.Fields(line)
		ask := script + "\nebb() { [ \"$1 $2\" = 'list -hashes' ] && echo " + strings.Repeat("21", 20) + " " + strings.Repeat("31", 20) + "; }\n" +
			"COMP_WORDS=(" + line + "); COMP_CWORD=" + string(rune('0'+len(words)-1)) + "; _ebb; echo \"${COMPREPLY[*]}\""
		out, err := exec.Command("bash", "--norc", "-c", ask).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q is completed by %q, not %q (%v)", line, got, want, err)
		}
	}
	if code, _, errOut := ebb(t, "completion", "fish"); code != exitUsage || !strings.Contains(errOut, "bash") {
		t.Errorf("for a shell that is not known: %d, %s", code, errOut)
	}
}

func TestListPrintsHashesAlone(t *testing.T) {
	lines := strings.Fields(newHousehold(t).does("list", "-hashes"))
	if len(lines) != 8 || lines[0] != hash(0x11) {
		t.Errorf("%q", lines)
	}
}

func TestExitCodesTellWhatIsWrong(t *testing.T) {
	h := newHousehold(t)
	h.fails(exitUsage, "status", "x")
	h.fails(exitUnknown, "why", "abcd")
	h.fails(exitUnknown, "start", hash(0x7f))
	h.fails(exitFailed, "add", filepath.Join(h.state, "absent.torrent"))
	h.state = t.TempDir()
	h.fails(exitNotRunning, "status")
}
