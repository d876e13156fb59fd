package main

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ebb/agent"
	"ebb/webui"
	"ebb/webui/webuitest"
)

func TestDoctorSaysWhatItFindsAndMendsWhenTold(t *testing.T) {
	h := newHousehold(t)
	for _, c := range []struct {
		args    []string
		code    int
		finding string // the line about the index
		errOut  string
	}{
		{[]string{"doctor"}, 1, "problem  index: 2 fragments are in the index and not on the disk\n", "ebb: 1 problem; 'ebb doctor -mend' mends what can be mended\n"},
		{[]string{"doctor", "-mend"}, 0, "problem  index: 2 fragments are in the index and not on the disk (mended)\n", ""},
		{[]string{"doctor"}, 0, "ok    index: as it should be\n", ""},
	} {
		code, out, errOut := ebb(t, append(c.args, "-state", h.state)...)
		if code != c.code || errOut != c.errOut || strings.Count(out, "\n") != 3 {
			t.Errorf("%q: exit code %d, printed\n%s%s", c.args, code, out, errOut)
		}
		expect(t, out, c.finding, "files: 5,240 fragments", "\nnote")
		for line := range strings.Lines(out) {
			if mark, _, _ := strings.Cut(line, " "); !slices.Contains([]string{"ok", "note", "problem"}, mark) {
				t.Errorf("%q begins with no mark: %q", c.args, line)
			}
		}
	}
	if calls := strings.Join(h.agent.Calls(), ", "); calls != "doctor mend=false, doctor mend=true, doctor mend=false" {
		t.Errorf("the agent was told %q", calls)
	}
}

func TestDoctorPrintsNoOrdersToTheTerminalAndFailsPlainly(t *testing.T) {
	h := newHousehold(t)
	h.agent.SetFindings(
		webui.Finding{About: webuitest.TerminalName, Level: webui.FindingProblem, Text: webuitest.TerminalName},
		webui.Finding{About: "downloads", Level: webui.FindingProblem, Text: webuitest.RightToLeft},
	)
	code, out, errOut := ebb(t, "doctor", "-state", h.state)
	if code != 1 || strings.Count(out, "\n") != 2 || strings.ContainsAny(out, "\x1b\a\u009b\u202e") || !strings.HasPrefix(errOut, "ebb: 2 problems;") {
		t.Errorf("exit code %d, printed %q, %q", code, out, errOut)
	}
	h.agent.Fail(errors.New("the disk caught fire"))
	expect(t, h.fails(1, "doctor"), "the disk caught fire")
	h.fails(2, "doctor", "fragments")
	h.fails(2, "doctor", "-mend=perhaps")
	h.write(webui.TokenFile, strings.Repeat("0", 64))
	expect(t, h.fails(1, "doctor"), "token")
}

func TestDoctorLooksForItselfWhenNoAgentRuns(t *testing.T) {
	state := t.TempDir()
	config := filepath.Join(state, "ebb.toml")
	var asked agent.Options
	mended := false
	alone := func(o agent.Options, mend bool) (webui.Diagnosis, error) {
		asked, mended = o, mend
		if !mend {
			return webui.Diagnosis{}, errors.New("the store cannot be opened")
		}
		return webui.Diagnosis{Findings: []webui.Finding{
			{About: "fragments", Level: webui.FindingProblem, Text: "a stray file", Mended: true},
			{About: "disk", Level: webui.FindingProblem, Text: "it is read-only"},
		}}, nil
	}
	var out bytes.Buffer
	err := doctor(alone)(t.Context(), newCall(command{name: "doctor"}, []string{"-mend", "-state", state, "-config", config}, &out))
	if err == nil || err.Error() != "1 problem could not be mended" ||
		out.String() != "problem  fragments: a stray file (mended)\nproblem  disk: it is read-only\n" {
		t.Errorf("%v, printed %q", err, out.String())
	}
	if asked.StateDir != state || asked.ConfigPath != config || asked.Log == nil || !mended {
		t.Errorf("looked with %+v, mend %v", asked, mended)
	}
	out.Reset()
	if err := doctor(alone)(t.Context(), newCall(command{name: "doctor"}, []string{"-state", state}, &out)); err == nil ||
		err.Error() != "the store cannot be opened" || out.Len() > 0 || mended {
		t.Errorf("%v, printed %q", err, out.String())
	}

	// One that runs is asked, whatever it answers.
	h := newHousehold(t)
	h.agent.Fail(errors.New("the disk caught fire"))
	asked = agent.Options{}
	if err := doctor(alone)(t.Context(), newCall(command{name: "doctor"}, []string{"-state", h.state}, &out)); err == nil ||
		!strings.Contains(err.Error(), "caught fire") || asked.StateDir != "" {
		t.Errorf("%v, looked in %q", err, asked.StateDir)
	}
}
