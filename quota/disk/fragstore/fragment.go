package fragstore

import (
	"errors"
	"fmt"
	"time"

	"ebb/agent/swarm"
)

// MaxLength is the length in bytes of the longest fragment that can be stored: 64 MiB, four times the longest
// piece in common use.
const MaxLength = 64 << 20

// Key names a fragment: a piece of the swarm with that info-hash.
type Key struct {
	Hash  swarm.InfoHash
	Index uint32
}

func (k Key) String() string {
	return fmt.Sprintf("%s/%d", k.Hash.String(), k.Index)
}

// Fragment describes one fragment that is held.
type Fragment struct {
	Key
	Bytes      int64     // what it occupies on disk: its allocated blocks, and never less than Length
	Length     int64     // its length in bytes, 1..MaxLength
	Value      float64   // as last set; 0 until then
	Stored     time.Time // when it became a fragment; to the second, like LastServed
	LastServed time.Time // zero if it was never served
	Served     int64     // bytes served since it was stored
}

// What the operations of a Store report. They are wrapped with what was being done; use errors.Is.
var (
	ErrHeld    = errors.New("fragment is already held")
	ErrBusy    = errors.New("fragment is just being received or deleted")
	ErrNotHeld = errors.New("fragment is not held")
	ErrHash    = errors.New("fragment does not have the expected hash")
	ErrDamaged = errors.New("fragment was damaged on disk and has been deleted")
	ErrAborted = errors.New("fragment was given up before it was complete")
	ErrClosed  = errors.New("fragment store is closed")
)
