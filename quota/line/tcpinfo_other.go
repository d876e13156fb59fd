//go:build !linux

package line

// read knows nothing: only Linux is asked.
func (s *socket) read() (state tcpState, ok bool) { return tcpState{}, false }
