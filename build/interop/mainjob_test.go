//go:build interop && linux

package interop

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ebb/agent/swarm"
)

// ebbBinary is what `make build` makes, as seen from this directory.
const ebbBinary = "../out/ebb"

// What Y lends to the background.
const (
	storageAllotment = 64 * miB
	uploadAllotment  = 4 * miB // per second
)

// diskSize is Y's disk. A (256 MiB) and all of B as fragments (48 MiB) leave room for 80 MiB less what the state takes:
// not enough for C (96 MiB). Without B there is enough.
const diskSize = 384 * miB

const (
	sampleEvery = 100 * time.Millisecond
	// Over any span of this length the upload keeps to 105 % of the allotment.
	uploadSpan   = 10 * time.Second
	mostUploaded = uploadAllotment * 105 / 100 * int64(uploadSpan/time.Second) // bytes
)

// How long the steps may take. On an idle machine with two cores each takes a quarter of its time or less.
const (
	foregroundLimit = 2 * time.Minute // the owner's download of A or C
	backgroundLimit = 3 * time.Minute // from hearing of B to holding all of it
	fromYLimit      = 2 * time.Minute // 48 MiB at 4 MiB/s take 12 s
)

// TestTheMainJob is the test of record: what ebb exists for, among BitTorrent programs that know nothing of it.
//
//	             opentracker (HTTP and UDP)
//	            /       |        \
//	transmission        X          Y  <- told: download A
//	seeds A, B      has A in       |
//	              the foreground,  |   then transmission drops B, X stops, and
//	                holds B        |
//	                               +--- B ---> aria2, qbittorrent
//
// Y finds X through A, hears of B, joins it, and comes to hold it, so that B outlives all its seeds. Then Y is told to
// download C, for which B must make room.
func TestTheMainJob(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t)
	tracker, err := StartOpentracker(ctx, w.place("opentracker"))
	started(t, tracker, err)

	files := w.place("content").Dir
	content := func(name string, seed byte, pieceLength int64, parts ...File) *Content {
		c, err := MakeContent(files, name, seed, pieceLength, []string{tracker.HTTP(), tracker.UDP()}, parts...)
		if err != nil {
			t.Fatal(err)
		}
		if err := tracker.Serve(ctx, c.Hash, rendezvous(c.Hash)); err != nil {
			t.Fatal(err)
		}
		return c
	}
	// rain asks a peer for blocks of the next piece only when it has all of the one before, and Transmission looks at
	// new requests twice a second, so a piece takes half a second however short it is. Long pieces keep this test
	// short.
	contentA := content("Field recordings A", 'A', 4*miB, File{"long.wav", 199*miB + 7}, File{"short/short.wav", 57*miB - 7})
	contentB := content("Old maps B.tar", 'B', 256*kiB, File{"", 48 * miB})
	contentC := content("Star catalogue C.fits", 'C', 2*miB, File{"", 96 * miB})

	seed, err := StartTransmission(ctx, w.place("transmission"))
	started(t, seed, err)
	step(t, "transmission seeds A and B", func() error {
		return errors.Join(
			seed.Seed(ctx, contentA, files, foregroundLimit), known(ctx, tracker, contentA, seed.Addr()),
			seed.Seed(ctx, contentB, files, foregroundLimit), known(ctx, tracker, contentB, seed.Addr()),
		)
	})

	placeX := w.place("agent-X")
	x, err := StartAgent(ctx, builtEbb(t), placeX, AgentPreferences{Disk: placeX.Dir, Storage: "256MiB", Upload: "unlimited"})
	started(t, x, err)
	step(t, "X downloads A and holds B in the background, as its owner says", func() error {
		return errors.Join(
			add(ctx, x, contentA), add(ctx, x, contentB, "-background"),
			x.Downloaded(ctx, contentA, foregroundLimit), x.Holds(ctx, contentB, backgroundLimit),
		)
	})

	placeY := w.place("agent-Y")
	diskY := filepath.Join(placeY.Dir, "disk")
	unmount, err := MountDisk(diskY, diskSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unmount(); err != nil {
			t.Error(err)
		}
	})
	y, err := StartAgent(ctx, builtEbb(t), placeY, AgentPreferences{Disk: diskY, Storage: "64MiB", Upload: "4MiB/s"})
	started(t, y, err)
	limits := watchLimits(ctx, y)

	step(t, "Y downloads A, as its owner says: all that it is told", func() error {
		return errors.Join(add(ctx, y, contentA), y.Downloaded(ctx, contentA, foregroundLimit))
	})
	step(t, "Y has found X, heard of B, joined it, and holds it", func() error {
		return y.Holds(ctx, contentB, backgroundLimit)
	})
	step(t, "ebb why B names X and A", func() error {
		why, err := y.Command(ctx, "why", contentB.Hash.String())
		t.Logf("ebb why B:\n%s", why)
		if !strings.Contains(why, x.Addr().String()) || !strings.Contains(why, contentA.Name) {
			err = errors.Join(err, fmt.Errorf("want %v and %q in it", x.Addr(), contentA.Name))
		}
		return err
	})

	step(t, "every seed of B and X stop; Y is the last peer of B", func() error {
		return errors.Join(seed.Remove(ctx, contentB.Hash), stops(ctx, x), alone(ctx, tracker, contentB, y.Addr()))
	})
	step(t, "a fresh aria2 downloads B from Y alone", func() error {
		aria2, err := StartAria2(w.place("aria2"), contentB)
		started(t, aria2, err)
		return errors.Join(aria2.Downloaded(ctx, fromYLimit), alone(ctx, tracker, contentB, y.Addr()))
	})
	step(t, "a fresh qbittorrent downloads B from Y alone", func() error {
		qbittorrent, err := StartQBittorrent(ctx, w.place("qbittorrent"))
		started(t, qbittorrent, err)
		return errors.Join(
			qbittorrent.Add(ctx, contentB), qbittorrent.Downloaded(ctx, contentB, fromYLimit),
			qbittorrent.Stop(), alone(ctx, tracker, contentB, y.Addr()),
		)
	})

	step(t, "transmission seeds C", func() error {
		return errors.Join(seed.Seed(ctx, contentC, files, foregroundLimit), known(ctx, tracker, contentC, seed.Addr()))
	})
	step(t, "Y downloads C, for which B makes room", func() error {
		return errors.Join(fitsNot(ctx, y, contentC), add(ctx, y, contentC), y.Downloaded(ctx, contentC, foregroundLimit))
	})
	step(t, "A is as it was, and what is left of B is sound", func() error { return unharmed(ctx, t, y, contentA, contentB) })

	limits.check(t)
	step(t, "Y stops when it is told to", func() error { return stops(ctx, y) })
	step(t, "fragments on disk are still sound", func() error {
		_, err := y.CheckFragments(contentB)
		return err
	})
}

// builtEbb is the ebb that is tested.
func builtEbb(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(ebbBinary)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// rendezvous is the info-hash under which the agents in a swarm find each other. The tracker must serve it.
func rendezvous(h swarm.InfoHash) swarm.InfoHash {
	return sha1.Sum(append([]byte("ebb rendezvous 1"), h[:]...))
}

// add is `ebb add`.
func add(ctx context.Context, a *Agent, c *Content, flags ...string) error {
	dir, err := os.MkdirTemp("", "ebb-interop-torrent-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	torrent, err := c.WriteTorrent(dir)
	if err != nil {
		return err
	}
	_, err = a.Command(ctx, "add", append(flags, torrent)...)
	return err
}

// stops ends the agent as a service manager would, and expects exit status 0.
func stops(ctx context.Context, a *Agent) error { return errors.Join(a.Stop(), a.Wait(ctx)) }

// alone waits until the tracker knows one peer only.
func alone(ctx context.Context, tracker *Opentracker, c *Content, peer netip.AddrPort) error {
	return Await(ctx, announceLimit, fmt.Sprintf("%v to be alone in %s", peer, c.Name), func(ctx context.Context) error {
		members, err := tracker.Members(ctx, c.Hash)
		if err == nil && !slices.Equal(members, []netip.AddrPort{peer}) {
			err = fmt.Errorf("the tracker knows %v", members)
		}
		return err
	})
}

// fitsNot checks that the content does not fit on the agent's disk as things are.
func fitsNot(ctx context.Context, a *Agent, c *Content) error {
	status, err := a.Status(ctx)
	if err == nil && status.Disk.Free >= c.Length {
		err = fmt.Errorf("%d bytes free: %s fits without a reclaim, so the test shows nothing", status.Disk.Free, c.Name)
	}
	return err
}

// unharmed checks what the agent has after C: all of A, and of B only what is sound.
func unharmed(ctx context.Context, t *testing.T, y *Agent, a, b *Content) error {
	if err := y.Downloaded(ctx, a, foregroundLimit); err != nil {
		return err
	}
	left, err := y.CheckFragments(b)
	if err == nil && left >= b.Pieces() {
		err = fmt.Errorf("all %d fragments of B are still there", left)
	}
	t.Logf("%d of %d fragments of B are left", left, b.Pieces())
	return err
}

// limitWatch looks at what an agent's background uses.
type limitWatch struct {
	agent            *Agent
	uploaded, stored *Watch
}

func watchLimits(ctx context.Context, a *Agent) limitWatch {
	return limitWatch{
		agent: a,
		uploaded: StartWatch(ctx, sampleEvery, func(ctx context.Context) (int64, error) {
			status, err := a.Status(ctx)
			return status.Background.Uploaded, err
		}),
		stored: StartWatch(ctx, sampleEvery, func(context.Context) (int64, error) { return AllocatedBelow(a.Fragments()) }),
	}
}

// maxGap is how long the watches may be blind, at most, for their figures to mean anything.
const maxGap = 3 * time.Second

// check ends the watch, tells what was used, and fails the test if that is more than the allotment.
func (l limitWatch) check(t *testing.T) {
	t.Helper()
	uploaded, errUploaded := l.uploaded.Stop()
	stored, errStored := l.stored.Stop()
	if err := errors.Join(errUploaded, errStored); err != nil {
		t.Fatal(err)
	}
	for what, s := range map[string]*Series{"upload": uploaded, "fragments": stored} {
		t.Logf("%s: %d readings, at most %v apart", what, s.Len(), s.Gap().Round(time.Millisecond))
		if s.Gap() > maxGap {
			t.Errorf("the watch of the %s was blind for %v", what, s.Gap())
		}
	}
	within := uploaded.MostWithin(uploadSpan)
	t.Logf("background upload: %.1f MiB in all, at most %.2f MiB in any %v, of %.2f MiB", mib(uploaded.Max()), mib(within), uploadSpan, mib(mostUploaded))
	if within > mostUploaded {
		t.Errorf("the background uploaded %d bytes within %v, want at most %d", within, uploadSpan, mostUploaded)
	}
	t.Logf("fragments on disk: at most %.2f MiB, of %.2f MiB", mib(stored.Max()), mib(storageAllotment))
	if stored.Max() > storageAllotment {
		t.Errorf("the fragments took %d bytes of disk, want at most %d", stored.Max(), storageAllotment)
	}
	peak, err := PeakMemory(l.agent.PID())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("peak memory of Y: %.1f MiB", mib(peak))
}

func mib(bytes int64) float64 { return float64(bytes) / miB }
