package owner

import (
	"ebb/agent/background"
	"ebb/agent/foreground"
	"ebb/agent/swarm"
	"ebb/quota/disk"
)

// Reservations is where downloads reserve their space. What is reclaimed for them is the background's loss.
type Reservations struct {
	*disk.Ledger
	Background *background.Engine
}

var _ foreground.Ledger = Reservations{}

// Reserve implements foreground.Ledger.
func (r Reservations) Reserve(h swarm.InfoHash, remaining func() int64) error {
	reclaimed, err := r.Ledger.Reserve(h, remaining)
	r.Background.Reclaimed(reclaimed)
	return err
}
