package quota

import (
	"errors"
	"fmt"
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
	missing := "not enough space on the disk for this download: " + human(e.Missing) + " are missing"
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

// human writes a number of bytes for people. It is rounded up to a tenth of the unit, so that whoever frees as much as
// it says has freed enough.
func human(n int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB"}
	size := int64(1 << 10)
	for len(units) > 1 && n > 1023*size+size*9/10 {
		size <<= 10
		units = units[1:]
	}
	whole, tenths := n/size, (n%size*10+size-1)/size
	if tenths == 10 {
		whole, tenths = whole+1, 0
	}
	if tenths == 0 {
		return fmt.Sprintf("%d %s", whole, units[0])
	}
	return fmt.Sprintf("%d.%d %s", whole, tenths, units[0])
}
