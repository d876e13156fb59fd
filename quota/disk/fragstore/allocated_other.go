//go:build !unix

package fragstore

import "os"

// allocated returns the file's size: what it really takes is not known here.
func allocated(fi os.FileInfo) int64 { return fi.Size() }
