package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"ebb/agent"
)

// commit is the commit that this was built from; set when it is linked, else empty.
var commit string

func version(_ context.Context, c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "ebb %s (%s)\n", agent.Version, strings.Join(built(), ", "))
	return nil
}

// built says what the program was made from, by what, and for what.
func built() (facts []string) {
	if commit != "" {
		facts = append(facts, "commit "+commit)
	}
	return append(facts, runtime.Version(), target())
}

// target is the system and the CPU that the program was built for, and which kind of that CPU, as in "linux/arm 7" or
// "linux/mipsle softfloat".
func target() string {
	t := runtime.GOOS + "/" + runtime.GOARCH
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return t
	}
	kinds := map[string]string{"arm": "GOARM", "mips": "GOMIPS", "mipsle": "GOMIPS", "mips64": "GOMIPS64", "mips64le": "GOMIPS64"}
	for _, s := range info.Settings {
		if s.Key == kinds[runtime.GOARCH] {
			t += " " + s.Value
		}
	}
	return t
}
