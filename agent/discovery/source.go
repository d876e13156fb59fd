package discovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ebb/agent/swarm"
)

// Source is one way of hearing of swarms. What it hears it offers to the table that it was made with, by
// [Candidates.Offer], or has [Lists] do so.
type Source interface {
	// Run hears of swarms until ctx ends, and waits for what it started. A source that returns before has nothing more
	// to say, or cannot go on, and says why; what it offered stands, and the others go on.
	Run(ctx context.Context) error
}

// Offer is what a source heard from one introducer.
type Offer struct {
	By      swarm.Introducer // its kind says by which proof its word is tested; Heard and Verified are set by the table
	Entries []Entry
}

// Claim is what one introducer says of one swarm.
type Claim struct {
	swarm.Introducer
	Entry Entry
}

// Proof puts the claims of one kind of introducer to the test. When, and how many at a time, the [Prover] decides.
type Proof interface {
	// Possible reports whether the claim can be put to the test. One that cannot stays hearsay. It must not block.
	Possible(Claim) bool
	// Prove tests a claim that it is possible to test, until ctx ends. The error's text is for the owner. Where it
	// wraps ErrUnreachable, nothing else that the introducer says is tested for a while either.
	Prove(context.Context, Claim) (Evidence, error)
}

// ErrUnreachable says that nothing answered at the introducer's own address, so that none of its claims could be
// tested.
var ErrUnreachable = errors.New("introducer cannot be reached")

// Evidence is what a proof found.
type Evidence struct {
	Conn Conn   // handshaken in the swarm, and handed over with the evidence; nil if the proof needed none
	Text string // for the owner: who did what
}

// The kinds of event that discovery tells.
const (
	ToldHeard    = "heard"    // somebody named a swarm that we are not in
	ToldVerified = "verified" // and proved it
)

const (
	toldPerOffer   = 5  // swarms of one offer that the story names
	maxClientRunes = 64 // of what an introducer calls itself
)

// Offer takes in what an introducer names, tells the owner what is news, and has it put to the test. It may be called
// from any goroutine.
func (c *Candidates) Offer(o Offer) {
	o.By.Client, o.By.ViaName = swarm.CleanText(o.By.Client, maxClientRunes), swarm.CleanName(o.By.ViaName)
	c.tellHeard(o.By, c.hear(o.By, o.Entries, time.Now()))
	c.poke()
}

// tellHeard tells the owner of new candidates.
func (c *Candidates) tellHeard(by swarm.Introducer, added []Entry) {
	for i, e := range added {
		if i == toldPerOffer {
			swarm.Tell(c.log, ToldHeard, by.ViaHash, fmt.Sprintf("%s listed %d more swarms that we are not in", by, len(added)-i))
			return
		}
		verb := "is in"
		switch {
		case by.Kind == swarm.KindFeed:
			verb = "lists"
		case !e.Direct():
			verb = "has heard of"
		}
		swarm.Tell(c.log, ToldHeard, e.Hash, fmt.Sprintf("%s %s a swarm we are not in: %s", by, verb, e.label()))
	}
}

// poke makes the prover look for claims to test.
func (c *Candidates) poke() {
	select {
	case c.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}
