//go:build linux

package netlab

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

func TestEveryPairOfValuesOccurs(t *testing.T) {
	for seed := range uint64(5) {
		cells := Covering(seed)
		of := sizes()
		want := 0
		for i := range factors {
			for j := i + 1; j < factors; j++ {
				want += of[i] * of[j]
			}
		}
		seen := map[string]bool{}
		for _, c := range cells {
			v := reflect.ValueOf(c)
			var values []string // up and down are one factor
			for i := range v.NumField() {
				if i != 1 {
					values = append(values, fmt.Sprint(i, "=", v.Field(i)))
				}
			}
			for i := range values {
				for j := i + 1; j < len(values); j++ {
					seen[values[i]+" "+values[j]] = true
				}
			}
		}
		if len(seen) != want {
			t.Errorf("seed %d: %d of %d pairs occur in %d cells", seed, len(seen), want, len(cells))
		}
		if len(cells) > 60 {
			t.Errorf("seed %d: %d cells", seed, len(cells))
		}
	}
	if reflect.DeepEqual(Covering(1), Covering(2)) {
		t.Error("two seeds make the same cells")
	}
	if !reflect.DeepEqual(Covering(1), Covering(1)) {
		t.Error("one seed makes two sets")
	}
}

func TestWhatIsPromisedInACell(t *testing.T) {
	slow := Cell{Up: 1, Down: 8, Trip: 80 * time.Millisecond, Jitter: 3 * time.Millisecond, Buffer: time.Second, Peers: 12, Told: 1}
	if p := slow.promised(); p.used != .80 || p.ping < 41*time.Millisecond || p.ping > 42*time.Millisecond {
		t.Errorf("behind the router on 1 Mbit/s: %+v", p)
	}
	if w := slow.world(); w.Line.Up != MBit || w.Line.Burst != 0 || w.Path.Delay != 40*time.Millisecond || w.Peers != 12 {
		t.Errorf("its world is %+v", w)
	}
	fast := Cell{Up: 100, Down: 100, Router: true}
	if p := fast.promised(); p.used != .85 || p.ping != 10*time.Millisecond || fast.position() != OnRouter || slow.position() != BehindIt {
		t.Errorf("on the router of 100 Mbit/s: %+v", p)
	}
}
