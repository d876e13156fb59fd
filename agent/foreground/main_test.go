package foreground_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(victimEnv); path != "" {
		os.Exit(runVictim(path))
	}
	if path := os.Getenv(adopterEnv); path != "" {
		os.Exit(runAdopter(path))
	}
	// Most of a test here is waiting, for trackers, peers and keepers.
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m,
		// rain's metrics library starts one goroutine for the life of the process.
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"),
		// rain leaves one for each stopped torrent, for up to stopTimeout.
		goleak.IgnoreTopFunction("github.com/cenkalti/rain/v2/internal/announcer.(*StopAnnouncer).Run.func1"),
	)
}
