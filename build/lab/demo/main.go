// Command demo shows what ebb is for, on one machine and without a network: it builds a swarm world on loopback, runs
// the ebb binary in it, and tells what happens.
//
// An owner downloads one torrent. A peer of that swarm, another ebb, is in a second swarm. Our ebb hears of it, joins
// it, and holds it when everybody else who had it has gone; then a stock client gets all of it from us.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/webui"
)

// limit is how long the story may take. It takes about ten seconds.
const limit = 120 * time.Second

const (
	kib = 1 << 10
	mib = 1 << 20
)

func main() {
	binary := flag.String("ebb", "build/out/ebb", "the ebb to run")
	size := flag.Int64("size", 12, "size of the swarm to help, in `MiB`")
	piece := flag.Int64("piece", 256, "length of its pieces, in `KiB`")
	flag.Parse()
	once := os.Getenv("DEMO") == "once"
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, *binary, story{*size * mib, *piece * kib}, once); err != nil && !(errors.Is(err, context.Canceled) && ctx.Err() != nil && !once) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo plays the story; then it ends if it is to be played once, or waits for Ctrl-C.
func demo(ctx context.Context, binary string, s story, once bool) (err error) {
	dir, err := os.MkdirTemp("", "ebb-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	world, err := lab.New(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close()) }()

	play, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the story did not end within %v", limit))
	defer cancel()
	t := &teller{began: time.Now()}
	us, err := s.tell(play, world, binary, t)
	if us != nil {
		defer func() { err = errors.Join(err, us.stop()) }()
	}
	if err != nil {
		return errors.Join(err, context.Cause(play))
	}
	if once {
		return nil
	}
	t.say("lab", "that is all; ebb goes on until Ctrl-C, and its page is here: "+us.link())
	<-ctx.Done()
	return nil
}

// story is what may differ from one telling to the next.
type story struct{ size, piece int64 } // of the swarm to help, bytes

// tell plays the story up to its end: a stock leecher has it all from us.
func (s story) tell(ctx context.Context, world *lab.World, binary string, t *teller) (us *ebb, err error) {
	light, err := world.Content("First Light", 24*mib, 512<<10)
	if err != nil {
		return nil, err
	}
	maps, err := world.Content("Old Maps", s.size, s.piece)
	if err != nil {
		return nil, err
	}
	seed, err := world.Seed(ctx, light, maps)
	if err != nil {
		return nil, err
	}
	t.say("lab", fmt.Sprintf("a tracker at %s, and a stock seed of First Light (24 MiB) and of Old Maps (%d MiB)", world.TrackerURL(), s.size/mib))

	other, err := world.Agent(lab.AgentConfig{Storage: "64MiB"})
	if err != nil {
		return nil, err
	}
	if _, err := other.AddBackground(ctx, webui.Source{File: maps.Torrent}); err != nil {
		return nil, err
	}
	if _, err := other.AddForeground(ctx, webui.Source{File: light.Torrent}, true); err != nil {
		return nil, err
	}
	if err := other.Follow(ctx, func(e swarm.Event) bool { return e.Kind == "complete" && e.Hash == light.Hash }); err != nil {
		return nil, err
	}
	t.say("lab", fmt.Sprintf("another ebb at %v has downloaded First Light, and helps Old Maps", other.Addr))

	config, state, addr, err := world.WriteConfig(lab.AgentConfig{Storage: "64MiB"})
	if err != nil {
		return nil, err
	}
	us, err = startEbb(ctx, binary, config, state, t)
	if err != nil {
		return nil, err
	}
	t.say("lab", fmt.Sprintf("our ebb starts at %v with 64 MiB to lend", addr))
	t.say("lab", "open its page: "+us.link())
	if err := us.add(ctx, light.Torrent); err != nil {
		return us, err
	}
	t.say("lab", "its owner says: download First Light")

	for _, c := range []*lab.Content{light, maps} {
		if err := us.await(ctx, "complete", c.Hash); err != nil {
			return us, err
		}
	}
	if err := errors.Join(other.Stop(), seed.Stop()); err != nil {
		return us, err
	}
	t.say("lab", "everybody else who had Old Maps has gone; a stock leecher comes, and wants it")
	leecher, err := world.Leech(ctx, maps)
	if err != nil {
		return us, err
	}
	if err := leecher.Wait(ctx); err != nil {
		return us, err
	}
	t.say("lab", "the stock leecher has all of Old Maps, byte for byte, from our fragments alone")
	memory, err := us.memory()
	if err != nil {
		return us, err
	}
	t.say("lab", fmt.Sprintf("our ebb never used more than %.1f MB of memory", float64(memory)/1e6))
	return us, nil
}

// teller prints the story.
type teller struct{ began time.Time }

func (t *teller) say(who, what string) {
	fmt.Printf("%6.1fs  %-4s  %s\n", time.Since(t.began).Seconds(), who, what)
}
