package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/build/lab"
)

const (
	// deviceMemory is what the device has, and mostMemory what ebb may have of it at any time: RSS, with its program.
	deviceMemory = 128 << 20
	mostMemory   = 96 << 20
	// stopTime is how long ebb may take to stop.
	stopTime = 5 * time.Second
	// hosts is how many addresses the attackers have.
	hosts = 32
	// sleepers is how many swarms there are to be woken.
	sleepers = 100

	heldSize, wantedSize, sleeperSize = 48 << 20, 64 << 20, 64 << 10
	pieceLength                       = 64 << 10
	storage                           = "64MiB" // so that the wanted swarm cannot be had without giving fragments up
	upload                            = "16Mbit/s"
)

func main() {
	binary := flag.String("ebb", filepath.Join("build", "out", "ebb"), "the `program` to attack")
	long := flag.Duration("for", 2*time.Minute, "how long the attack takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *binary, *long); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, long time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "ebb-hostile-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n(what ebb said is in %s)", err, dir)
			return
		}
		os.RemoveAll(dir)
	}()
	w, err := lab.New(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	silent := netip.AddrPortFrom(w.NextAddr(), 1) // the DHT has to begin somewhere
	config, state, addr, err := w.WriteConfig(lab.AgentConfig{Storage: storage, Upload: upload, DHT: silent})
	if err != nil {
		return err
	}
	e := &ebb{binary: binary, config: config, state: state, addr: addr}
	if err := e.start(ctx); err != nil {
		return err
	}
	defer e.stop()
	t, info, err := prepare(ctx, w, e)
	if err != nil {
		return err
	}
	var from []netip.Addr
	for range hosts {
		from = append(from, w.NextAddr())
	}
	return measure(ctx, e, t, &leecher{from: w.NextAddr(), to: addr, info: info}, from, long)
}

// prepare has ebb join the swarms, and fetch the one that the honest peer will download.
func prepare(ctx context.Context, w *lab.World, e *ebb) (t target, info *peerwire.Info, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	t = target{addr: e.addr, nameless: swarm.HashInfo([]byte("nobody knows"))}
	held, err := w.Content("held", heldSize, pieceLength)
	if err != nil {
		return t, nil, err
	}
	seed, err := w.Seed(ctx, held)
	if err != nil {
		return t, nil, err
	}
	file, err := peerwire.ParseTorrent(held.Torrent)
	if err != nil {
		return t, nil, err
	}
	if err := e.help(ctx, held.Torrent, ""); err != nil {
		return t, nil, err
	}
	if err := e.until(ctx, "holds the swarm", func() bool {
		n, of, err := e.fragments(ctx, held.Hash)
		return err == nil && of > 0 && n == of
	}); err != nil {
		return t, nil, err
	}
	if err := seed.Stop(); err != nil {
		return t, nil, err
	}
	wanted, err := w.Content("wanted", wantedSize, pieceLength)
	if err != nil {
		return t, nil, err
	}
	if err := errors.Join(e.help(ctx, wanted.Torrent, ""), e.help(ctx, nil, "magnet:?xt=urn:btih:"+t.nameless.String())); err != nil {
		return t, nil, err
	}
	for n := range sleepers {
		c, err := w.Content(fmt.Sprint("sleeper ", n), sleeperSize, pieceLength)
		if err != nil {
			return t, nil, err
		}
		t.dormant = append(t.dormant, c.Hash)
		if err := e.help(ctx, c.Torrent, ""); err != nil {
			return t, nil, err
		}
	}
	t.held, t.pieces, t.wanted = held.Hash, uint32(file.Info.NumPieces()), wanted.Hash
	return t, file.Info, nil
}

// measure attacks, and says what has come of it.
func measure(ctx context.Context, e *ebb, t target, honest *leecher, from []netip.Addr, long time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { honest.run(ctx) })
	rate := func(d time.Duration) float64 {
		before, began := honest.got.Load(), time.Now()
		select {
		case <-time.After(d):
		case <-e.exited:
		case <-ctx.Done():
		}
		return float64(honest.got.Load()-before) / time.Since(began).Seconds()
	}
	if err := e.until(ctx, "serves the honest peer", func() bool { return honest.got.Load() > 0 }); err != nil {
		return err
	}
	alone := rate(min(long, 20*time.Second))
	idle, _, err := e.memory()
	if err != nil {
		return err
	}
	fmt.Printf("alone, the honest peer gets %.1f MB/s, and ebb has %.1f MB in memory\n", alone/1e6, float64(idle)/1e6)

	attacks := attacks()
	all.Go(func() { assault(ctx, attacks, t, from) })
	beside := rate(long)
	var missed []error
	miss := func(format string, args ...any) { missed = append(missed, fmt.Errorf(format, args...)) }
	select {
	case <-e.exited:
		return fmt.Errorf("ebb did not survive: %w", e.exit)
	default:
	}
	held, of, err := e.fragments(ctx, t.held)
	_, most, memoryErr := e.memory()
	if err := errors.Join(err, memoryErr, ctx.Err()); err != nil {
		return fmt.Errorf("under attack: %w", err)
	}
	took, stopErr := e.stop()
	cancel()
	for _, a := range attacks {
		fmt.Printf("  %-24s %8d times, refused or ended %d times\n", a.name, a.moves.Load(), a.refused.Load())
	}
	fmt.Printf("attacked by %d hosts for %v, it gets %.1f MB/s in %d connections\n", len(from), long, beside/1e6, honest.dials.Load())
	fmt.Printf("memory: %.1f MB at most, of %.1f MB\n", float64(most)/1e6, float64(mostMemory)/1e6)
	fmt.Printf("fragments: %d of %d are held\n", held, of)
	fmt.Printf("stopped within %.1f s\n", took.Seconds())
	if beside < alone/2 {
		miss("the honest peer had %.0f %% of its rate", 100*beside/alone)
	}
	if n := honest.bad.Load(); n > 0 {
		miss("%d pieces were damaged", n)
	}
	if most > mostMemory {
		miss("%.1f MB of memory are too much", float64(most)/1e6)
	}
	if held != of || of == 0 {
		miss("%d of %d fragments were lost", of-held, of)
	}
	if took > stopTime || stopErr != nil {
		miss("stopping took %.1f s: %v", took.Seconds(), stopErr)
	}
	return errors.Join(missed...)
}
