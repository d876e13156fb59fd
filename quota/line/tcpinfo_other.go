//go:build !linux

package line

// read knows nothing: only Linux is asked.
func (s *socket) read() (tcpInfo, bool) { return tcpInfo{}, false }
