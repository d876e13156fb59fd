package disk

import (
	"errors"

	"ebb/quota"
)

// ErrReadOnly says that nothing can be written or deleted where the fragments are.
var ErrReadOnly = errors.New("the file system is read-only")

// NoSpaceError says that the disk cannot hold a foreground download, even without a single fragment.
type NoSpaceError struct {
	Missing int64 // bytes
	Apart   bool  // the fragments are on another disk
	Kept    error // not nil: why fragments that would have made the room could not be deleted
}

func (e *NoSpaceError) Error() string {
	const advice = "; free some, or choose another foreground.directory"
	missing := "not enough space on the disk for this download: " + quota.Bytes(e.Missing) + " are missing"
	switch {
	case e.Kept != nil:
		return missing + ", because fragments that should make room cannot be deleted (" + e.Kept.Error() + ")" + advice
	case e.Apart:
		return missing + ", and the fragments are on another disk, so deleting them would not help" + advice
	default:
		return missing + ", even with every fragment gone" + advice
	}
}

func (e *NoSpaceError) Unwrap() error { return e.Kept }
