//go:build linux

package interop

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

// tests runs the tests, and then lets go of the connections that the drivers' HTTP client keeps for their next
// question.
type tests struct{ *testing.M }

func (t tests) Run() int {
	code := t.M.Run()
	http.DefaultClient.CloseIdleConnections()
	return code
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }
