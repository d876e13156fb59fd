package background

import (
	"errors"
	"fmt"

	"ebb/agent/swarm"
)

// errUnusable is wrapped by what is wrong with metadata that has the right hash.
var errUnusable = errors.New("its metadata cannot be used")

// errSilent says that a swarm may be none at all.
var errSilent = errors.New("nobody there had its metadata for an hour")

// sizeError says that a swarm turned out to be larger than the owner allows.
type sizeError struct{ length int64 } // bytes

func (e sizeError) Error() string {
	return fmt.Sprintf("it has %d bytes, whatever was said of it: more than sources.max_swarm_size", e.length)
}

// refusalOf says of what kind the reason is for which a swarm is not helped, and so for how long it holds.
func refusalOf(reason error) swarm.Refusal {
	r := swarm.Refusal{Cause: swarm.CauseOther, Text: reason.Error()}
	var size sizeError
	switch {
	case errors.Is(reason, ErrPrivate):
		r.Cause = swarm.CausePrivate
	case errors.Is(reason, errUnusable):
		r.Cause = swarm.CauseUnusable
	case errors.Is(reason, errSilent):
		r.Cause = swarm.CauseSilent
	case errors.As(reason, &size):
		r.Cause, r.Length = swarm.CauseSize, size.length
	}
	return r
}
