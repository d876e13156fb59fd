package background

import (
	"ebb/agent/swarm"
	"ebb/quota/disk"
)

// Reservations is where downloads reserve their space: a foreground.Ledger. What is reclaimed for them is the engine's
// loss.
type Reservations struct {
	*disk.Ledger
	Engine *Engine
}

// Reserve promises space to a download, see disk.Ledger.
func (r Reservations) Reserve(h swarm.InfoHash, remaining func() int64) error {
	reclaimed, err := r.Ledger.Reserve(h, remaining)
	r.Engine.Reclaimed(reclaimed)
	return err
}
