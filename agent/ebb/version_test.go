package main

import (
	"runtime"
	"testing"
)

func TestVersionSaysCommitGoAndTarget(t *testing.T) {
	defer func(before string) { commit = before }(commit)
	commit = "0123456789ab"
	code, out, errOut := ebb(t, "version")
	if code != 0 || errOut != "" {
		t.Fatalf("exit code %d, %q", code, errOut)
	}
	expect(t, out, "ebb ", "commit 0123456789ab", runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
}
