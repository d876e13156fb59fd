package platform

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// The kernel's own tables, as they change.
func TestRoutesOfTheKernelAreFollowed(t *testing.T) {
	inOwnNetwork(t, "routes", func() {
		if _, err := exec.LookPath("ip"); err != nil {
			t.Logf("NOT COVERED HERE: %v", err)
			return
		}
		routes := System.Routes("")
		defer routes.Close()
		if got, err := routes.Default(); !errors.Is(err, ErrNoRoute) {
			t.Errorf("at first: got %+v, %v", got, err)
		}
		for _, step := range []struct {
			commands, want string
		}{
			{"link add wan type veth peer name far; link set wan up; link set far up; addr add 198.51.100.2/24 dev wan;" +
				"route add default via 198.51.100.1 metric 10", "wan 198.51.100.1 invalid IP"},
			{"-6 addr add 2001:db8::2/64 dev wan nodad; -6 route add default via fe80::1 dev wan metric 512", "wan 198.51.100.1 fe80::1%wan"},
			{"link add pppoe-wan type veth peer name isp; link set pppoe-wan up; addr add 100.64.0.2 peer 100.64.0.1 dev pppoe-wan;" +
				"route add default dev pppoe-wan metric 5", "pppoe-wan 100.64.0.1 invalid IP"},
			{"route add unreachable default metric 1; route del default dev pppoe-wan", "wan 198.51.100.1 fe80::1%wan"},
			{"route del default via 198.51.100.1", "wan invalid IP fe80::1%wan"},
			{"link del wan", " invalid IP invalid IP"},
		} {
			for command := range strings.SplitSeq(step.commands, ";") {
				if output, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
					t.Logf("NOT COVERED HERE: ip %s: %v: %s", command, err, output)
					return
				}
			}
			got, err := routes.Default()
			if text := got.Interface + " " + got.Gateway4.String() + " " + got.Gateway6.String(); text != step.want || (err == nil) != (got.Interface != "") {
				t.Errorf("after %q: got %+v, %v; want %q", step.commands, got, err, step.want)
			}
		}
	})
}
