package quota

import (
	"iter"
	"sync"
	"testing"

	"ebb/quota/fragstore"
)

// The budget: from a breach to back within the quota in 1 s, with 10,000 fragments.
func BenchmarkReclaim10000(b *testing.B) {
	const fragments, length = 10000, 4 * kib
	for b.Loop() {
		b.StopTimer()
		w := newWorld(b, Limits{Storage: gib})
		var workers sync.WaitGroup
		for worker := range 8 { // syncs of several files cost little more than one
			workers.Go(func() {
				for i := worker; i < fragments; i += 8 {
					if err := w.admit(key(string(rune(i%1000)), uint32(i)), length, float64(i%97)); err != nil {
						b.Error(err)
					}
				}
			})
		}
		workers.Wait()
		w.ledger.SetLimits(Limits{})
		b.StartTimer()
		if freed := w.ledger.Enforce(); freed != fragments*length {
			b.Fatalf("freed %d", freed)
		}
	}
}

// pretended is a full store of 100,000 fragments.
type pretended struct {
	*fragstore.Store
	fragments []fragstore.Fragment
}

func (p pretended) Fragments() iter.Seq[fragstore.Fragment] {
	return func(yield func(fragstore.Fragment) bool) {
		for _, f := range p.fragments {
			if !yield(f) {
				return
			}
		}
	}
}

// An admission to a full store looks at every fragment.
func BenchmarkChooseAmong100000(b *testing.B) {
	var p pretended
	for i := range 100000 {
		p.fragments = append(p.fragments, fragstore.Fragment{Key: key("a", uint32(i)), Bytes: mib, Value: float64(i * 7919 % 100003)})
	}
	for name, need := range map[string]int64{"One": mib, "TenThousand": 10000 * mib} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				chooseVictims(p.Fragments(), need)
			}
		})
	}
}
