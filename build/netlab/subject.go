//go:build linux

package netlab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Position is where a subject runs.
type Position string

const (
	OnRouter Position = "on the router"
	BehindIt Position = "behind it" // on the NAS
)

// Transport is what its peers speak.
type Transport string

const (
	UTP   Transport = "uTP"
	TCP   Transport = "TCP"
	Mixed Transport = "mixed" // every other peer uTP
)

// Subject is a program that seeds, and whose manners are measured. One Subject is started once.
type Subject interface {
	Name() string
	// Start returns when it seeds the content at site.Port, or is about to: leechers that find nobody there ask again.
	Start(ctx context.Context, site Site) error
	// Stop ends what Start has started, also after Start has failed.
	Stop() error
}

// Site is what a subject has to work with.
type Site struct {
	World   *World
	Host    *Host  // where it runs
	Port    uint16 // where leechers will dial it, by TCP and by UDP, at Host.Addr
	Content *Content
	Dir     string // its own directory, in memory
}

// peerPort is where all BitTorrent programs listen; each has a host of its own.
const peerPort = 51413

// Seeding is a subject at work, and those who download from it.
type Seeding struct {
	Subject   Subject
	Position  Position
	Transport Transport

	world    *World
	leechers []*leecher
}

// warmLimit is how long it may take until a subject sends a tenth of what the line carries.
const warmLimit = time.Minute

// Seed starts the subject, and a leecher at every peer of the world. It returns when the data flows.
func (w *World) Seed(ctx context.Context, s Subject, p Position, t Transport) (*Seeding, error) {
	seeding := &Seeding{Subject: s, Position: p, Transport: t, world: w}
	if err := seeding.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s, %s, %s: %w", s.Name(), t, p, err), seeding.Stop())
	}
	return seeding, nil
}

func (s *Seeding) start(ctx context.Context) error {
	w := s.world
	content, err := w.Content()
	if err != nil {
		return err
	}
	site := Site{World: w, Host: w.NAS, Port: peerPort, Content: content}
	if s.Position == OnRouter {
		site.Host = w.Router
	}
	if site.Dir, err = w.freshDir("subject"); err != nil {
		return err
	}
	if err := s.Subject.Start(ctx, site); err != nil {
		return err
	}
	for i, h := range w.Peers {
		utp := s.Transport == UTP || s.Transport == Mixed && i%2 == 0
		l, err := startLeecher(w, h, site, utp)
		if err != nil {
			return err
		}
		s.leechers = append(s.leechers, l)
	}
	return s.awaitFlow(ctx)
}

// awaitFlow waits until the subject's data arrives.
func (s *Seeding) awaitFlow(ctx context.Context) error {
	m, err := s.world.StartMeter()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, warmLimit)
	defer cancel()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	least := float64(s.world.line.Up) / 10
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			err := fmt.Errorf("no data flows: %w\n%s", ctx.Err(), s.leechers[0].tail())
			return errors.Join(err, m.Stop())
		}
		now := time.Now()
		if m.Received(s.world.Peers...).Rate(now.Add(-time.Second), now) > least {
			return m.Stop()
		}
	}
}

// Stop ends the leechers and the subject.
func (s *Seeding) Stop() error {
	var errs []error
	for _, l := range s.leechers {
		errs = append(errs, l.Stop())
	}
	s.leechers = nil
	return errors.Join(append(errs, s.Subject.Stop())...)
}

func (s *Seeding) String() string { return fmt.Sprintf("%s, %s", s.Subject.Name(), s.Transport) }
