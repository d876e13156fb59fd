package fragstore

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// The test of this file runs scripts on a disk that fails, at every operation, in every way.

// play is one run of a script.
type play struct {
	disk  *faultyDisk
	state string
	s     *Store // nil: it could not be opened
	// vowed are the fragments that must survive: they were stored, and a later Sync or Close went well.
	vowed, stored map[Key]bool
	wrong         []string
}

func (p *play) complain(format string, args ...any) {
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

// step is one thing that is done to a store. Whatever it reports, it must not do harm.
type step struct {
	name string
	do   func(p *play)
}

func putStep(k Key) step {
	return step{"put " + k.String(), func(p *play) {
		if put(p.s, k, lengthOf(k)) == nil {
			p.stored[k] = true
		}
	}}
}

func beginStep(k Key) step {
	return step{"begin " + k.String(), func(p *play) {
		if w, err := p.s.Create(k, lengthOf(k), sumOf(k, lengthOf(k))); err == nil {
			_, _ = w.WriteAt(content(k, lengthOf(k))[:lengthOf(k)/2], 0)
		}
	}}
}

func backwardsStep(k Key) step {
	return step{"put backwards " + k.String(), func(p *play) {
		w, err := p.s.Create(k, lengthOf(k), sumOf(k, lengthOf(k)))
		if err != nil {
			return
		}
		whole, half := content(k, lengthOf(k)), lengthOf(k)/2
		_, err = w.WriteAt(whole[half:], half)
		for tries := 0; err == nil || tries < 2; tries++ { // a block may be tried again
			if _, err = w.WriteAt(whole[:half], 0); err == nil {
				break
			}
		}
		if w.Commit() == nil {
			p.stored[k] = true
		}
	}}
}

func readStep(k Key) step {
	return step{"read " + k.String(), func(p *play) { p.read(k) }}
}

func deleteStep(keys ...Key) step {
	return step{fmt.Sprint("delete ", keys), func(p *play) {
		for _, k := range keys {
			delete(p.stored, k)
			delete(p.vowed, k)
		}
		_, _ = p.s.Delete(keys...)
	}}
}

func deleteSwarmStep(k Key) step {
	return step{"delete swarm of " + k.String(), func(p *play) {
		for _, known := range []map[Key]bool{p.stored, p.vowed} {
			maps.DeleteFunc(known, func(other Key, _ bool) bool { return other.Hash == k.Hash })
		}
		_, _ = p.s.DeleteSwarm(k.Hash)
	}}
}

var (
	abortStep = step{"abort", func(p *play) {
		for _, w := range p.s.Incoming() {
			w.Abort()
		}
	}}
	syncStep = step{"sync", func(p *play) {
		if p.s.Sync() == nil {
			maps.Copy(p.vowed, p.stored)
		}
	}}
	metaStep  = step{"meta", func(p *play) { _ = p.s.PutMeta("b", "k", []byte("v")) }}
	checkStep = step{"check", func(p *play) { _ = p.s.Check() }}
	mendStep  = step{"mend", func(p *play) { _, _ = p.s.Mend() }}
	closeStep = step{"close", func(p *play) {
		if p.s.Close() == nil {
			maps.Copy(p.vowed, p.stored)
		}
		p.reopen()
	}}
	crashStep = step{"crash", func(p *play) { p.die(); p.reopen() }}
)

func (p *play) reopen() {
	s, err := openOn(p.disk, filepath.Join(p.state, "fragments"), filepath.Join(p.state, "fragments.db"), Options{Log: quiet})
	if p.s = s; err != nil {
		p.s = nil
	}
	clear(p.stored)
	maps.Copy(p.stored, p.vowed)
}

// die is crash on a disk that may refuse to close a directory.
func (p *play) die() {
	if root, ok := p.s.root.(faultyDirectory); ok {
		p.s.root = root.directory
	}
	if home, ok := p.s.home.(faultyDirectory); ok {
		p.s.home = home.directory
	}
	crash(panicker{}, p.s)
}

// panicker is for what cannot fail.
type panicker struct{}

func (panicker) Helper()           {}
func (panicker) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// read reads a fragment if it is held, and serves it.
func (p *play) read(k Key) {
	r, err := p.s.Open(k, sumOf(k, lengthOf(k)))
	if err != nil {
		if p.vowed[k] && (errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotHeld)) {
			p.complain("%s was stored, and is lost: %v", k, err)
		}
		return
	}
	defer r.Close()
	r.Prefetch(0, lengthOf(k))
	got, want := make([]byte, lengthOf(k)), content(k, lengthOf(k))
	if n, err := r.ReadAt(got, 0); err == nil && !bytes.Equal(got, want) || !bytes.Equal(got[:n], want[:n]) {
		p.complain("%s was read wrong", k)
	}
	r.Served(0, lengthOf(k))
	p.s.Served(k, lengthOf(k))
}

// run runs a script and returns what it did wrong. The last step of all is a clean stop, or a crash.
func (p *play) run(script []step, clean bool) {
	p.reopen()
	for _, step := range script {
		if p.s == nil {
			if p.reopen(); p.s == nil {
				continue
			}
		}
		step.do(p)
		if p.s == nil {
			continue
		}
		if disk, used := onDisk(panicker{}, filepath.Join(p.state, "fragments")), p.s.Used(); disk > used {
			p.complain("after %q the files take %d bytes, and %d are counted", step.name, disk, used)
		}
	}
	switch {
	case p.s == nil:
	case clean && p.s.Close() == nil:
		maps.Copy(p.vowed, p.stored)
	case !clean:
		p.die()
	}
	p.disk.repair()
	p.reopen()
	if p.s == nil {
		p.complain("it does not open any more")
		return
	}
	p.verify()
	if err := p.s.Close(); err != nil {
		p.complain("closing: %v", err)
	}
}

// verify looks at a store on a disk that works again.
func (p *play) verify() {
	if err := p.s.Check(); err != nil {
		p.complain("Check: %v", err)
	}
	var sum int64
	for f := range p.s.Fragments() {
		sum += f.Bytes
		if got, err := read(p.s, f.Key, f.Length); err != nil || !bytes.Equal(got, content(f.Key, lengthOf(f.Key))) {
			p.complain("%s is held, and is read as %d bytes, %v", f.Key, len(got), err)
		}
	}
	for k := range p.vowed {
		if !p.s.Has(k) {
			p.complain("%s was stored, and is lost", k)
		}
	}
	if used := p.s.Used(); used != sum {
		p.complain("%d bytes are used, and the fragments have %d", used, sum)
	}
}

// a and b have fragments of few bytes: what matters is how many operations they take.
func scriptKey(swarm string, index uint32) Key { return key(swarm, index) }

func theScript() []step {
	a0, a1, b0 := scriptKey("a", 0), scriptKey("a", 1), scriptKey("b", 2)
	return []step{
		putStep(a0), backwardsStep(b0), syncStep, readStep(a0), beginStep(a1), mendStep, abortStep, putStep(a1), closeStep, readStep(b0), deleteStep(a0),
		crashStep, readStep(a1), checkStep, beginStep(a0), deleteSwarmStep(a1), metaStep,
	}
}

func randomScript(seed uint64) (script []step) {
	r := rand.New(rand.NewPCG(seed, 0))
	somekey := func() Key { return scriptKey([]string{"a", "b"}[r.IntN(2)], r.Uint32N(3)) }
	for range 10 {
		switch r.IntN(14) {
		case 0, 1, 2, 3:
			script = append(script, putStep(somekey()))
		case 4:
			script = append(script, beginStep(somekey()))
		case 5:
			script = append(script, backwardsStep(somekey()))
		case 6, 7:
			script = append(script, readStep(somekey()))
		case 8:
			script = append(script, deleteStep(somekey(), somekey()))
		case 9:
			script = append(script, deleteSwarmStep(somekey()))
		case 10:
			script = append(script, syncStep)
		case 11:
			script = append(script, mendStep)
		case 12:
			script = append(script, closeStep)
		case 13:
			script = append(script, crashStep)
		}
	}
	return script
}

// runOnce runs a script in a directory of its own, and returns how many operations the fault could have befallen.
func runOnce(t *testing.T, parent, name string, script []step, disk *faultyDisk, clean bool) int {
	state, err := os.MkdirTemp(parent, "")
	must(t, err)
	p := &play{disk: disk, state: state, vowed: make(map[Key]bool), stored: make(map[Key]bool)}
	hang := time.AfterFunc(time.Minute, func() {
		buffer := make([]byte, 1<<20)
		panic(fmt.Sprintf("%s hangs\n%s", name, buffer[:runtime.Stack(buffer, true)]))
	})
	p.run(script, clean)
	hang.Stop()
	for _, wrong := range p.wrong {
		t.Errorf("%s: %s", name, wrong)
	}
	must(t, os.RemoveAll(state))
	return disk.count
}

func TestADiskThatFailsAtAnyOperationLosesNothingAndServesNothingWrong(t *testing.T) {
	parent := memoryDir(t)
	scripts := map[string][]step{"the script": theScript()}
	for range 2 {
		seed := rand.Uint64()
		scripts[fmt.Sprintf("random script %d", seed)] = randomScript(seed)
	}
	var runs sync.WaitGroup
	free := make(chan struct{}, 2*runtime.GOMAXPROCS(0))
	var total int
	for scriptName, script := range scripts {
		for _, f := range faults {
			most := runOnce(t, parent, scriptName, script, &faultyDisk{fault: f, nth: 1 << 30}, true)
			for nth := range most {
				for _, lasting := range []bool{false, true} {
					total++
					free <- struct{}{}
					runs.Go(func() {
						defer func() { <-free }()
						name := fmt.Sprintf("%s, %s at operation %d of %d, lasting: %v", scriptName, f.name, nth, most, lasting)
						runOnce(t, parent, name, script, &faultyDisk{fault: f, nth: nth, lasting: lasting}, nth%2 == 0)
					})
				}
			}
		}
	}
	runs.Wait()
	t.Logf("%d runs", total)
}
