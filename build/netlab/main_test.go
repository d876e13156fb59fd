//go:build linux

package netlab

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Helper()
	goleak.VerifyTestMain(m)
}
