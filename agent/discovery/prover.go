package discovery

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"ebb/agent/swarm"
)

const (
	// checkInterval is how often pauses before another try are looked at.
	checkInterval = 15 * time.Second

	maxProving = 8 // proofs under way at once
)

// ProverConfig is what a Prover works with. Every field is required.
type ProverConfig struct {
	Candidates *Candidates
	Sources    map[string]Source // by the name that the log knows each by
	Proofs     map[swarm.Kind]Proof
	Log        *slog.Logger
}

// Prover runs the sources, and puts what they offer to the test.
type Prover struct {
	cfg     ProverConfig
	running sync.WaitGroup // sources and proofs

	mu      sync.Mutex // guards what follows
	proving int        // proofs under way
}

// NewProver makes a Prover. Nothing happens before Run.
func NewProver(cfg ProverConfig) *Prover { return &Prover{cfg: cfg} }

// Run works until ctx ends, and waits for what it started. It is to be called once. Its error is always nil.
func (p *Prover) Run(ctx context.Context) error {
	defer p.cfg.Candidates.hangUpAll()
	defer p.running.Wait()
	for name, s := range p.cfg.Sources {
		p.running.Go(func() { p.follow(ctx, name, s) })
	}
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		p.start(ctx)
		select {
		case <-p.cfg.Candidates.wake:
		case <-tick.C:
			p.cfg.Candidates.expire(time.Now())
		case <-ctx.Done():
			return nil
		}
	}
}

// follow runs one source for as long as it goes.
func (p *Prover) follow(ctx context.Context, name string, s Source) {
	if err := s.Run(ctx); err != nil && ctx.Err() == nil {
		p.cfg.Log.Warn("hearing no more from a source", "source", name, "err", err)
	}
}

// start puts claims to the test, a few at a time.
func (p *Prover) start(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cl := range p.cfg.Candidates.due(time.Now(), maxProving-p.proving, p.possible) {
		p.proving++
		p.running.Go(func() {
			p.prove(ctx, cl)
			p.mu.Lock()
			p.proving--
			p.mu.Unlock()
			p.cfg.Candidates.poke()
		})
	}
}

// possible reports whether there is a proof for a claim.
func (p *Prover) possible(cl Claim) bool {
	proof, ok := p.cfg.Proofs[cl.Kind]
	return ok && proof.Possible(cl)
}

// prove puts one claim to the test.
func (p *Prover) prove(ctx context.Context, cl Claim) {
	table := p.cfg.Candidates
	if table.Dismiss(cl.Entry.Hash) {
		return
	}
	found, err := p.cfg.Proofs[cl.Kind].Prove(ctx, cl)
	switch {
	case ctx.Err() != nil: // our end says nothing about the claim
	case err != nil:
		p.cfg.Log.Debug("not proven", "introducer", cl.Introducer, "swarm", cl.Entry.label(), "err", err, "cause", errors.Unwrap(err))
		table.failed(cl, "not verified: "+err.Error(), errors.Is(err, ErrUnreachable), time.Now())
	default:
		proven, ok := table.proven(cl.Entry.Hash, cl.Introducer, time.Now())
		if !ok {
			break
		}
		if found.Conn != nil && joinable(proven) && table.leaveOpen(proven.Hash, found.Conn) {
			found.Conn = nil // it is the table's now
		}
		swarm.Tell(p.cfg.Log, ToldVerified, cl.Entry.Hash, "verified: "+found.Text)
	}
	if found.Conn != nil {
		found.Conn.Close()
	}
}
