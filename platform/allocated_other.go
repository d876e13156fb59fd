//go:build !unix

package platform

import "os"

// Allocated returns the length of the file: this system does not tell how many blocks it occupies.
func Allocated(fi os.FileInfo) int64 { return fi.Size() }
