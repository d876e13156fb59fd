package prefs_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(saveChild); path != "" {
		os.Exit(saveOnFullDisk(path))
	}
	goleak.VerifyTestMain(m)
}
