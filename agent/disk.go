package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
	"ebb/platform"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
)

// ErrRestart ends Run when the disk that holds the state has gone and come
// back: what was opened is of no use any more, and New opens it anew.
var ErrRestart = errors.New("the disk that holds ebb's state has come back, and is opened anew")

const (
	lostInterval = 2 * time.Second // how often we look whether the fragments are still there
	// sleepInterval is how often we ask a spinning disk whether it sleeps. Asking does not wake it, but some disks count
	// it as use and would never fall asleep if they were asked all the time.
	sleepInterval = time.Minute
)

// fileSystem measures the one that holds a path.
func fileSystem(path string) func() (disk.FileSystem, error) {
	return func() (disk.FileSystem, error) {
		d, err := platform.DiskUsage(path)
		return disk.FileSystem{ID: d.ID, Free: d.Free, Total: d.Total, ReadOnly: d.ReadOnly}, err
	}
}

// downloads is the directory for the owner's downloads.
func (a *Agent) downloads(p prefs.Preferences) string {
	if p.Foreground.Directory != "" {
		return p.Foreground.Directory
	}
	return a.state.file("downloads")
}

// diskState is what is known of the disk that holds the fragments.
type diskState struct {
	drive  platform.Drive
	silent error       // why the drive does not tell whether it sleeps, if it spins
	asleep atomic.Bool // the background must not wake it

	mu   sync.Mutex // guards what follows
	lost error      // it has gone, or something else is in its place
}

// openDrive finds out what the state lies on.
func (a *Agent) openDrive() {
	drive, err := platform.DriveOf(a.state.path)
	if err != nil {
		a.log.Debug("looking for the drive under the state directory", "err", err)
		return
	}
	a.disk.drive = drive
	if drive.Rotational {
		_, a.disk.silent = drive.Asleep()
	}
}

// quiet tells the fragment store that the disk sleeps, and is to sleep on.
func (a *Agent) quiet() bool { return a.disk.asleep.Load() }

// hold is why the background may not write just now; nil if it may.
func (a *Agent) hold() error {
	a.disk.mu.Lock()
	defer a.disk.mu.Unlock()
	switch {
	case a.disk.lost != nil:
		return a.disk.lost
	case a.quiet():
		return fragstore.ErrAsleep
	}
	return nil
}

// watchDisk follows whether the disk that holds the fragments is there and
// awake. Its error is ErrRestart.
func (a *Agent) watchDisk(ctx context.Context) error {
	look := time.NewTicker(lostInterval)
	defer look.Stop()
	ask := time.NewTicker(sleepInterval)
	defer ask.Stop()
	for {
		select {
		case <-look.C:
			if err := a.lookForDisk(); err != nil {
				return err
			}
		case <-ask.C:
			a.askDisk()
		case <-ctx.Done():
			return nil
		}
	}
}

// lookForDisk notes whether the disk has gone, or is there again.
func (a *Agent) lookForDisk() error {
	lost := a.store.Lost()
	a.disk.mu.Lock()
	before := a.disk.lost
	a.disk.lost = lost
	a.disk.mu.Unlock()
	switch {
	case lost == nil && before != nil:
		swarm.Tell(a.log, "disk", swarm.InfoHash{}, "the disk with the fragments is there again")
	case lost != nil && before == nil:
		swarm.Tell(a.log, "disk", swarm.InfoHash{}, fmt.Sprintf("paused: the disk with the fragments has gone; when it comes back ebb goes on (%v)", lost))
	case lost != nil:
		// It takes two looks to be sure: what is there now may still be coming.
		if fi, err := os.Stat(a.state.file("fragments.db")); err == nil && fi.Mode().IsRegular() {
			return ErrRestart
		}
	}
	return nil
}

// askDisk notes whether the disk sleeps.
func (a *Agent) askDisk() {
	asleep := false
	if a.disk.drive.Rotational && a.current().Background.DiskSleep == prefs.DiskSleepRespect {
		// Who is not allowed to ask does not know, and works on: ebb doctor says so.
		asleep, _ = a.disk.drive.Asleep()
	}
	if a.disk.asleep.Swap(asleep) == asleep {
		return
	}
	if asleep {
		swarm.Tell(a.log, "disk", swarm.InfoHash{}, "the disk sleeps, and ebb lets it: fragments are neither fetched nor served until something else wakes it")
	} else {
		swarm.Tell(a.log, "disk", swarm.InfoHash{}, "the disk is awake")
	}
}
